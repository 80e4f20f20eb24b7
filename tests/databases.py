"""Databases of a test's own on a PostgreSQL server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The address of an empty database beside the one `server` names; dropped at the end, whoever is still in it."""
    import psycopg

    name = f"feeds_test_{secrets.token_hex(6)}"
    parts = urlsplit(server)
    with psycopg.connect(urlunsplit(parts._replace(scheme="postgresql")), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(parts._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
