"""A line of exported feedback is enough to make its answer again."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from chatsite.chat.protocol import CHAT_PARAMS
from tests.support.client import Person
from tests.support.fixtures import ComeIn, StartSite
from tests.support.processes import ROOT
from tests.support.site import Site


async def _rates(person: Person, message: str, **opinion: Any) -> None:
    page = await person.http.get("/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    response = await person.http.post(
        f"/messages/{message}/feedback/",
        json=opinion,
        headers={"X-CSRFToken": token[1], "Origin": person.url},
    )
    assert response.json() == {"feedback": opinion}


def _exported(site: Site) -> dict[str, Any]:
    command = [sys.executable, "manage.py", "exportfeedback"]
    output = subprocess.run(command, cwd=ROOT, env=site.env, capture_output=True, check=True)
    (line,) = output.stdout.decode().splitlines()
    exported: dict[str, Any] = json.loads(line)
    return exported


@pytest.mark.long
@pytest.mark.slow
async def test_the_bundled_model_says_the_same_again_from_an_exported_line(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site(engine="local", env={"CHATSITE_FEEDBACK": "texts"})
    alice = await come_in(site)
    accepted = await alice.try_send(
        "Tell me a story about a fox.", temperature=1.2, max_tokens=30, system="You are kind."
    )
    said = (await alice.answer(accepted["request"])).text
    await _rates(alice, accepted["message"], rating=1, comment="Foxes!")
    line = _exported(site)
    assert (line["answer"], line["comment"], line["finish_reason"]) == (said, "Foxes!", "length")
    system, question = line["prompt"]
    params = {name: value for name, value in line["params"].items() if name in CHAT_PARAMS}
    again = await alice.send(question["content"], system=system["content"], **params)
    assert (await alice.answer(again)).text == said
    # It was drawn: without it the model says something else.
    del params["seed"]
    other = await alice.send(question["content"], system=system["content"], **params)
    assert (await alice.answer(other)).text != said
