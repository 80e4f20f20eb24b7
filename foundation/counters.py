"""How often something happened in the current minute. The counts are approximate: good for throttles, not for a quota.

`count` asks Redis, where all processes count together, in one round trip. `reads` counts in memory and adds its numbers
to those of the other processes every half second: nothing waits for Redis, and each process knows the others' numbers
half a second later. Without Redis each process counts in memory: the file cache would cost a write per read, for a
number that protects a single machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from django.core.cache import caches

from foundation import threads
from foundation.cache import ResilientRedisCache

WINDOW_SECONDS = 60
SETTLE_SECONDS = 0.5
MAX_NAMES = 200_000  # of one minute; further ones aren't counted


class _MemoryCounters:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[str, int] = {}

    def raise_all(self, names: Sequence[str], window: int) -> list[int]:
        with self._lock:
            if window != self._window:
                self._window, self._counts = window, {}
            for name in names:
                self._counts[name] = self._counts.get(name, 0) + 1
            return [self._counts[name] for name in names]

    def clear(self) -> None:
        with self._lock:
            self._counts = {}


memory_counters = _MemoryCounters()


class BatchedCounters:
    """Counts of this minute: this process's at once, those of the others after half a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        self._window = 0
        self._totals: dict[str, int] = {}
        self._new: dict[str, int] = {}  # part of the totals, and not in Redis yet
        self._settler = threads.Repeater(self.settle, seconds=lambda: SETTLE_SECONDS, name="read-counts")

    def raise_all(self, names: Sequence[str], *, now_seconds: float | None = None) -> list[int]:
        """Count once for each name; the new totals."""
        self._settler.ensure_started()
        with self._lock:
            self._begin_window(now_seconds)
            return [self._raise(name) for name in names]

    def raise_within(self, limits: Mapping[str, int], *, now_seconds: float | None = None) -> bool:
        """Count once for each name, unless that would exceed the limit of one of them."""
        self._settler.ensure_started()
        with self._lock:
            self._begin_window(now_seconds)
            totals = self._totals
            for name, limit in limits.items():
                if totals.get(name, 0) >= limit:
                    return False
            for name in limits:
                self._raise(name)
            return True

    def settle(self) -> None:
        """Add the new numbers to those of the other processes. While Redis is away, each counts alone."""
        with self._settling:
            with self._lock:
                window, new, self._new = self._window, self._new, {}
            backend = caches["default"]
            if not new or not isinstance(backend, ResilientRedisCache):
                return
            counts = {_key(window, name): number for name, number in new.items()}
            totals = backend.raise_counts(counts, 2 * WINDOW_SECONDS)
            with self._lock:
                if totals is not None and window == self._window:
                    for name, total in zip(new, totals, strict=True):
                        self._totals[name] = total + self._new.get(name, 0)

    def clear(self) -> None:
        with self._lock:
            self._totals, self._new = {}, {}

    def _begin_window(self, now_seconds: float | None) -> None:
        window = _window_at(now_seconds)
        if window != self._window:
            self._window, self._totals, self._new = window, {}, {}

    def _raise(self, name: str) -> int:
        total = self._totals.get(name, 0) + 1
        if total == 1 and len(self._totals) >= MAX_NAMES:
            return 0
        self._totals[name] = total
        self._new[name] = self._new.get(name, 0) + 1
        return total


reads = BatchedCounters()


def count(names: Sequence[str], *, now_seconds: float | None = None) -> list[int] | None:
    """Increment each name's count for the current minute; the new counts, or None when the cache is away."""
    window = _window_at(now_seconds)
    backend = caches["default"]  # not `cache`, which is a proxy that hides its class
    if isinstance(backend, ResilientRedisCache):
        return backend.raise_counts({_key(window, name): 1 for name in names}, 2 * WINDOW_SECONDS)
    return memory_counters.raise_all(names, window)


def _key(window: int, name: str) -> str:
    return f"count:{window}:{name}"


def _window_at(now_seconds: float | None) -> int:
    return int(time.time() if now_seconds is None else now_seconds) // WINDOW_SECONDS


def seconds_left(*, now_seconds: float | None = None) -> int:
    """Whole seconds until the counts start again from 0; at least 1."""
    now_seconds = time.time() if now_seconds is None else now_seconds
    return WINDOW_SECONDS - int(now_seconds) % WINDOW_SECONDS
