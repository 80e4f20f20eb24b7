"""A way to a server that can be made to hang, as a stopped server does: taken connections, and not one byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 64 * 1024


class StallingProxy:
    """Passes bytes between its callers and `target`, except between `stall` and `go_on`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self.port = 0
        self.listen()

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Be like a stopped server until `listen`: connections end, and new ones are refused."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        for end in list(self._open):
            _close(end)

    def lead_to(self, target: tuple[str, int]) -> None:
        """Pass new connections on to another server. Those to the old one end."""
        self._target = target
        for end in list(self._open):
            _close(end)

    def stall(self) -> None:
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self._flows.set()
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        self._flows.wait()
        try:
            server = socket.create_connection(self._target)
        except OSError:
            _close(caller)
            return
        self._open |= {caller, server}
        for source, sink, is_request in ((caller, server, True), (server, caller, False)):
            threading.Thread(target=self._pass_on, args=(source, sink, is_request), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                self._flows.wait()
                self._pass(chunk, source, sink, is_request=is_request)
        for end in (source, sink):
            _close(end)
        self._open -= {source, sink}

    def _pass(self, chunk: bytes, source: socket.socket, sink: socket.socket, *, is_request: bool) -> None:
        """For subclasses that do more than pass bytes on. OSError ends the connection."""
        sink.sendall(chunk)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def stalling_proxy(host: str, port: int) -> Iterator[StallingProxy]:
    proxy = StallingProxy((host, port))
    try:
        yield proxy
    finally:
        proxy.close()
