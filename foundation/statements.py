"""How long a database statement may take: DATABASE_STATEMENT_SECONDS, or the limit of the enclosing `limited_to`.

The PostgreSQL backend enforces it. SQLite has no server that could hang.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

_limit: ContextVar[float | None] = ContextVar("statement_limit")
LONG_JOB_SECONDS = 600.0


def limit_seconds() -> float | None:
    """The current limit; None for no limit."""
    return _limit.get(settings.DATABASE_STATEMENT_SECONDS)


@contextmanager
def limited_to(seconds: float | None) -> Iterator[None]:
    """Set another limit for the block: longer for long jobs, shorter where there is an alternative."""
    token = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(token)
