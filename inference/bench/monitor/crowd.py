"""Fills the queue of the site under the bench: `python -m inference.bench.monitor.crowd N`.

Prints the session of somebody who may watch. Its requests answer for longer than any bench.
"""

from __future__ import annotations

import sys

import django

PER_PERSON = 4


def main(requests: int) -> None:
    django.setup()
    from django.contrib.auth import get_user_model

    from inference.queue import NewRequest, submit

    people = get_user_model().objects
    for number in range(requests):
        person, _made = people.get_or_create(username=f"person {number // PER_PERSON}")
        submit(
            NewRequest(
                user_id=person.pk,
                model="",
                messages=[{"role": "user", "content": "mock:length=40000"}],
                params={},
                reply_group=f"user.{person.pk}",
            )
        )
    print(_session_of(people.create(username="ada", is_staff=True, is_superuser=True)))


def _session_of(user: object) -> str:
    from django.test import Client

    client = Client()
    client.force_login(user)  # type: ignore[arg-type]
    return client.cookies["sessionid"].value


if __name__ == "__main__":
    main(int(sys.argv[1]))
