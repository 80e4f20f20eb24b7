"""Waiters share a flight, and neither waiters nor flights exceed their places. With real threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from paris_integration.waiting import FlightBoard, Wait

MOMENT_SECONDS = 0.05


@pytest.fixture
def job() -> Iterator[Callable[[], str]]:
    """Runs until the test is over."""
    is_over = threading.Event()

    def run() -> str:
        is_over.wait(30)
        return "late"

    yield run
    is_over.set()


def never() -> str:
    pytest.fail("a second flight was started")


def begin(board: FlightBoard, job: Callable[[], str], key: str = "feed") -> None:
    """Start a flight, and give up waiting for it."""
    assert board.wait_for(key, job, timeout_seconds=MOMENT_SECONDS) == (Wait.STILL_FLYING, None)


def test_waiters_share_one_flight(job: Callable[[], str]) -> None:
    board = FlightBoard()
    begin(board, job)

    assert board.wait_for("feed", never, timeout_seconds=MOMENT_SECONDS) == (Wait.STILL_FLYING, None)
    assert board.wait_for("other", lambda: "posts", timeout_seconds=10) == (Wait.LANDED, "posts")


def test_a_waiter_that_gives_up_starts_nothing(job: Callable[[], str]) -> None:
    board = FlightBoard(flight_places=1)
    begin(board, job)

    begin(board, never)

    assert board.wait_for("other", never, timeout_seconds=10) == (Wait.NO_FLIGHT, None)


def test_a_flight_that_has_landed_is_begun_anew() -> None:
    board = FlightBoard()
    for number in range(3):
        assert board.wait_for("feed", lambda number=number: number, timeout_seconds=10) == (
            Wait.LANDED,
            number,
        )


def test_flights_beyond_the_places_are_not_started(job: Callable[[], str]) -> None:
    board = FlightBoard(flight_places=2)
    begin(board, job, "one")
    begin(board, job, "two")

    assert board.wait_for("three", never, timeout_seconds=MOMENT_SECONDS) == (Wait.NO_FLIGHT, None)


def test_waiters_beyond_the_places_are_refused_at_once() -> None:
    board = FlightBoard(waiting_places=0)

    assert board.wait_for("feed", lambda: "posts", timeout_seconds=10) == (Wait.NO_PLACE, None)
