"""The time by which a call must end, and the thread that ends calls which don't."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from contextlib import suppress


class Deadline:
    """The time by which a call and everything it does must end. Uses the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.ends_at_monotonic = time.monotonic() + seconds

    @property
    def remaining_seconds(self) -> float:
        return self.ends_at_monotonic - time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.remaining_seconds <= 0


class Watchdog:
    """Shuts down the sockets used by its thread when the deadline is over."""

    # Socket timeouts apply to each read: a server that sends a byte a second never reaches them. Shutting the socket
    # down ends a blocked read.
    current = threading.local()

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_left = False
        self.has_expired = False

    def __enter__(self) -> Watchdog:
        Watchdog.current.watchdog = self
        _alarms.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        Watchdog.current.watchdog = None
        _alarms.remove(self)
        with self._lock:
            self._is_left = True  # from now on its sockets may serve another call

    @staticmethod
    def watch(sock: socket.socket | None) -> None:
        """Add a socket to the watchdog of this thread, if there is one."""
        watchdog: Watchdog | None = getattr(Watchdog.current, "watchdog", None)
        if watchdog is None or sock is None:
            return
        with watchdog._lock:
            watchdog._sockets.append(sock)
            too_late = watchdog.has_expired
        if too_late:
            _cut(sock)

    def expire(self) -> None:
        """Shut down its sockets, unless the call has ended."""
        with self._lock:
            if self._is_left:
                return
            self.has_expired = True
            sockets = list(self._sockets)
        for sock in sockets:
            _cut(sock)


class _Alarms:
    """One thread for the deadlines of all calls of a process. A `threading.Timer` would be a thread for each call."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watchdogs: set[Watchdog] = set()
        self._wakes_at_monotonic = math.inf
        self._is_started = False

    def add(self, watchdog: Watchdog) -> None:
        with self._changed:
            self._watchdogs.add(watchdog)
            if not self._is_started:
                self._is_started = True
                threading.Thread(target=self._run, name="deadlines", daemon=True).start()
            if watchdog.deadline.ends_at_monotonic < self._wakes_at_monotonic:
                self._changed.notify()

    def remove(self, watchdog: Watchdog) -> None:
        with self._changed:
            self._watchdogs.discard(watchdog)

    def _run(self) -> None:
        while True:
            for watchdog in self._wait_for_ended():
                watchdog.expire()

    def _wait_for_ended(self) -> list[Watchdog]:
        with self._changed:
            ends = (watchdog.deadline.ends_at_monotonic for watchdog in self._watchdogs)
            self._wakes_at_monotonic = min(ends, default=math.inf)
            seconds = self._wakes_at_monotonic - time.monotonic()
            if seconds > 0:
                self._changed.wait(None if seconds == math.inf else seconds)
            self._wakes_at_monotonic = -math.inf  # awake: needn't be woken
            ended = [watchdog for watchdog in self._watchdogs if watchdog.deadline.is_over]
            self._watchdogs.difference_update(ended)
            return ended


def _cut(sock: socket.socket) -> None:
    with suppress(OSError, ValueError):
        # The plain socket's method, also under TLS: another thread is using the TLS layer.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


_alarms = _Alarms()


def _begin_anew() -> None:
    """In a forked process, which has none of its parent's threads."""
    global _alarms
    _alarms = _Alarms()


os.register_at_fork(after_in_child=_begin_anew)
