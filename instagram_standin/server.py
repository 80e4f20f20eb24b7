"""The server: routes, the call log, and the faults carried out on the wire."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import socket
import struct
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from instagram_standin import pictures
from instagram_standin.clip import MP4
from instagram_standin.faults import Faults, Rule
from instagram_standin.graph import GraphError, Operator, answer_discovery, read_discovery
from instagram_standin.world import World

OPERATOR_ID = "17841400000000001"
OPERATOR_TOKEN = "standin-operator-token"  # noqa: S105 - it opens nothing but this stand-in
FACEBOOK_GRAPH = "/fb-graph"
HTML = b"<!doctype html><title>Sorry</title><p>Something went wrong."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    standin: StandIn


class StandIn:
    """The stand-in as a value: its world, faults and call log, and a server in a thread.

    `with StandIn() as standin:` listens on a free port of loopback; `serve_forever` keeps the caller's thread.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        operator: Operator | None = None,
    ) -> None:
        self._server = _Server((host, port), _Handler)
        self._server.standin = self
        self.port: int = self._server.server_address[1]
        self.base_url = f"http://{host}:{self.port}"
        self.operator = operator or Operator(OPERATOR_ID, OPERATOR_TOKEN)
        self.world = World(self.base_url)
        self.faults = Faults()
        self.usage_percent = 3
        self._calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve_forever(self) -> None:
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def facebook_graph_url(self) -> str:
        return f"{self.base_url}{FACEBOOK_GRAPH}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._calls)

    def note_call(self, **call: Any) -> dict[str, Any]:
        entry = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "status": None, **call}
        with self._lock:
            self._calls.append(entry)
        return entry

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def reset(self) -> None:
        self.faults.clear()
        self.world.reset()
        self.forget_calls()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "stand-in"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the call log says what there is to say."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if parts.path.startswith("/_control/"):
                self._control("GET", parts.path, None)
            elif parts.path.startswith("/media/"):
                self._media(parts.path, query)
            elif parts.path.startswith(f"{FACEBOOK_GRAPH}/"):
                self._graph(parts.path.removeprefix(FACEBOOK_GRAPH), query)
            else:
                self._json(
                    404, {"error": {"message": "Unknown path", "type": "OAuthException", "code": 2500}}
                )

    def do_POST(self) -> None:
        self._change("POST")

    def do_PUT(self) -> None:
        self._change("PUT")

    def do_DELETE(self) -> None:
        self._change("DELETE")

    def _change(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            self._json(400, {"error": "not JSON"})
            return
        self._control(method, path, body)

    def _control(self, method: str, path: str, body: Any) -> None:
        standin = self.server.standin
        name = path.removeprefix("/_control/")
        match (method, name.split("/", 1)):
            case ("GET", ["health"]):
                self._json(200, {"status": "ok"})
            case ("GET", ["calls"]):
                self._json(200, standin.calls)
            case ("GET", ["calls", "count"]):
                self._json(200, {"count": len(standin.calls)})
            case ("DELETE", ["calls"]):
                standin.forget_calls()
                self._json(200, {})
            case ("POST", ["faults"]):
                for rule in body if isinstance(body, list) else [body]:
                    standin.faults.add(**rule)
                self._json(200, {})
            case ("DELETE", ["faults"]):
                standin.faults.clear()
                self._json(200, {})
            case ("PUT", ["profiles", username]):
                standin.world.put(username, body)
                self._json(200, {})
            case ("POST", ["usage"]):
                standin.usage_percent = int(body["percent"])
                self._json(200, {})
            case ("POST", ["reset"]):
                standin.reset()
                self._json(200, {})
            case _:
                self._json(404, {"error": "unknown control"})

    def _media(self, path: str, query: dict[str, str]) -> None:
        expires = query.get("oe", "")
        if expires and int(expires, 16) < time.time():
            self._send(403, b"URL signature expired", "text/plain")
            return
        name, _, ending = path.removeprefix("/media/").rpartition(".")
        if ending == "mp4":
            self._send(200, MP4, "video/mp4", {"Cache-Control": "public, max-age=86400"})
        elif ending == "jpg" and name:
            self._send(200, pictures.jpeg(name), "image/jpeg", {"Cache-Control": "public, max-age=86400"})
        else:
            self._send(404, b"Not found", "text/plain")

    def _graph(self, path: str, query: dict[str, str]) -> None:
        standin = self.server.standin
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("access_token")
        call = standin.note_call(
            path=path,
            token_hash=hashlib.sha256((token or "").encode()).hexdigest()[:12],
            username=None,
            after=None,
        )
        try:
            request = read_discovery(path, query)
            call |= {"username": request.username, "after": request.after}
            fault = standin.faults.take(path, request.username, request.after)
            if fault is not None and not self._befall(fault, call, query):
                return
            answer = answer_discovery(standin.world, standin.operator, token, request)
        except GraphError as error:
            call["status"] = error.status
            self._json(error.status, error.envelope)
            return
        call["status"] = 200
        percent = standin.usage_percent
        usage = json.dumps({"call_count": percent, "total_time": percent, "total_cputime": percent})
        self._json(200, answer, {"X-App-Usage": usage})

    def _befall(self, fault: Rule, call: dict[str, Any], query: dict[str, str]) -> bool:
        """Carry the fault out; True when the call is to be answered normally afterwards."""
        call["status"] = fault.kind
        wanted = fault.parameters
        match fault.kind:
            case "slow":
                time.sleep(wanted.get("seconds", 1))
                return True
            case "reject_field":
                if wanted["field"] not in query.get("fields", ""):
                    return True
                message = f"(#100) Tried accessing nonexisting field ({wanted['field']}) on node type (Media)"
                raise GraphError(400, 100, message)
            case "hang":
                time.sleep(wanted.get("seconds", 60))
                self._cut()
            case "reset":
                self._cut()
            case "drip":
                self._drip(wanted.get("seconds", 60), in_headers=wanted.get("in_headers", False))
            case "status":
                self._error_status(wanted)
            case _:
                self._odd_body(fault)
        return False

    def _error_status(self, wanted: dict[str, Any]) -> None:
        headers = {}
        if "retry_after" in wanted:
            headers["Retry-After"] = str(wanted["retry_after"])
        if "usage_minutes" in wanted:
            entry = {
                "type": "instagram",
                "call_count": 100,
                "estimated_time_to_regain_access": wanted["usage_minutes"],
            }
            headers["X-Business-Use-Case-Usage"] = json.dumps({OPERATOR_ID: [entry]})
        status = wanted.get("status", 500)
        if "code" not in wanted:
            self._send(status, HTML, "text/html", headers)
            return
        more = {name: wanted[name] for name in ("error_subcode", "is_transient") if name in wanted}
        self._json(status, GraphError(status, wanted["code"], "As you wished.", **more).envelope, headers)

    def _odd_body(self, fault: Rule) -> None:
        headers: dict[str, str] = {}
        match fault.kind:
            case "html":
                body, kind = HTML, "text/html"
            case "truncated":
                body, kind = b'{"business_discovery":{"media":{"data":[{"id":"179', "application/json"
            case "empty":
                body, kind = b"", "application/json"
            case "null":
                body, kind = b"null", "application/json"
            case "error200":
                code = fault.parameters.get("code", 2)
                body, kind = (
                    json.dumps(GraphError(200, code, "As you wished.").envelope).encode(),
                    "application/json",
                )
            case "bomb":
                body, kind = (
                    gzip.compress(b" " * fault.parameters.get("bytes", 64_000_000)),
                    "application/json",
                )
                headers["Content-Encoding"] = "gzip"
            case "deep":
                body, kind = b"[" * 100_000, "application/json"
            case "redirect":
                headers["Location"] = fault.parameters["location"]
                self._send(302, b"", "text/html", headers)
                return
            case _:
                body, kind = json.dumps({"error": f"unknown fault {fault.kind}"}).encode(), "application/json"
        self._send(200, body, kind, headers)

    def _drip(self, seconds: float, *, in_headers: bool) -> None:
        ends = time.monotonic() + seconds
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        if not in_headers:
            self.wfile.write(b"Content-Length: 100000\r\n\r\n")
        while time.monotonic() < ends:
            self.wfile.write(b"X" if in_headers else b" ")
            self.wfile.flush()
            time.sleep(0.3)
        self.close_connection = True

    def _cut(self) -> None:
        """Close with a reset, as a broken load balancer would."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json; charset=UTF-8", headers)

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
