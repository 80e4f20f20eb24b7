"""Who waits for a refresh in this process: one background job per flight, a bounded number of readers waiting for it.

The job runs in a thread of its own, so that the reader who started it waits no longer than the others. Bulkheads:
so many jobs, so many waiting readers; who finds no place is told at once, and the other feeds go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from enum import StrEnum

from foundation import threads

WAITING_PLACES = 64
FLIGHT_PLACES = 16


class Wait(StrEnum):
    """How a reader's wait ended."""

    LANDED = "landed"
    STILL_FLYING = "still_flying"
    NO_PLACE = "no_place"  # too many readers wait already
    NO_FLIGHT = "no_flight"  # too many feeds are being filled already; nobody has started this one


class FlightBoard:
    def __init__(self, *, waiting_places: int = WAITING_PLACES, flight_places: int = FLIGHT_PLACES) -> None:
        self._flights: dict[Hashable, Future[None]] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(waiting_places)
        self._flight_places = flight_places
        self._executor = threads.Executor(max_workers=flight_places, thread_name_prefix="cold-fill")

    def wait_for(self, flight_key: Hashable, job: Callable[[], object], *, timeout_seconds: float) -> Wait:
        """Join the job of this key in this process, starting it when there is none, and wait for its end."""
        flight = self._join(flight_key, job)
        if flight is None:
            return Wait.NO_FLIGHT
        if not self._places.acquire(blocking=False):
            return Wait.NO_PLACE
        try:
            threads.give_back()  # there are fewer database connections than waiting places
            flight.result(timeout=timeout_seconds)
        except TimeoutError:
            return Wait.STILL_FLYING
        finally:
            self._places.release()
        return Wait.LANDED

    def _join(self, flight_key: Hashable, job: Callable[[], object]) -> Future[None] | None:
        with self._lock:
            flight = self._flights.get(flight_key)
            if flight is None and len(self._flights) < self._flight_places:
                flight = self._executor.submit(self._run, flight_key, job)
                self._flights[flight_key] = flight
            return flight

    def _run(self, flight_key: Hashable, job: Callable[[], object]) -> None:
        try:
            job()
        finally:
            with self._lock:
                self._flights.pop(flight_key, None)


board = FlightBoard()
