"""Which database errors mean that the database is at fault, and not the request or our code.

Views, tasks, and reads that can use a copy all use this one list.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, ProgrammingError

DRIVER_ERRORS = (DatabaseError, InterfaceError)
_AWAY = (OperationalError, InterfaceError)
_UNDEFINED = ("42703", "42P01", "42883")  # a column, a table, a function
# Raised as OperationalError by a server that answers: a statement that took too long, a lock that wasn't available, a
# deadlock, a full disk.
_ANSWERED = ("57014", "55P03", "40P01", "53100")


class PoolBusy(OperationalError):
    """Every connection of this process was in use for too long."""


class ServerAway(OperationalError):
    """The server gave no connection or did not answer a moment ago."""


def is_store_fault(error: BaseException) -> bool:
    """The database is away, hangs, is read-only or has the schema of another release: trying again later may help."""
    if isinstance(error, ProgrammingError):
        return sqlstate_of(error) in _UNDEFINED
    return isinstance(error, (*_AWAY, InternalError))  # a read-only server raises InternalError


def is_away(error: BaseException) -> bool:
    """Whether to stop asking the database for a moment. One that is read-only, busy or full still answers reads."""
    return (
        isinstance(error, _AWAY) and not isinstance(error, PoolBusy) and sqlstate_of(error) not in _ANSWERED
    )


def sqlstate_of(error: BaseException) -> str:
    """PostgreSQL's five-character code of the error; empty without one."""
    return next((state for cause in causes_of(error) if (state := getattr(cause, "sqlstate", None))), "")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
