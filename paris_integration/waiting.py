"""Who waits for Meta in this process: one background job per flight, and a bounded number of callers waiting.

The job runs in a thread of its own, so that the reader who started it waits no longer than the others. Bulkheads:
so many jobs, so many waiting callers; one that finds no place is told at once. All places together are fewer than
the threads of a web process (config/gunicorn.py), so that others are always answered.
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

WAITING_PLACES = 64  # readers of feeds that are filled for the first time
FLIGHT_PLACES = 16
ORDER_PLACES = 112  # people who asked for a refresh, or come back from a login at Meta


class Wait(StrEnum):
    """How a reader's wait ended."""

    LANDED = "landed"
    STILL_FLYING = "still_flying"
    NO_PLACE = "no_place"  # too many readers wait already
    NO_FLIGHT = "no_flight"  # too many feeds are being filled already; nobody has started this one


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
        """Join the job of this key in this process, starting it when there is none, and wait for its result."""
        flight = self._join(flight_key, job)
        if flight is None:
            return Wait.NO_FLIGHT, None
        if not self._places.acquire(blocking=False):
            return Wait.NO_PLACE, None
        try:
            threads.give_back()  # there are fewer database connections than waiting places
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
    """Places for work that somebody asked for and waits for, in the caller's own thread."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place for the block, which uses the share of database connections that waiting work has. Raises TooBusy."""
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
