"""The two legs of `make test`, and which tests run in which leg.

The SQLite leg runs without Redis, the PostgreSQL leg with it. The first rule that applies decides:

1. Tests with the mark `engines` run in no leg: `make engines` runs them.
2. The marks `sqlite_leg` and `both_legs` name the leg. `needs_postgres` and `needs_redis` mean the PostgreSQL leg.
3. Browser tests (`browser`) run in the SQLite leg. Other tests that start processes (`processes`) run in the PostgreSQL
   leg, as in production.
4. Tests that use the database (`django_db`, or a fixture that needs it) or the cache (`cached`) run in both legs.
5. All other tests run in the SQLite leg. They can't use a database or cache by mistake: pytest-django blocks database
   access without the mark, and tests/conftest.py blocks the cache.

`pytest --leg=sqlite` and `--leg=postgres` run one leg. Without the option, everything runs but `engines`, which needs
`--engines`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

SQLITE, POSTGRES = frozenset({"sqlite"}), frozenset({"postgres"})
BOTH = SQLITE | POSTGRES
BY_MARK: dict[str, frozenset[str]] = {
    "engines": frozenset(),
    "needs_postgres": POSTGRES,
    "needs_redis": POSTGRES,
    "both_legs": BOTH,  # before the next, so that a test can differ from its module
    "sqlite_leg": SQLITE,
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
    parser.addoption("--engines", action="store_true", help="also run the tests of `make engines`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leg = config.getoption("--leg")

    def is_wanted(item: pytest.Item) -> bool:
        if item.get_closest_marker("engines"):
            return bool(config.getoption("--engines"))
        return leg is None or leg in legs_of(item)

    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = [item for item in items if is_wanted(item)]
    skip_without_store(items)
    # The longest tests start first, so that the workers finish at about the same time.
    items.sort(key=lambda item: item.get_closest_marker("processes") is None)


def skip_without_store(items: list[pytest.Item]) -> None:
    """Skip the tests whose database or Redis isn't configured."""
    stores = {
        "needs_postgres": os.environ.get("DATABASE_URL", "").startswith("postgres"),
        "needs_redis": bool(os.environ.get("REDIS_URL")),
    }
    for mark, is_there in stores.items():
        if not is_there:
            for item in items:
                if item.get_closest_marker(mark):
                    item.add_marker(pytest.mark.skip(reason=f"{mark}: run in the PostgreSQL leg"))
