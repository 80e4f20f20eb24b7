"""Behind PgBouncer in transaction mode, without our pool: no session is ours, and limits hold all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.utils import ConnectionHandler

from entitlements.models import Plan
from foundation import statements
from foundation.faults import ServerAway
from tests.conftest import needs
from tests.marks import needs_postgres
from tests.processes.pgbouncer import PROGRAM, pgbouncer
from tests.processes.service import free_port

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True)]


def connected_to(port: int) -> Any:
    """A connection to the test's database at this port, without a pool."""
    given = connection.settings_dict
    options = {name: value for name, value in given["OPTIONS"].items() if name != "pool"}
    database = {**given, "HOST": "127.0.0.1", "PORT": str(port), "OPTIONS": options}
    return ConnectionHandler({"default": database})["default"]


@pytest.fixture
def pooled() -> Iterator[list[Any]]:
    """Two connections, for which PgBouncer has one session at the server."""
    needs("pgbouncer", PROGRAM is not None)
    given = connection.settings_dict
    login = f"{given['USER']}:{given['PASSWORD']}"
    server = f"postgres://{login}@{given['HOST']}:{given['PORT'] or 5432}/{given['NAME']}"
    with pgbouncer(server, default_pool_size=1) as url:
        made = [connected_to(urlsplit(url).port or 0) for _ in range(2)]
        yield made
        for each in made:
            each.close()


def ask(database: Any, sql: str) -> Any:
    with database.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_two_clients_share_a_session_and_leave_nothing_in_it(pooled: list[Any]) -> None:
    assert len({ask(database, "SELECT pg_backend_pid()") for database in pooled}) == 1
    mine = connections[DEFAULT_DB_ALIAS]
    try:
        for database in 2 * pooled:
            connections[DEFAULT_DB_ALIAS] = database
            for rank in range(10):  # psycopg would prepare a statement that it has sent five times
                Plan.objects.update_or_create(key=f"plan-{rank}", defaults={"name": "x", "rank": 100 + rank})
        listed = iter(Plan.objects.order_by("rank").iterator(chunk_size=1))
        next(listed)
        assert ask(pooled[0], "SELECT count(*) FROM pg_cursors WHERE name <> ''") == 0
        assert len(list(listed)) >= 9
    finally:
        connections[DEFAULT_DB_ALIAS] = mine
    assert ask(pooled[0], "SELECT count(*) FROM pg_prepared_statements") == 0


def test_a_slow_statement_is_cancelled_through_pgbouncer(pooled: list[Any]) -> None:
    began = time.monotonic()
    with statements.limited_to(0.5), pytest.raises(OperationalError) as raised:
        ask(pooled[0], "SELECT pg_sleep(20)")

    assert time.monotonic() - began < 5
    assert type(raised.value.__cause__).__name__ == "QueryCanceled"
    assert [ask(database, "SELECT 1") for database in pooled] == [1, 1]


def test_without_a_pool_a_missing_server_costs_one_caller_and_the_next_nothing() -> None:
    from foundation.postgresql.base import server_breaker

    away = connected_to(free_port())
    try:
        with pytest.raises(OperationalError) as first:
            away.ensure_connection()
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(ServerAway):
                away.ensure_connection()

        assert not isinstance(first.value, ServerAway)
        assert time.monotonic() - began < 1
    finally:
        server_breaker.success()
