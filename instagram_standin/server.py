"""Sockets and threads: HTTP in, HTTP out, and every way of sending an answer badly.

`StandIn` runs the server in a background thread, for tests:

    with StandIn() as standin:
        standin.faults.add("status", status=503, username="acme.bakery", times=1)
        ...  # whatever calls standin.url("/fb-graph")
        assert len(standin.calls) == 1
"""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote

from instagram_standin.app import App
from instagram_standin.callbacks import Callbacks
from instagram_standin.calls import CallLog
from instagram_standin.fault_book import FaultBook
from instagram_standin.hashtags import Hashtags
from instagram_standin.links import Links
from instagram_standin.logins import Logins
from instagram_standin.messages import (
    Answer,
    AtOnce,
    CutShort,
    Dripped,
    Late,
    Request,
    Reset,
    Silent,
    Streamed,
    json_answer,
)
from instagram_standin.people import People
from instagram_standin.profiles import Profiles
from instagram_standin.tokens import TokenRegistry
from instagram_standin.usage import Usage
from instagram_standin.world import OPERATOR_ID, OPERATOR_TOKEN, Settings, World

__all__ = ["OPERATOR_ID", "OPERATOR_TOKEN", "Settings", "StandIn"]

MAX_BODY_BYTES = 4 * 1024 * 1024
IDLE_SECONDS = 60
STOP_WITHIN_SECONDS = 3.0


class StandIn:
    """The stand-in as an object: what the control API does over HTTP, these attributes do in process.

    `port` 0 means any free one. Starting raises OSError when the port is taken.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None, quiet: bool = True
    ) -> None:
        self._address = (host, port)
        self._quiet = quiet
        self._world = World(settings or Settings())
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._server = _Server(self._address, App(self._world), quiet=self._quiet)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="stand-in", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections; calls under way end without an answer."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> StandIn:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port listened on. Raises RuntimeError when not started."""
        if self._server is None:
            raise RuntimeError("the stand-in is not running")
        return self._server.server_port

    def url(self, path: str = "") -> str:
        """The address of a path, or of the server: `url("/fb-graph")`."""
        return f"http://{self._address[0]}:{self.port}{path}"

    @property
    def base_url(self) -> str:
        return self.url()

    @property
    def facebook_graph_url(self) -> str:
        return self.url("/fb-graph")

    @property
    def meta_urls(self) -> dict[str, str]:
        """Meta's five base addresses, by the names of the settings they are for."""
        return {
            "INSTAGRAM_WWW_URL": self.url("/ig-www"),
            "INSTAGRAM_API_URL": self.url("/ig-api"),
            "INSTAGRAM_GRAPH_URL": self.url("/ig-graph"),
            "FACEBOOK_WWW_URL": self.url("/fb-www"),
            "FACEBOOK_GRAPH_URL": self.facebook_graph_url,
        }

    @property
    def settings(self) -> Settings:
        return self._world.settings

    @property
    def faults(self) -> FaultBook:
        return self._world.faults

    @property
    def calls(self) -> CallLog:
        return self._world.calls

    @property
    def profiles(self) -> Profiles:
        return self._world.profiles

    @property
    def people(self) -> People:
        return self._world.people

    @property
    def logins(self) -> Logins:
        return self._world.logins

    @property
    def tokens(self) -> TokenRegistry:
        return self._world.tokens

    @property
    def hashtags(self) -> Hashtags:
        return self._world.hashtags

    @property
    def callbacks(self) -> Callbacks:
        return self._world.callbacks

    @property
    def links(self) -> Links:
        return self._world.links

    @property
    def usage(self) -> Usage:
        return self._world.usage

    def reset(self) -> None:
        """As after the start."""
        self._world.reset()


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, address: tuple[str, int], app: App, *, quiet: bool) -> None:
        self.app = app
        self.quiet = quiet
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer asks DNS for the host's name here, which nobody needs and which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        give_up_at = time.monotonic() + STOP_WITHIN_SECONDS
        with self._changed:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, timeout=give_up_at - time.monotonic())

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is none of our errors; everything else is shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: _Server

    def _serve(self) -> None:
        request = self._read()
        if request is None:
            self.close_connection = True
            self._send(json_answer({"error": "a body needs a length, of 4 MiB at most"}, 411))
            return
        answer = self.server.app.answer(request)
        if not self.server.quiet:
            # Without the query: it may hold a token.
            print(request.method, request.path, answer.status if answer.is_sent else "-", file=sys.stderr)
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class looks for these

    def log_message(self, *_: object) -> None:
        """The request line holds the query, and the query tokens: _serve prints what may be read."""

    def _read(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return None
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        own_host = {"host": f"{host!s}:{port}"}  # HTTP/1.0 callers need not name one
        return Request(
            method=self.command,
            path=unquote(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={**own_host, **{name.lower(): value for name, value in self.headers.items()}},
            body=self.rfile.read(int(length)),
        )

    # Sending

    def _send(self, answer: Answer) -> None:
        match answer.delivery:
            case AtOnce():
                self._write(answer)
            case Late(seconds):
                if not self._pause(seconds):
                    self._write(answer)
            case Silent(seconds):
                self.close_connection = True
                self._pause(seconds)
            case Dripped(seconds_per_byte, with_head):
                self._drip(answer, seconds_per_byte, with_head)
            case CutShort(missing_bytes):
                self.close_connection = True
                self.wfile.write(self._head(answer, len(answer.body) + missing_bytes) + answer.body)
            case Reset():
                self._reset()
            case Streamed(chunks):
                self._stream(answer, chunks())

    def _write(self, answer: Answer) -> None:
        head = self._head(answer, len(answer.body))
        self.wfile.write(head if self.command == "HEAD" else head + answer.body)

    def _head(self, answer: Answer, length: int | None) -> bytes:
        """`length` None leaves Content-Length out."""
        headers = {"Server": "stand-in", "Date": self.date_time_string(), **answer.headers}
        if length is not None and answer.status != 304:
            headers["Content-Length"] = str(length)
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _pause(self, seconds: float) -> bool:
        """Wait; True when the server stops meanwhile."""
        return self.server.stopping.wait(seconds)

    def _drip(self, answer: Answer, seconds_per_byte: float, with_head: bool) -> None:
        head = self._head(answer, len(answer.body))
        if not with_head:
            self.wfile.write(head)
        for byte in (head if with_head else b"") + answer.body:
            self.wfile.write(bytes([byte]))
            if self._pause(seconds_per_byte):
                break

    def _stream(self, answer: Answer, chunks: Iterator[bytes]) -> None:
        """In chunks, so that no length need be known; for HTTP/1.0 the end of the connection is the end of the body."""
        is_chunked = self.request_version == "HTTP/1.1"
        if is_chunked:
            answer = Answer(answer.status, headers={**answer.headers, "Transfer-Encoding": "chunked"})
        else:
            self.close_connection = True
        self.wfile.write(self._head(answer, None))
        for chunk in chunks:
            self.wfile.write(b"%X\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        """Close with nothing lingering, which sends RST. The reader holds the socket open, so it goes first."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
