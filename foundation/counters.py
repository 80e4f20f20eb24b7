"""How often something happened in the current minute. The counts are approximate: good for throttles, not for a quota.

With Redis all processes count together, in one round trip. Without it each process counts in memory: the file cache
would cost a write per read, for a number that protects a single machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from django.core.cache import caches

from foundation.cache import ResilientRedisCache

WINDOW_SECONDS = 60


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


def count(names: Sequence[str], *, now_seconds: float | None = None) -> list[int] | None:
    """Increment each name's count for the current minute; the new counts, or None when the cache is away."""
    now_seconds = time.time() if now_seconds is None else now_seconds
    window = int(now_seconds) // WINDOW_SECONDS
    backend = caches["default"]  # not `cache`, which is a proxy that hides its class
    if isinstance(backend, ResilientRedisCache):
        return backend.raise_counts([f"count:{window}:{name}" for name in names], 2 * WINDOW_SECONDS)
    return memory_counters.raise_all(names, window)


def seconds_left(*, now_seconds: float | None = None) -> int:
    """Whole seconds until the counts start again from 0; at least 1."""
    now_seconds = time.time() if now_seconds is None else now_seconds
    return WINDOW_SECONDS - int(now_seconds) % WINDOW_SECONDS
