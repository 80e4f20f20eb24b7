"""Bulkheads: limits for the jobs and callers that wait for Meta in this process.

Each job runs in a background thread, so that the request that started it can time out like the others. Callers beyond
the limits are refused at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

from foundation import threads
from paris_integration.errors import TooBusy

Result = TypeVar("Result")

# Together fewer than the threads of a web process (config/gunicorn.py), so that other requests are always answered.
WAITING_PLACES = 64  # readers of feeds that are fetched for the first time
FLIGHT_PLACES = 16
ORDER_PLACES = 112  # users who requested a refresh, or return from a login at Meta


class Wait(StrEnum):
    """How a wait ended."""

    LANDED = "landed"
    STILL_FLYING = "still_flying"
    NO_PLACE = "no_place"  # too many callers are waiting already
    NO_FLIGHT = "no_flight"  # too many jobs are running already: this one was not started


class FlightBoard:
    def __init__(self, *, waiting_places: int = WAITING_PLACES, flight_places: int = FLIGHT_PLACES) -> None:
        self._flights: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(waiting_places)
        self._flight_places = flight_places
        self._executor = threads.Executor(max_workers=flight_places, thread_name_prefix="cold-fill")

    def wait_for(
        self, flight_key: Hashable, job: Callable[[], Result], *, timeout_seconds: float
    ) -> tuple[Wait, Result | None]:
        """Wait for the job of this key in this process. Starts it if it isn't running. Returns its result."""
        flight = self._join(flight_key, job)
        if flight is None:
            return Wait.NO_FLIGHT, None
        if not self._places.acquire(blocking=False):
            return Wait.NO_PLACE, None
        try:
            threads.give_back()  # there are fewer database connections than waiting callers
            return Wait.LANDED, flight.result(timeout=timeout_seconds)
        except TimeoutError:
            return Wait.STILL_FLYING, None
        finally:
            self._places.release()

    def _join(self, flight_key: Hashable, job: Callable[[], Result]) -> Future[Result] | None:
        with self._lock:
            flight = self._flights.get(flight_key)
            if flight is None and len(self._flights) < self._flight_places:
                flight = self._executor.submit(self._run, flight_key, job)
                self._flights[flight_key] = flight
            return flight

    def _run(self, flight_key: Hashable, job: Callable[[], Result]) -> Result:
        try:
            return job()
        finally:
            with self._lock:
                self._flights.pop(flight_key, None)


class OrderPlaces:
    """Limits requests that call Meta in the caller's own thread."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Run the block with the database connections reserved for waiting work. Raises TooBusy beyond the limit."""
        if not self._places.acquire(blocking=False):
            raise TooBusy("no place to wait")
        try:
            threads.give_back()
            with threads.waiting_work():
                yield
        finally:
            self._places.release()


board = FlightBoard()
order_board = FlightBoard(waiting_places=ORDER_PLACES, flight_places=ORDER_PLACES // 2)
order_places = OrderPlaces(ORDER_PLACES)
