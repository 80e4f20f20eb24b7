"""The cache is optional: when it is unavailable, hung, flushed or wrong, requests are delayed only briefly."""

from __future__ import annotations

import errno
import pickle
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.db import OperationalError

from foundation.cache import (
    CHECK_AHEAD_SECONDS,
    RECHECK_AFTER_SECONDS,
    Breaker,
    Lookups,
    ResilientFileCache,
    ResilientRedisCache,
    StoreAway,
    check_again,
    database_breaker,
    doubts,
    find_marks,
    forget,
    noting,
    redis_breaker,
    remember,
    store,
)
from tests.marks import needs_redis

pytestmark = pytest.mark.cached
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
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


def test_a_redis_that_refuses_connections_counts_as_misses() -> None:
    backend = ResilientRedisCache("redis://127.0.0.1:1/0", PARAMS)

    assert calls_that_must_not_fail(backend) == ["miss", {}, True, False, False, None, 3]


def test_a_hung_redis_costs_one_short_timeout_and_not_one_per_call(hung_redis: str) -> None:
    backend = ResilientRedisCache(hung_redis, PARAMS)
    began = time.monotonic()

    for _ in range(50):
        calls_that_must_not_fail(backend)

    assert time.monotonic() - began < 1.0
    redis_breaker.success()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[ResilientFileCache]:
    yield ResilientFileCache(str(tmp_path / "cache"), {})
    doubts.clear()


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x05K\x01.", b"\x80\x05N.no zlib", b"\x80\x05]\x94.", b"cno\nsuch\n."]
)
def test_a_damaged_file_counts_as_a_miss_until_the_next_write(
    files: ResilientFileCache, content: bytes
) -> None:
    files.set("k", "v")
    (file,) = Path(files._dir).iterdir()
    file.write_bytes(content)

    assert files.get("k", "miss") == "miss"
    assert files.get_many(["k"]) == {}
    files.set("k", "new")
    assert files.get("k") == "new"


def test_a_full_disk_costs_what_is_written_and_not_what_is_read(
    files: ResilientFileCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "canary")

    files.set("k", "v")
    monkeypatch.setattr(tempfile, "mkstemp", full)

    assert files.add("other", 1) is True
    files.set("k", "new")
    assert files.get("k") == "v"
    assert doubts.trusted_from_seconds > 0  # what is cached is checked against the database again
    assert "canary" not in caplog.text


def test_a_breaker_lets_one_caller_at_a_time_try_again() -> None:
    breaker = Breaker(open_seconds=0.05)
    assert breaker.allows()
    assert breaker.fault() is True
    assert not breaker.allows()
    time.sleep(0.06)
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    assert breaker.fault() is False
    breaker.success()
    assert [breaker.allows() for _ in range(2)] == [True, True]


def test_callers_wait_for_the_one_that_tries_again() -> None:
    """After a fault that has ended, those that come together are all answered."""
    breaker = Breaker(open_seconds=0.05)
    breaker.fault()
    time.sleep(0.06)
    with ThreadPoolExecutor(10) as pool:
        assert breaker.allows()
        others = [pool.submit(breaker.allows, patience_seconds=5) for _ in range(5)]
        impatient = [breaker.allows() for _ in range(5)]
        time.sleep(0.05)
        breaker.success()
        assert [other.result() for other in others] == [True] * 5
        assert impatient == [False] * 5

        breaker.fault()
        assert not breaker.allows(
            patience_seconds=5
        )  # no caller is trying yet, so there is no result to wait for
        time.sleep(0.06)
        assert breaker.allows()
        others = [pool.submit(breaker.allows, patience_seconds=5) for _ in range(5)]
        time.sleep(0.05)
        breaker.fault()
        assert [other.result() for other in others] == [False] * 5


class Store:
    """A minimal store: a value, a count of reads, and whether it is available."""

    def __init__(self) -> None:
        self.value: str | None = "old"  # None: there is no such row
        self.reads = 0
        self.is_away = False

    def load(self) -> str | None:
        self.reads += 1
        if self.is_away:
            raise OperationalError
        return self.value

    def ask(self, at: float) -> str | None:
        return remember("test:key", self.load, str, now_seconds=at)


def test_a_value_is_loaded_again_after_30_seconds() -> None:
    store = Store()
    assert [store.ask(at) for at in (0, 1, RECHECK_AFTER_SECONDS - 1)] == ["old"] * 3
    assert store.reads == 1

    store.value = "new"
    assert store.ask(RECHECK_AFTER_SECONDS - 1) == "old"
    assert store.ask(RECHECK_AFTER_SECONDS) == "new"


def test_a_copy_stamped_in_the_future_is_ignored() -> None:
    store = Store()
    store.ask(10_000)
    store.value = "new"

    assert store.ask(5) == "new"


def test_forgetting_takes_effect_at_once() -> None:
    store = Store()
    store.ask(0)
    store.value = "new"
    forget("test:key")

    assert store.ask(1) == "new"


def test_the_copy_of_a_deleted_row_is_removed_by_the_next_check() -> None:
    store = Store()
    store.ask(0)
    store.value = None
    assert store.ask(1) == "old"  # the deletion couldn't remove the copy

    assert store.ask(RECHECK_AFTER_SECONDS) is None
    assert cache.get("test:key") is None


