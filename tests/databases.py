"""Temporary databases on a PostgreSQL server."""

from __future__ import annotations

import atexit
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from urllib.parse import urlsplit, urlunsplit


@contextmanager
def fresh_database(server: str, *, template: str = "template1") -> Iterator[str]:
    """Create a database on the server of the URL `server`, and yield its URL. It is dropped at the end."""
    url, name = _create(server, template)
    try:
        yield url
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@cache
def template_database(server: str, fill: Callable[[str], None]) -> str:
    """The name of a template database, set up by `fill` once per process and dropped at exit."""
    url, name = _create(server, "template1")
    atexit.register(_execute, server, f"DROP DATABASE {name} WITH (FORCE)")
    fill(url)
    return name


def _create(server: str, template: str) -> tuple[str, str]:
    name = f"feeds_test_{secrets.token_hex(6)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}")), name


def _execute(server: str, statement: str) -> None:
    import psycopg

    url = urlunsplit(urlsplit(server)._replace(scheme="postgresql"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def wait_for_room_in_the_hour(seconds: float = 15.0) -> None:
    """Wait for the next hour if this one is about to end. For tests that charge units by the database's own clock."""
    now = datetime.now(UTC)
    left = 3600 - now.minute * 60 - now.second
    if left < seconds:
        time.sleep(left + 1)
