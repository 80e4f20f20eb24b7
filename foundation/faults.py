"""Which errors of a driver mean that the database, and neither the request nor our code, is at fault.

One list for everybody who catches them: answers, tasks, and reads that go on with a copy.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, ProgrammingError

DRIVER_ERRORS = (DatabaseError, InterfaceError)
_AWAY = (OperationalError, InterfaceError)
_UNDEFINED_COLUMN, _UNDEFINED_TABLE = "42703", "42P01"


class PoolBusy(OperationalError):
    """Every connection of this process was in use for too long."""


class ServerAway(OperationalError):
    """The server gave no connection, or did not answer, a moment ago."""


def is_store_fault(error: BaseException) -> bool:
    """Away, hung, read-only, or still on the schema of another release: asking again later may help."""
    if isinstance(error, ProgrammingError):
        return sqlstate_of(error) in (_UNDEFINED_COLUMN, _UNDEFINED_TABLE)
    return isinstance(error, (*_AWAY, InternalError))  # a server that takes no writes is an InternalError


def is_away(error: BaseException) -> bool:
    """Whether to leave the database alone for a moment. One that takes no writes, or is busy, still answers reads."""
    return isinstance(error, _AWAY) and not isinstance(error, PoolBusy)


def sqlstate_of(error: BaseException) -> str:
    """The five characters by which PostgreSQL names an error; empty where there are none."""
    return next((state for cause in causes_of(error) if (state := getattr(cause, "sqlstate", None))), "")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
