"""What every test gets: a database file of its own, fast passwords, no settings of the developer.

Each run has its own SQLite file, so that several runs at once in one checkout do not meet. With
DATABASE_URL set the tests use that server instead.
"""

import inspect
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.db import connections

if TYPE_CHECKING:
    from chatsite.accounts.models import User

LONGEST_FIRST = ("test_on_postgres", "faults", "e2e", "browser", "demo_model", "engine")

pytest_plugins = ["tests.support.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    # The real hasher takes a quarter of a second of CPU for each password, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first, so that no process waits for the others at the end.

    Refuses async tests on `django_db` without `transaction=True`: their ORM calls run on another
    thread and connection, so rows would survive into the next test.
    """
    items.sort(key=_turn)
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is None or not inspect.iscoroutinefunction(getattr(item, "function", None)):
            continue
        if not (marker.kwargs.get("transaction") or "transactional_db" in _fixtures_of(item)):
            raise pytest.UsageError(f"{item.nodeid}: an async test needs transaction=True.")


def _turn(item: pytest.Item) -> int:
    folder = item.path.parent.name if item.path.name != "test_on_postgres.py" else item.path.stem
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


def _fixtures_of(item: pytest.Item) -> list[str]:
    names: list[str] = getattr(item, "fixturenames", [])
    return names


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file, not memory: threads of one test must see one database."""
    connection = connections["default"]
    if connection.vendor == "sqlite":
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(path)


@pytest.fixture(scope="session", autouse=True)
def _own_static_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing that a test collects lands in the checkout."""
    settings.STATIC_ROOT = tmp_path_factory.mktemp("static")


@pytest.fixture
def alice(db: None) -> "User":
    return _person("alice")


@pytest.fixture
def bob(db: None) -> "User":
    return _person("bob")


@pytest.fixture
def charlie(db: None) -> "User":
    """A member of staff."""
    return _person("charlie", is_staff=True)


def _person(name: str, is_staff: bool = False) -> "User":
    from chatsite.accounts.models import User

    return User.objects.create_user(name, password=f"{name}-knows-it", is_staff=is_staff)
