"""Which database errors stop a process from asking the database for a moment."""

from __future__ import annotations

import psycopg
import pytest
from django.db import InterfaceError, InternalError, OperationalError
from psycopg import errors

from foundation.cache import StoreAway, database_breaker, guarded_load
from foundation.faults import PoolBusy, ServerAway


@pytest.mark.parametrize(
    ("error", "cause", "is_away"),
    [
        (OperationalError, psycopg.OperationalError, True),
        (OperationalError, errors.AdminShutdown, True),
        (OperationalError, errors.CannotConnectNow, True),
        (OperationalError, errors.TooManyConnections, True),
        (InterfaceError, psycopg.InterfaceError, True),
        (ServerAway, None, True),
        (PoolBusy, None, False),
        (OperationalError, errors.QueryCanceled, False),
        (OperationalError, errors.LockNotAvailable, False),
        (OperationalError, errors.DeadlockDetected, False),
        (OperationalError, errors.DiskFull, False),
        (InternalError, errors.ReadOnlySqlTransaction, False),
    ],
)
def test_only_a_database_that_does_not_answer_is_left_alone(
    error: type[Exception], cause: type[Exception] | None, is_away: bool
) -> None:
    def fail() -> None:
        raise error from (cause() if cause else None)

    with pytest.raises(StoreAway):
        guarded_load(fail)

    assert database_breaker.is_open is is_away
