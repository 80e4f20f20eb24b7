"""Temporary databases on a PostgreSQL server.

Behind a pooler (tests/engines) DATABASE_URL is the pooler's, and DATABASE_SERVER_URL the server's: databases can't
be created from one that a pooler is connected to, and tests look at sessions.
"""

from __future__ import annotations

import atexit
import os
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
    if template != "template1":
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
        _execute(server, f"{ended} '{template}'")  # a pooler keeps connections to it
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}")), name


def direct_url(url: str) -> str:
    """The URL for psycopg of the same database, without a pooler."""
    parts = urlsplit(url)._replace(scheme="postgresql")
    if server := os.environ.get("DATABASE_SERVER_URL"):
        parts = parts._replace(netloc=urlsplit(server).netloc)
    return urlunsplit(parts)


def _execute(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(direct_url(server), autocommit=True) as connection:
        connection.execute(statement.encode())


def wait_for_room_in_the_hour(seconds: float = 15.0) -> None:
    """Wait for the next hour if this one is about to end. For tests that charge units by the database's own clock."""
    now = datetime.now(UTC)
    left = 3600 - now.minute * 60 - now.second
    if left < seconds:
        time.sleep(left + 1)
