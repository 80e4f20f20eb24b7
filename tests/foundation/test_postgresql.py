"""Limits on PostgreSQL: callers wait for connections in order, and slow statements are cancelled."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.utils import ConnectionHandler

from foundation import statements, threads
from foundation.cache import StoreAway, database_breaker, guarded_load
from foundation.faults import PoolBusy, ServerAway
from tests.marks import needs_postgres
from tests.processes.stalling import stalling_proxy

pytestmark = needs_postgres
PATIENCE_SECONDS = 0.5


def backend() -> Any:
    from foundation.postgresql import base

    return base


@pytest.fixture
def turns(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pool with its limit of connections, and a short wait for one."""
    connection.close()
    monkeypatch.setattr(backend(), "BUSY_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(backend(), "LONGEST_BUSY_SECONDS", PATIENCE_SECONDS)
    yield connection.settings_dict["OPTIONS"]["pool"]["max_size"]
    connection.close()
    backend().server_breaker.success()


def backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@contextmanager
def held_by_others(count: int, *, waiting: bool) -> Iterator[None]:
    """Hold a connection in each of `count` threads. `waiting`: as work that waits for others."""
    release, ready = threading.Event(), threading.Barrier(count + 1)

    def hold() -> None:
        with threads.waiting_work() if waiting else ExitStack():
            backend_pid()
            ready.wait(10)
            release.wait(10)
        connection.close()

    with ThreadPoolExecutor(max_workers=count) as pool:
        holders = [pool.submit(hold) for _ in range(count)]
        ready.wait(10)
        try:
            yield
        finally:
            release.set()
            for holder in holders:
                holder.result(10)


def test_a_slow_statement_is_cancelled_and_its_connection_stays_usable(transactional_db: None) -> None:
    before = backend_pid()
    began = time.monotonic()
    with (
        statements.limited_to(0.5),
        pytest.raises(OperationalError) as raised,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(20)")

    assert time.monotonic() - began < 5
    assert type(raised.value.__cause__).__name__ == "QueryCanceled"
    assert backend_pid() == before
    assert not backend().server_breaker.is_open


def test_a_statement_without_a_limit_is_not_cancelled(transactional_db: None) -> None:
    with statements.limited_to(0.1), statements.limited_to(None), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.3)")


def test_a_busy_pool_is_not_reported_as_a_missing_server(turns: int) -> None:
    with held_by_others(turns, waiting=False):
        began = time.monotonic()
        with pytest.raises(PoolBusy):
            backend_pid()
        with pytest.raises(StoreAway):
            guarded_load(backend_pid)

        assert time.monotonic() - began >= 2 * PATIENCE_SECONDS
        assert not database_breaker.is_open
        assert not backend().server_breaker.is_open
    assert backend_pid()


def test_waiting_work_leaves_connections_for_other_work(turns: int) -> None:
    with held_by_others(turns // 2, waiting=True):
        with threads.waiting_work(), pytest.raises(PoolBusy):
            backend_pid()
        with held_by_others(turns - turns // 2, waiting=False):
            pass
        assert backend_pid()


def test_a_missing_server_costs_one_caller_a_second_and_the_next_nothing(turns: int) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = {"HOST": "127.0.0.1", "PORT": str(closed.getsockname()[1])}
    database = {**settings.DATABASES["default"], **address}
    handler = ConnectionHandler({"default": database, "away": database})
    try:
        with pytest.raises(OperationalError) as first:
            handler["away"].ensure_connection()
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(ServerAway):
                handler["away"].ensure_connection()

        assert not isinstance(first.value, ServerAway | PoolBusy)
        assert time.monotonic() - began < 1
    finally:
        handler["away"].close_pool()
        backend().server_breaker.success()


def test_a_server_that_opens_connections_slowly_is_not_away_while_it_answers_others(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend(), "BUSY_SECONDS", 10)
    with stalling_proxy(connection.settings_dict["HOST"], 5432) as proxy:
        database = {**settings.DATABASES["default"], "HOST": "127.0.0.1", "PORT": str(proxy.port)}
        slow = ConnectionHandler({"default": database, "slow": database})

        def ask() -> int:
            try:
                with slow["slow"].cursor() as cursor:
                    cursor.execute("SELECT 1")
                    return int(cursor.fetchone()[0])
            finally:
                slow["slow"].close()

        proxy.stall()
        try:
            with ThreadPoolExecutor(max_workers=1) as pool:
                answer = pool.submit(ask)
                for _ in range(15):  # the pool's own time-out is a second
                    assert backend_pid()
                    time.sleep(0.1)
                proxy.go_on()
                assert answer.result(10) == 1
        finally:
            slow["slow"].close_pool()


def test_after_a_restart_of_the_server_no_request_gets_a_broken_connection(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend(), "CHECKED_AFTER_IDLE_SECONDS", 0.1)
    with stalling_proxy(connection.settings_dict["HOST"], 5432) as proxy:
        database = {**settings.DATABASES["default"], "HOST": "127.0.0.1", "PORT": str(proxy.port)}
        handler = ConnectionHandler({"default": database, "restarted": database})

        def ask(barrier: threading.Barrier) -> int:
            try:
                with handler["restarted"].cursor() as cursor:
                    barrier.wait(10)
                    cursor.execute("SELECT 1")
                    return int(cursor.fetchone()[0])
            finally:
                handler["restarted"].close()

        try:
            with ThreadPoolExecutor(max_workers=turns) as pool:
                together = threading.Barrier(turns)
                asked = [pool.submit(ask, together) for _ in range(turns)]
                assert [answer.result(20) for answer in asked] == [1] * turns
                proxy.refuse()
                time.sleep(0.2)
                proxy.listen()
                alone = threading.Barrier(1)
                assert [pool.submit(ask, alone).result(20) for _ in range(turns)] == [1] * turns
        finally:
            handler["restarted"].close_pool()


def test_waiters_get_connections_in_the_order_of_their_requests() -> None:
    semaphore = backend().FairSemaphore(1)
    assert semaphore.acquire(0)
    assert not semaphore.acquire(0.01)
    order: list[int] = []

    def wait(place: int) -> None:
        assert semaphore.acquire(10)
        order.append(place)
        semaphore.release()

    waiting = [threading.Thread(target=wait, args=(place,)) for place in range(5)]
    for number, thread in enumerate(waiting, start=1):
        thread.start()
        while len(semaphore._waiting) < number:
            time.sleep(0.001)
    semaphore.release()
    for thread in waiting:
        thread.join(10)

    assert order == [0, 1, 2, 3, 4]
    assert semaphore.acquire(0)
