"""How often something happened in the current minute: hints, never a quota. All counts of a call in one round trip.

With Redis the processes count together. Without it each counts for itself, in memory: the file cache would pay a
write per read for a number that protects one machine anyway.
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
    """Raise each name's count in the current minute by one; the new counts, or None when nobody can tell."""
    now_seconds = time.time() if now_seconds is None else now_seconds
    window = int(now_seconds) // WINDOW_SECONDS
    backend = caches["default"]  # not `cache`, which is a proxy that hides its class
    if isinstance(backend, ResilientRedisCache):
        return backend.raise_counts([f"count:{window}:{name}" for name in names], 2 * WINDOW_SECONDS)
    return memory_counters.raise_all(names, window)


def seconds_left(*, now_seconds: float | None = None) -> int:
    """Whole seconds until the next minute's counts begin; at least 1."""
    now_seconds = time.time() if now_seconds is None else now_seconds
    return WINDOW_SECONDS - int(now_seconds) % WINDOW_SECONDS
