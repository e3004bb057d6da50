"""The sampler against transformers' own logits processors, and its noise against theory."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from inference.engine.mixing import key_of
from inference.engine.noise import gumbel_noise
from inference.engine.sampler import SamplerRow, filter_scores, sample
from inference.engine.sampling_params import SamplingParams

WIDTH = 50
CPU = torch.device("cpu")


def a_row(
    prompt: list[int] | None = None, made: list[int] | None = None, **params: Any
) -> SamplerRow:
    stops = frozenset(params.pop("stop_token_ids", ()))
    return SamplerRow(
        SamplingParams(**params), params.get("seed", 0), prompt or [0], made or [], stops
    )


def some_logits(rows: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3


@settings(max_examples=60, deadline=None)
@given(
    temperature=st.floats(0.05, 2.0),
    top_k=st.integers(0, WIDTH + 5),
    top_p=st.floats(0.05, 1.0),
    min_p=st.floats(0.0, 0.9),
    seed=st.integers(0, 10_000),
)
def test_filters_keep_what_transformers_keeps(
    temperature: float, top_k: int, top_p: float, min_p: float, seed: int
) -> None:
    logits = some_logits(1, seed)
    params = SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    theirs: Any = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        theirs.append(TopKLogitsWarper(top_k))
    if top_p < 1.0:
        theirs.append(TopPLogitsWarper(top_p))
    if min_p > 0.0:
        theirs.append(MinPLogitsWarper(min_p))
    expected = theirs(torch.tensor([[0]]), logits.clone()).softmax(-1)
    torch.testing.assert_close(filter_scores(logits, [params]).softmax(-1), expected)


def test_rows_with_different_params_do_not_see_each_other() -> None:
    logits = some_logits(4)
    rows = [
        a_row(temperature=0.0),
        a_row(temperature=1.0, top_k=3, seed=5),
        a_row([1, 2], [3, 4], temperature=0.8, top_p=0.7, frequency_penalty=1.0, seed=6),
        a_row([1], [2], temperature=1.5, min_p=0.1, repetition_penalty=1.3, seed=7),
    ]
    together = sample(logits, rows)
    alone = [sample(logits[i : i + 1], [row])[0] for i, row in enumerate(rows)]
    assert together == alone


def test_greedy_takes_the_likeliest() -> None:
    logits = some_logits(3)
    assert sample(logits, [a_row(temperature=0.0)] * 3) == logits.argmax(-1).tolist()


def test_the_repetition_penalty_is_that_of_transformers() -> None:
    logits = some_logits(1)
    seen = [1, 7, 7, 30, 42, 5]
    theirs: Any = RepetitionPenaltyLogitsProcessor(1.9)
    expected = theirs(torch.tensor([seen]), logits.clone()).argmax(-1).tolist()
    assert sample(logits, [a_row(seen[:3], seen[3:], temperature=0.0, repetition_penalty=1.9)]) == (
        expected
    )


def test_presence_and_frequency_count_the_output_only() -> None:
    logits = torch.zeros(1, 4)
    logits[0] = torch.tensor([3.0, 2.5, 2.4, 0.0])
    row = a_row([1, 1, 1], [0], temperature=0.0, presence_penalty=0.55)
    assert sample(logits, [row]) == [1]
    twice = a_row([2], [0, 1, 1, 0], temperature=0.0, frequency_penalty=0.4)
    assert sample(logits, [twice]) == [2]


def test_no_stop_token_before_min_tokens() -> None:
    logits = torch.tensor([[9.0, 1.0, 0.0]])
    params = {"temperature": 0.0, "min_tokens": 2, "stop_token_ids": [0]}
    assert sample(logits, [a_row([1], [1], **params)]) == [1]
    assert sample(logits, [a_row([1], [1, 1], **params)]) == [0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_without_numbers_fails_alone(bad: float) -> None:
    logits = some_logits(3)
    logits[1, 4] = bad
    chosen = sample(logits, [a_row(temperature=t) for t in (0.0, 1.0, 1.0)])
    assert chosen[1] is None
    assert chosen[0] is not None and chosen[2] is not None
    assert sample(torch.full((1, 4), float("-inf")), [a_row()]) == [None]


def test_noise_depends_on_seed_and_position_only() -> None:
    both = gumbel_noise([(1, 5), (2**63 - 1, 0)], WIDTH, CPU)
    assert torch.equal(both[0], gumbel_noise([(1, 5)], WIDTH, CPU)[0])
    assert torch.equal(both[1], gumbel_noise([(2**63 - 1, 0)], WIDTH, CPU)[0])
    assert not torch.equal(both[0], gumbel_noise([(1, 6)], WIDTH, CPU)[0])
    assert not torch.equal(both[0], gumbel_noise([(2**32 + 1, 5)], WIDTH, CPU)[0])


def test_keys_do_not_repeat() -> None:
    keys = {key_of(seed, position) for seed in range(100) for position in range(100)}
    assert len(keys) == 10_000


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = 4000
    rows = [a_row([0], [0] * (i % 50), temperature=1.0, seed=i) for i in range(draws)]
    counts = Counter(sample(logits.expand(draws, 4), rows))
    for token, likely in enumerate(logits.softmax(-1)[0].tolist()):
        spread = (draws * likely * (1 - likely)) ** 0.5
        assert abs(counts[token] - draws * likely) < 4 * spread


def test_a_tiny_temperature_is_greedy() -> None:
    logits = some_logits(1)
    assert sample(logits, [a_row(temperature=1e-9, seed=1)]) == logits.argmax(-1).tolist()
