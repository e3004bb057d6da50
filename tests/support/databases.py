"""A site's database seen from beside it: what is stored, and the policy that an admin would set."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

Row = tuple[Any, ...]


class Database:
    """SQL with `%s` for parameters, whatever the server."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite:")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if self.is_sqlite:
            return self._sqlite(sql.replace("%s", "?"), parameters)
        return self._postgres(sql, parameters)

    def count(self, table: str, where: str = "1=1", parameters: Sequence[Any] = ()) -> int:
        rows = self.execute(f"SELECT count(*) FROM {table} WHERE {where}", parameters)
        number: int = rows[0][0]
        return number

    def states(self) -> dict[str, int]:
        """How many requests are in which state."""
        rows = self.execute(
            "SELECT state, count(*) FROM inference_generationrequest GROUP BY state"
        )
        return {row[0]: row[1] for row in rows}

    def set_policy(self, **values: int | bool | str) -> None:
        names = ", ".join(f'"{name}" = %s' for name in values)
        self.execute(
            f"UPDATE inference_queuepolicy SET {names} WHERE id = 1", list(values.values())
        )

    def _sqlite(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        path = Path(self.url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def _postgres(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []
