"""The support code itself: its servers start, die and come back, and its client sees faults."""

from pathlib import Path

import psycopg
import pytest
import redis

from tests.support.client import Answer, Frame
from tests.support.databases import Database
from tests.support.postgres import PostgresServer
from tests.support.programs import find_postgres, find_redis, needed
from tests.support.redis_server import RedisServer


@pytest.mark.redis
def test_redis_comes_back_empty_on_its_port_after_a_kill() -> None:
    with RedisServer(needed(find_redis(), "redis-server")) as server:
        client = redis.Redis.from_url(server.url)
        client.set("a", 1)
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        assert client.get("a") is None


@pytest.mark.redis
def test_a_paused_redis_accepts_and_does_not_answer() -> None:
    with RedisServer(needed(find_redis(), "redis-server")) as server:
        client = redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None)
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert client.ping()


@pytest.mark.postgres
def test_postgres_copies_databases_and_survives_a_kill() -> None:
    with PostgresServer(needed(find_postgres(), "PostgreSQL")) as server:
        first = server.create_database()
        Database(first).execute("CREATE TABLE notes (text text)")
        Database(first).execute("INSERT INTO notes VALUES (%s)", ["kept"])
        copy = server.create_database(first.rpartition("/")[2])
        assert Database(copy).execute("SELECT text FROM notes") == [("kept",)]
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            Database(copy).count("notes")
        server.start()
        assert Database(copy).count("notes") == 1


def test_one_sql_serves_both_kinds_of_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    database.execute("CREATE TABLE notes (text text)")
    database.execute("INSERT INTO notes VALUES (%s)", ["kept"])
    assert database.count("notes", "text = %s", ["kept"]) == 1


def _delta(offset: int, text: str, attempt: int = 1) -> Frame:
    data = {"type": "message.delta", "offset": offset, "text": text, "attempt": attempt}
    return Frame(0.0, 0, data)


def test_an_answer_is_put_together_by_offset() -> None:
    answer = Answer("r")
    for offset, text in [(0, "ab"), (2, "c"), (3, "de")]:
        answer.add(_delta(offset, text))
    assert answer.text == "abcde"


@pytest.mark.parametrize("offset", [1, 3])
def test_an_answer_with_a_repetition_or_a_gap_is_refused(offset: int) -> None:
    answer = Answer("r")
    answer.add(_delta(0, "ab"))
    with pytest.raises(AssertionError):
        answer.add(_delta(offset, "c"))


def test_a_new_attempt_goes_back_to_its_first_offset() -> None:
    answer = Answer("r")
    answer.add(_delta(0, "abcd"))
    answer.add(_delta(2, "XY", attempt=2))
    assert answer.text == "abXY"
