"""The two legs of `make test`, and which tests run in which.

`make test` runs on SQLite without Redis, and on PostgreSQL with Redis. A test runs in both legs when a store has a
part in it, and in one when it has not:

1. A mark decides: `sqlite_leg` or `both_legs`. `needs_postgres` and `needs_redis` mean the PostgreSQL leg.
2. Tests that start processes (`processes`) run in the PostgreSQL leg, as in production. Those that look at pages in a
   browser (`browser`) run in the SQLite leg.
3. Tests that use the database (`django_db`, or a fixture that needs it) or the cache (`cached`) run in both legs.
4. All others run in the SQLite leg. They cannot use a store by mistake: pytest-django refuses the database to a test
   that does not ask for it, and tests/conftest.py refuses the cache.

`pytest --leg=sqlite` and `--leg=postgres` select a leg's tests; without it, everything is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

SQLITE, POSTGRES = frozenset({"sqlite"}), frozenset({"postgres"})
BOTH = SQLITE | POSTGRES
BY_MARK = {
    "needs_postgres": POSTGRES,
    "needs_redis": POSTGRES,
    "sqlite_leg": SQLITE,
    "both_legs": BOTH,
    "browser": SQLITE,
    "processes": POSTGRES,
}
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}


def uses_database(item: pytest.Item) -> bool:
    fixtures: Iterable[str] = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not DATABASE_FIXTURES.isdisjoint(fixtures)


def uses_cache(item: pytest.Item) -> bool:
    return uses_database(item) or any(map(item.get_closest_marker, ("cached", "needs_redis")))


def legs_of(item: pytest.Item) -> frozenset[str]:
    for mark, legs in BY_MARK.items():
        if item.get_closest_marker(mark):
            return legs
    return BOTH if uses_cache(item) else SQLITE


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--leg", choices=sorted(BOTH), help="run only the tests of this leg of `make test`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leg = config.getoption("--leg")
    if leg is not None:
        config.hook.pytest_deselected(items=[item for item in items if leg not in legs_of(item)])
        items[:] = [item for item in items if leg in legs_of(item)]
    skip_what_has_no_store(items)
    # The long ones first, so that workers side by side end at about the same time.
    items.sort(key=lambda item: item.get_closest_marker("processes") is None)


def skip_what_has_no_store(items: list[pytest.Item]) -> None:
    """In a leg of their own these are not missing: `make test` says when it leaves out the PostgreSQL leg."""
    stores = {
        "needs_postgres": os.environ.get("DATABASE_URL", "").startswith("postgres"),
        "needs_redis": bool(os.environ.get("REDIS_URL")),
    }
    for mark, is_there in stores.items():
        if not is_there:
            for item in items:
                if item.get_closest_marker(mark):
                    item.add_marker(pytest.mark.skip(reason=f"{mark}: run in the PostgreSQL leg"))
