"""Limits on the wait for a connection and on the time a statement may take.

psycopg's pool does not distinguish two waits, which end differently here. While every connection is in use, a caller
waits for its turn, for BUSY_SECONDS at most. While the server gives no connection or does not answer, callers are
refused at once for a second; then one of them tries again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, ClassVar, TypeVar

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import capabilities
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from foundation import statements, threads
from foundation.cache import Breaker
from foundation.faults import PoolBusy, ServerAway

BUSY_SECONDS = 10.0
LONGEST_BUSY_SECONDS = 30.0  # for work that waits for others anyway
CHECKED_AFTER_IDLE_SECONDS = 1.0
Result = TypeVar("Result")

server_breaker = Breaker(open_seconds=1.0)


class ServerHangs(psycopg.OperationalError):
    """The server answered neither a statement nor the request to cancel it."""


class BoundedConnection(psycopg.Connection[Any]):
    """Cancels a statement after its limit, and closes the connection if the server does not even cancel.

    A time-out of TCP would not help: the kernel goes on acknowledging what is sent to a stopped server process.
    """

    idle_since_monotonic = float("inf")  # a new one works

    def is_broken(self) -> bool:
        """Whether the server has ended the connection while it was idle. Raises what a hanging server raises."""
        if time.monotonic() - self.idle_since_monotonic > CHECKED_AFTER_IDLE_SECONDS:
            try:
                ConnectionPool.check_connection(self)
            except psycopg.OperationalError:
                if not self.broken:
                    raise
        return self.broken

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        limit = statements.limit_seconds()
        if limit is None or timeout is not None:
            result = super().wait(gen, interval, timeout)
            server_breaker.success()
            return result
        try:
            result = super().wait(gen, interval, limit * 0.7)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise  # the server's own error, or a connection that it has closed
            result = self._give_up(gen, interval, limit * 0.1)
        server_breaker.success()
        return result

    def _give_up(self, gen: PQGen[Result], interval: float, seconds: float) -> Result:
        """The result, if the statement has ended meanwhile. Raises what a cancelled statement raises."""
        if capabilities.has_cancel_safe():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=seconds)
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            server_breaker.fault()
            raise ServerHangs("no answer in time") from None


class FairSemaphore:
    """Serves callers in the order of their calls. With Python's own, a thread can release a place and take it again."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def acquire(self, timeout_seconds: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            call = threading.Lock()
            call.acquire()
            self._waiting.append(call)
        if call.acquire(timeout=max(0.0, timeout_seconds)):
            return True
        with self._lock:
            if call not in self._waiting:  # got its place at the last moment
                return True
            self._waiting.remove(call)
            return False

    def release(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Turns:
    """Who may hold one of the pool's connections. Work that waits for others never holds more than half of them."""

    def __init__(self, pool_size: int) -> None:
        self._all = FairSemaphore(pool_size)
        self._of_waiting_work = FairSemaphore(max(1, pool_size // 2))

    def take(self) -> Callable[[], None]:
        """Wait for a turn; the function that gives it back. Raises PoolBusy."""
        is_patient = threads.is_waiting_work()
        give_up_at = time.monotonic() + _busy_seconds(is_patient)
        with ExitStack() as taken:
            for semaphore in [self._of_waiting_work, self._all] if is_patient else [self._all]:
                if not semaphore.acquire(give_up_at - time.monotonic()):
                    raise PoolBusy("every connection is in use")
                taken.callback(semaphore.release)
            return taken.pop_all().close


def _busy_seconds(is_patient: bool) -> float:
    """How long to wait for a turn. A caller with a shorter limit for its statements waits less, in proportion."""
    longest = LONGEST_BUSY_SECONDS if is_patient else BUSY_SECONDS
    limit = statements.limit_seconds()
    return longest if limit is None else min(longest, longest * limit / settings.DATABASE_STATEMENT_SECONDS)


class DatabaseWrapper(base.DatabaseWrapper):
    _turns: ClassVar[dict[str, Turns]] = {}
    _give_turn_back: Callable[[], None] | None = None

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        if pool := settings_dict["OPTIONS"].get("pool"):
            pool.setdefault("connection_class", BoundedConnection)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.alias == NO_DB_ALIAS:
            return super().get_new_connection(conn_params)
        if self.pool is None:
            self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            return self._without_pool(conn_params)
        give_turn_back = self._take_turn()
        try:
            connection = self._from_pool(conn_params)
        except BaseException as error:
            give_turn_back()
            if isinstance(error, PoolTimeout):
                server_breaker.fault()
            raise
        self._give_turn_back = give_turn_back
        return connection

    def _without_pool(self, conn_params: dict[str, Any]) -> Any:
        """A new connection, for a pool outside of this process, such as PgBouncer. It makes callers wait, not we."""
        if self.settings_dict.get("IS_PROBE"):
            return BoundedConnection.connect(**conn_params)
        if not server_breaker.allows():
            raise ServerAway("no answer a moment ago")
        try:
            return BoundedConnection.connect(**conn_params)
        except psycopg.OperationalError:
            server_breaker.fault()
            raise

    def _from_pool(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the pool. Waits on while the server answers others: then it's slow in opening connections."""
        give_up_at = time.monotonic() + _busy_seconds(threads.is_waiting_work())
        while True:
            began = time.monotonic()
            try:
                connection = super().get_new_connection(conn_params)
                # After a restart of the server, those in the pool are broken. Each would fail a request, and look like
                # a missing server. The pool's own check waits a second after a broken one.
                while isinstance(connection, BoundedConnection) and connection.is_broken():
                    self.pool.putconn(connection)
                    connection = super().get_new_connection(conn_params)
                return connection
            except PoolTimeout:
                answered_meanwhile = server_breaker.last_success_at_monotonic > began
                if not answered_meanwhile or time.monotonic() > give_up_at:
                    raise

    def _take_turn(self) -> Callable[[], None]:
        is_trial = server_breaker.is_open
        if not server_breaker.allows():
            raise ServerAway("no answer a moment ago")
        size = self.settings_dict["OPTIONS"]["pool"]["max_size"]
        give_back = self._turns.setdefault(self.alias, Turns(size)).take()
        if server_breaker.is_open and not is_trial:
            give_back()
            raise ServerAway("no answer a moment ago")
        return give_back

    def _close(self) -> None:
        give_turn_back, self._give_turn_back = self._give_turn_back, None
        if isinstance(self.connection, BoundedConnection):
            self.connection.idle_since_monotonic = time.monotonic()
        try:
            super()._close()  # type: ignore[misc]
        finally:
            if give_turn_back is not None:
                give_turn_back()
