"""A way to PostgreSQL that is slow, or loses the answer to a COMMIT."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.processes.service import Service
from tests.processes.stalling import StallingProxy

COMMIT = b"COMMIT\0"


class Wire(StallingProxy):
    """`holds`: set while a statement is held up. `lost`: how many answers to a COMMIT were dropped."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.holds = threading.Event()
        self._to_hold: tuple[bytes, float] | None = None
        self.lost = 0
        self._to_lose = 0
        self._doomed: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(target)

    def lose_next_commit(self) -> None:
        """Pass the next COMMIT on, and break its connection as soon as the server answers."""
        self._to_lose += 1

    def hold(self, statement: bytes, *, seconds: float) -> None:
        """Pass the next request with these bytes on only after so many seconds."""
        self._to_hold = (statement, seconds)

    def _pass(self, chunk: bytes, source: socket.socket, sink: socket.socket, *, is_request: bool) -> None:
        if is_request and self._to_hold is not None and self._to_hold[0] in chunk:
            seconds, self._to_hold = self._to_hold[1], None
            self.holds.set()
            time.sleep(seconds)
        if is_request and COMMIT in chunk and self._takes_one():
            self._doomed.add(sink)  # the server's end of this connection
        if not is_request and source in self._doomed:
            self.lost += 1
            raise ConnectionAbortedError
        sink.sendall(chunk)

    def _takes_one(self) -> bool:
        with self._lock:
            if not self._to_lose:
                return False
            self._to_lose -= 1
            return True


@contextmanager
def between(service: Service) -> Iterator[Wire]:
    """Processes that start from now on reach PostgreSQL over the wire; commands go directly."""
    address = urlsplit(service.environment["DATABASE_URL"])
    wire = Wire((address.hostname or "127.0.0.1", address.port or 5432))
    through = address._replace(netloc=f"{address.username}@127.0.0.1:{wire.port}").geturl()
    service.elsewhere["DATABASE_URL"] = through
    try:
        yield wire
    finally:
        with suppress(KeyError):
            del service.elsewhere["DATABASE_URL"]
        wire.close()
