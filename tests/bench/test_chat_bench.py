"""The chat bench counts what people got of a real model."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from inference.bench.chat.command import SiteStage
from inference.bench.chat.plan import Plan
from tests.support.programs import find_redis, needed


@pytest.mark.redis
@pytest.mark.long
def test_everybody_gets_all_their_tokens(tmp_path: Path) -> None:
    needed(find_redis(), "redis-server")
    plan = Plan(people=3, new=12, rounds=2)
    rounds = SiteStage(plan, settings.INFERENCE_MODEL, tmp_path).rounds()
    assert [one.tokens for one in rounds] == [36, 36]
    assert all(one.missing == 0 and one.frames > 0 for one in rounds)
    assert all(one.tokens_per_s > 0 and one.prompt_tokens > 10 for one in rounds)