def test_values_are_the_same_until_another_one_is_stored_or_the_check_is_old() -> None:
    looked_up = Lookups()
    with noting(looked_up):
        remember("test:key", lambda: "x" * 50_000, str, now_seconds=100)
        remember("test:other", lambda: 'quoted "and" \\ ünï', str, now_seconds=100)

    def are_same(now_seconds: float) -> bool:
        return looked_up.are_same(find_marks(looked_up.keys), now_seconds=now_seconds)

    assert are_same(101)
    assert not are_same(100 + RECHECK_AFTER_SECONDS)
    store("test:key", "x" * 50_000, 120)  # another process has checked it
    store("test:other", 'quoted "and" \\ ünï', 121)
    assert are_same(100 + RECHECK_AFTER_SECONDS)
    store("test:key", "x" * 49_999, 122)
    assert not are_same(123)
    store("test:key", "x" * 50_000, 124)
    assert are_same(125)
    forget("test:other")
    assert not are_same(125)


def test_nothing_stays_cached_about_what_was_deleted_while_it_was_loaded() -> None:
    rows = {"id": "row"}

    def load() -> str | None:
        found = rows.get("id")
        rows.clear()  # another process deletes the row, and then its copy
        return found

    value = remember("test:key", load, str, is_outdated=lambda _: "id" not in rows, now_seconds=100)
    assert value is None
    assert cache.get("test:key") is None


def test_a_value_whose_deletion_cannot_be_ruled_out_is_not_cached() -> None:
    def is_gone(_: str) -> bool:
        raise OperationalError

    assert remember("test:key", lambda: "row", str, is_outdated=is_gone, now_seconds=100) == "row"
    assert cache.get("test:key") is None


def test_values_are_checked_again_before_they_are_too_old(clock: Any) -> None:
    origin, looked_up = Store(), Lookups()
    with noting(looked_up):
        remember("test:key", origin.load, str)
    due_after = [n for n in range(int(RECHECK_AFTER_SECONDS)) if looked_up.due_for_check(time.time() + n)]
    first, last = CHECK_AHEAD_SECONDS
    assert first <= due_after[0] <= last + 1
    assert due_after[-1] == RECHECK_AFTER_SECONDS - 1

    clock.shift(first - 1)  # another process has checked it
    check_again(looked_up.due_for_check(time.time() + last))
    assert origin.reads == 1
    clock.shift(last - first + 2)
    origin.is_away = True
    check_again(looked_up.due_for_check(time.time()))
    origin.is_away, origin.value = False, "new"
    database_breaker.success()
    check_again(looked_up.due_for_check(time.time()))
    marks = find_marks(looked_up.keys)
    assert not looked_up.are_same(marks, now_seconds=time.time())
    looked_up.note_checks(marks)
    assert looked_up.due_for_check(time.time()) == {}
    assert remember("test:key", origin.load, str) == "new"
    assert origin.reads == 3


def test_a_value_that_was_not_found_is_never_the_same() -> None:
    looked_up = Lookups()
    with noting(looked_up):
        remember("test:key", lambda: "here", str, now_seconds=100)
        remember("test:nothing", lambda: None, str, now_seconds=100)
    assert not looked_up.are_same(find_marks(looked_up.keys), now_seconds=101)


@pytest.mark.parametrize(
    "stored",
    [
        '{"checked_at":100.5,"value":"of an earlier release"}',
        '{"digest":"',
        "[]",
        '{"digest":"ab","checked_at":x,',
    ],
)
def test_what_has_no_mark_is_not_the_same(stored: str) -> None:
    cache.set("test:key", stored)
    assert find_marks(["test:key", "test:missing"]) == {}


def test_the_old_value_is_used_while_the_store_is_unavailable() -> None:
    store = Store()
    store.ask(0)
    store.is_away = True

    assert [store.ask(1_000) for _ in range(5)] == ["old"] * 5
    assert store.reads == 2  # the breaker saves the others the wait

    cache.clear()
    with pytest.raises(StoreAway):
        store.ask(1_000)
    database_breaker.success()


def test_unreadable_copies_count_as_missing() -> None:
    store = Store()
    for poison in ("", "{", b"\x00", 7, '{"value": 1}', '["a"]'):
        cache.set("test:key", poison)
        assert store.ask(0) == "old"


class Planted:
    """Unpickled, it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def write_as_others_do(key: str, raw: bytes) -> None:
    """Write the entry of `key` directly to Redis, without Django."""
    backend: Any = caches["default"]
    made = backend.make_and_validate_key(key)
    backend._cache.get_client(made, write=True).set(made, raw)


@needs_redis
def test_pickles_in_redis_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "it ran"
    write_as_others_do("test:key", pickle.dumps(Planted(path)))

    assert cache.get("test:key", "default") == "default"
    assert cache.get_many(["test:key"]) == {}
    assert Store().ask(0) == "old"
    assert not path.exists()


@needs_redis
@pytest.mark.parametrize(
    "raw", [pickle.dumps("of the release before"), b"", b"{", b"\xff", b"[" * 100_000, b"null"]
)
def test_invalid_json_in_redis_counts_as_a_miss(raw: bytes) -> None:
    write_as_others_do("test:key", raw)

    assert cache.get("test:key", "default") == "default"
    assert Store().ask(0) == "old"


@needs_redis
def test_strings_and_numbers_pass_through_redis_unchanged() -> None:
    text = '{"caption": "caf\u00e9 \u2028 \U0001f9c1 \\" \\n"}'
    cache.set_many({"test:text": text, "test:number": 1})

    assert cache.get_many(["test:text", "test:number", "test:none"]) == {"test:text": text, "test:number": 1}
    assert cache.incr("test:number", 4) == 5
    assert cache.get("test:number") == 5
    assert cache.add("test:number", 1) is False
