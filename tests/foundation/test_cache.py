"""The cache as a hint: away, hung, flushed or lying, it costs nobody more than a moment."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import OperationalError

from foundation.cache import (
    RECHECK_AFTER_SECONDS,
    Breaker,
    ResilientRedisCache,
    StoreAway,
    database_breaker,
    forget,
    redis_breaker,
    remember,
)

PARAMS = {"OPTIONS": {"socket_connect_timeout": 0.25, "socket_timeout": 0.25}}


@pytest.fixture
def hung_redis() -> Iterator[str]:
    """Accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []
        threading.Thread(target=lambda: held.append(server.accept()), daemon=True).start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        for connection, _ in held:
            connection.close()


def calls_that_must_not_fail(backend: ResilientRedisCache) -> list[object]:
    backend.set("k", "v")
    return [
        backend.get("k", "miss"),
        backend.get_many(["k"]),
        backend.add("k", 1),
        backend.delete("k"),
        backend.touch("k"),
        backend.delete_many(["k"]),
        backend.incr("n", 3),
    ]


def test_a_refusing_redis_is_a_row_of_misses() -> None:
    backend = ResilientRedisCache("redis://127.0.0.1:1/0", PARAMS)

    assert calls_that_must_not_fail(backend) == ["miss", {}, True, False, False, None, 3]


def test_a_hung_redis_costs_one_short_time_out_and_not_every_call(hung_redis: str) -> None:
    backend = ResilientRedisCache(hung_redis, PARAMS)
    began = time.monotonic()

    for _ in range(50):
        calls_that_must_not_fail(backend)

    assert time.monotonic() - began < 1.0
    redis_breaker.success()


def test_a_breaker_lets_one_caller_try_again_at_a_time() -> None:
    breaker = Breaker(open_seconds=0.05)
    assert breaker.allows()
    assert breaker.fault() is True
    assert not breaker.allows()
    time.sleep(0.06)
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    assert breaker.fault() is False
    breaker.success()
    assert [breaker.allows() for _ in range(2)] == [True, True]


class Store:
    """A database in miniature: a value, a count of reads, and whether it is there."""

    def __init__(self) -> None:
        self.value = "old"
        self.reads = 0
        self.is_away = False

    def load(self) -> str:
        self.reads += 1
        if self.is_away:
            raise OperationalError
        return self.value

    def ask(self, at: float) -> str:
        return remember("test:key", self.load, encode=lambda value: value, decode=str, now_seconds=at)


def test_a_value_is_checked_again_after_half_a_minute() -> None:
    store = Store()
    assert [store.ask(at) for at in (0, 1, RECHECK_AFTER_SECONDS - 1)] == ["old"] * 3
    assert store.reads == 1

    store.value = "new"
    assert store.ask(RECHECK_AFTER_SECONDS - 1) == "old"
    assert store.ask(RECHECK_AFTER_SECONDS) == "new"


def test_a_copy_from_a_clock_ahead_is_not_believed() -> None:
    store = Store()
    store.ask(10_000)
    store.value = "new"

    assert store.ask(5) == "new"


def test_forgetting_counts_at_once() -> None:
    store = Store()
    store.ask(0)
    store.value = "new"
    forget("test:key")

    assert store.ask(1) == "new"


def test_while_the_store_is_away_the_old_value_serves() -> None:
    store = Store()
    store.ask(0)
    store.is_away = True

    assert [store.ask(1_000) for _ in range(5)] == ["old"] * 5
    assert store.reads == 2  # the breaker spares the others the wait

    cache.clear()
    with pytest.raises(StoreAway):
        store.ask(1_000)
    database_breaker.success()


def test_unreadable_copies_count_as_missing() -> None:
    store = Store()
    for poison in ("", "{", b"\x00", 7, '{"value": 1}', '["a"]'):
        cache.set("test:key", poison)
        assert store.ask(0) == "old"
