"""The server: HTTP in, the right host's answer out, and every way of sending an answer badly.

`StandIn` runs it in a background thread, for tests:

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
from contextlib import suppress
from functools import partial
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote

from instagram_standin.consent import FacebookConsent, InstagramConsent
from instagram_standin.control import CONTROL_PATH, Control
from instagram_standin.facebook import FacebookGraph
from instagram_standin.instagram import InstagramApi, InstagramGraph
from instagram_standin.media import MEDIA_PREFIX, file_answer
from instagram_standin.messages import Answer, Call, Request, json_answer, text_answer
from instagram_standin.world import OPERATOR_ID, OPERATOR_TOKEN, Host, Settings, World

__all__ = ["OPERATOR_ID", "OPERATOR_TOKEN", "Settings", "StandIn"]

MAX_BODY_BYTES = 4 * 1024 * 1024
IDLE_SECONDS = 60
STOP_WITHIN_SECONDS = 3.0


class StandIn(World):
    """The world with a server around it. `port` 0 means any free one; starting raises OSError when it is taken."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None, quiet: bool = True
    ) -> None:
        super().__init__(settings or Settings())
        self._address = (host, port)
        self._quiet = quiet
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._server = _Server(self._address, self, quiet=self._quiet)
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
        """The port in use. Raises RuntimeError when not started."""
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


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, address: tuple[str, int], world: World, *, quiet: bool) -> None:
        self.quiet = quiet
        self.stopping = threading.Event()
        self._world = world
        self._control = Control(world)
        hosts = (FacebookGraph, FacebookConsent, InstagramGraph, InstagramConsent, InstagramApi)
        self._hosts: dict[str, Host] = {host.prefix: host(world) for host in hosts}
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def respond(self, request: Request) -> Answer:
        """The answer, or what a fault makes of it."""
        if request.path.startswith(CONTROL_PATH):
            return self._control.answer(request)
        if request.path.startswith(MEDIA_PREFIX):
            call = Call(request)
            fault = self._world.faults.take(call)
            file = partial(file_answer, request, self._world.links)
            return file() if fault is None else fault.spoil(call, file)
        host = self._hosts.get("/" + request.path.split("/")[1])
        if host is None:
            return text_answer("There is nothing of Meta's here.", 404)
        call = host.describe(request)
        fault = self._world.faults.take(call)
        normal = partial(host.answer, call)
        answer = normal() if fault is None else fault.spoil(call, normal)
        status = None if answer.ending else answer.status
        self._world.calls.add(call, status=status, fault=fault.kind if fault else None)
        return answer

    def server_bind(self) -> None:
        # HTTPServer asks DNS for the host's name here, which is not needed and may take seconds.
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
        """A caller that hangs up is no error of ours; everything else is shown."""
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
        answer = self.server.respond(request)
        if not self.server.quiet:
            # Without the query: it may hold a token.
            print(request.method, request.path, "-" if answer.ending else answer.status, file=sys.stderr)
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class looks for these

    def log_message(self, *_: object) -> None:
        """The base class would print the query, and tokens with it."""

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

    def _send(self, answer: Answer) -> None:
        if answer.ending or answer.missing:
            self.close_connection = True
        if answer.wait and self.server.stopping.wait(answer.wait):
            self.close_connection = True
        elif answer.ending == "reset":
            self._reset()
        elif answer.chunks is not None:
            headers = {**answer.headers, "Transfer-Encoding": "chunked"}
            self.wfile.write(self._head(answer.status, headers))
            for chunk in answer.chunks():
                self.wfile.write(b"%X\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        elif not answer.ending:
            length = str(len(answer.body) + answer.missing)
            head = self._head(answer.status, {**answer.headers, "Content-Length": length})
            body = b"" if self.command == "HEAD" else answer.body
            at_once = head + body if not answer.drip else b"" if answer.drips_head else head
            self.wfile.write(at_once)
            for byte in (head + body)[len(at_once) :]:
                self.wfile.write(bytes([byte]))
                if self.server.stopping.wait(answer.drip):
                    break

    def _head(self, status: int, headers: dict[str, str]) -> bytes:
        headers = {"Server": "stand-in", "Date": self.date_time_string(), **headers}
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _reset(self) -> None:
        """Close without lingering, which sends RST. The reader holds the socket open, so it is closed first."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
