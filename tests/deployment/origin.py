"""A small HTTP server behind the proxy. It returns a configurable answer and counts requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Headers = Sequence[tuple[str, str]]


class Origin:
    """`answer` is (status, headers in order, body). Requests wait until `gate` is set."""

    def __init__(self) -> None:
        self.answer: tuple[int, Headers, bytes] = (200, (), b"")
        self.gate = threading.Event()
        self.gate.set()
        self.calls = 0

    def serves(self, body: bytes, *, status: int = 200, headers: Headers = ()) -> None:
        self.answer = (status, headers, body)


@contextmanager
def running_origin() -> Iterator[tuple[Origin, int]]:
    """Run an origin. Yields it and its port, and closes all connections at the end."""
    origin = Origin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            origin.calls += 1
            status, headers, body = origin.answer
            origin.gate.wait(20)
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body))), ("Connection", "close")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield origin, server.server_port
    finally:
        origin.gate.set()
        server.shutdown()
        server.server_close()
