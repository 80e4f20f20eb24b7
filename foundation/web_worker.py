"""gunicorn's thread worker, changed so that a slow or silent client occupies no thread.

gunicorn's own worker gives each new connection a thread, and the thread waits for the client. As many clients as there
are threads can then block all others: by sending nothing, by stopping in the middle of a request, or by not reading
the response. Here only the main loop waits. A thread gets a request once it has arrived completely, and hands its
response to the main loop. HTTP parsing, threads, hooks and the graceful stop are gunicorn's. Only plain HTTP/1 is
supported, which is what the proxy uses.

The main loop itself sends an answer that the application knows already, without a thread. Such an application has two
more attributes: `repeated_path`, the path of the requests that it wants to be asked about, and `repeat(environ)`, which
returns the answer without waiting, or None.

It depends on internals of gunicorn 27 (`gthread.ThreadWorker`, `gthread.TConn`). The tests of slow clients and of the
graceful stop fail when these change.
"""

from __future__ import annotations

import errno
import os
import re
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import IO, Any, Protocol

from gunicorn import SERVER
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.util import http_date
from gunicorn.workers.gthread import TConn, ThreadWorker

MAX_HEAD_BYTES = 64 * 1024
# DATA_UPLOAD_MAX_MEMORY_SIZE: Django refuses a longer body by its Content-Length, without reading it.
MAX_BODY_BYTES = 64 * 1024
# Responses that clients haven't read yet, all together. Files don't count: they are read while they are sent.
MAX_UNSENT_BYTES = 64 * 1024 * 1024
REQUEST_SECONDS = 30.0  # from a request's first byte to its last
SEND_SECONDS = 30.0  # while the client reads nothing
FAIR_SECONDS = 0.5  # before a waiting client can be dropped for a new one
LINGER_SECONDS = 2.0  # between our end of a connection and the client's

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*([0-9]*)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SIMPLE_GET = re.compile(
    rb"GET (/[A-Za-z0-9/_.-]*)\?([!-\"$-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+:[ -~]*\r\n)+)\r\n"
)
_NOT_SIMPLE = frozenset(
    f"HTTP_{name}" for name in ("CONTENT_LENGTH", "CONTENT_TYPE", "TRANSFER_ENCODING", "EXPECT", "UPGRADE")
)


class Unsent:
    """How many bytes all connections of the process have yet to send."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, number: int) -> None:
        """Raises BrokenPipeError when there are too many: gunicorn then drops the connection."""
        with self._lock:
            if number > 0 and self._bytes + number > MAX_UNSENT_BYTES:
                raise BrokenPipeError(errno.EPIPE, "too many unread responses")
            self._bytes += number


def _length_of(head: bytes) -> int:
    """The body's length as the head announces it, or one that is too long. Zeros in front are allowed."""
    found = _LENGTH.search(head)
    digits = found[1] if found else b""
    return int(digits or b"0") if len(digits) < 19 else MAX_BODY_BYTES + 1


class FilePart:
    """Bytes of a file, sent by the kernel."""

    def __init__(self, file: IO[bytes], offset: int, count: int) -> None:
        self._descriptor = os.dup(file.fileno())  # gunicorn closes the original when the thread is done
        self._offset, self._left = offset, count

    def send(self, target: socket.socket) -> None:
        """Send the rest. Raises BlockingIOError when the client reads too slowly."""
        while self._left:
            sent = os.sendfile(target.fileno(), self._descriptor, self._offset, self._left)
            if not sent:
                raise BrokenPipeError(errno.EPIPE, "the file has become shorter")
            self._offset, self._left = self._offset + sent, self._left - sent
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)


class BufferedSocket:
    """Used by gunicorn as the client's socket. It reads what has arrived already; no call blocks."""

    def __init__(self, real: socket.socket, unsent: Unsent) -> None:
        real.setblocking(False)
        self.real = real
        self.received = bytearray()
        self.is_whole = True  # whether the request arrives with its whole body before a thread gets it
        self._unsent = unsent
        self._outgoing: deque[memoryview | FilePart] = deque()
        # Bytes of the request that the thread works on. What follows belongs to the next request.
        self._readable = 0
        self._needed: int | None = None  # bytes of the request, once its head is here
        self._searched = 0
        self._is_head_too_long = False
        self._has_continued = False

    # For the main loop

    def receive(self) -> bool:
        """Take what has arrived; False when the client has closed its side. Raises OSError."""
        data = self.real.recv(64 * 1024)
        self.received += data
        return bool(data)

    def has_request(self) -> bool:
        """Whether a thread can begin: the request is complete, or can be refused already."""
        if self._needed is None:
            self._look_for_head()
        if self._needed is None or len(self.received) < self._needed:
            return False
        self._readable, self._needed, self._searched = self._needed, None, 0
        return True

    def peek(self) -> bytes:
        """The request that a thread would get."""
        return bytes(self.received[: self._readable])

    def skip(self) -> None:
        """The request is answered; no thread gets it."""
        del self.received[: self._readable]
        self._readable = 0

    def _look_for_head(self) -> None:
        if not self._searched:
            self._has_continued = False
            del self.received[: len(self.received) - len(self.received.lstrip(b"\r\n"))]
        end = self.received.find(_HEAD_END, max(0, self._searched - len(_HEAD_END)))
        self._searched = len(self.received)
        if end >= 0:
            self._needed = end + len(_HEAD_END)
            self._look_at_body(bytes(self.received[: self._needed]))
        elif len(self.received) > MAX_HEAD_BYTES:
            self._needed, self.is_whole, self._is_head_too_long = len(self.received), False, True

    def _look_at_body(self, head: bytes) -> None:
        length = _length_of(head)
        self.is_whole = length <= MAX_BODY_BYTES and not _CHUNKED.search(head)
        if self.is_whole and length:
            assert self._needed is not None  # noqa: S101
            self._needed += length
            if _EXPECTS.search(head) and len(self.received) < self._needed:
                self._has_continued = True
                self.sendall(_CONTINUE)

    def flush(self) -> bool:
        """Send what the client accepts; whether that was everything. Raises OSError."""
        try:
            while self._outgoing:
                part = self._outgoing[0]
                if isinstance(part, FilePart):
                    part.send(self.real)
                    self._outgoing.popleft()
                    continue
                sent = self.real.send(part)
                self._unsent.add(-sent)
                if sent == len(part):
                    self._outgoing.popleft()
                else:
                    self._outgoing[0] = part[sent:]
        except BlockingIOError:
            return False
        return True

    def has_unsent(self) -> bool:
        return bool(self._outgoing)

    def discard(self) -> bool:
        """Throw away what the client still sends; False when it has closed its side. Raises OSError."""
        return bool(self.real.recv(64 * 1024))

    def end(self) -> None:
        """Close, even if there is something left to send."""
        for part in self._outgoing:
            if isinstance(part, FilePart):
                part.close()
            else:
                self._unsent.add(-len(part))
        self._outgoing.clear()
        self.real.close()

    # For gunicorn, in a thread

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Bytes of this request; none when there are no more. Raises LimitRequestHeaders."""
        if not self._readable and self._is_head_too_long:
            raise LimitRequestHeaders("limit request headers")
        size = min(size, self._readable)
        data = bytes(self.received[:size])
        del self.received[:size]
        self._readable -= size
        return data

    def sendall(self, data: bytes) -> None:
        self._unsent.add(len(data))
        self._outgoing.append(memoryview(data))
        self.flush()

    def send(self, data: bytes) -> int:
        """gunicorn's "100 Continue", unless the main loop has sent it already."""
        if not self._has_continued:
            self.sendall(data)
        return len(data)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int = 0) -> None:
        self._outgoing.append(FilePart(file, offset, count))
        self.flush()

    def fileno(self) -> int:
        return self.real.fileno()

    def gettimeout(self) -> float:
        return 0.0

    def settimeout(self, seconds: float | None) -> None:
        """Nothing waits here."""

    def setblocking(self, flag: bool) -> None:
        """Nothing waits here."""

    def shutdown(self, how: int) -> None:
        """The main loop does it, when all is sent."""

    def close(self) -> None:
        """The main loop does it, when all is sent."""


class Repeated(Protocol):
    """An answer. `status`: such as "200 OK". `lines`: headers, each with its line end."""

    @property
    def status(self) -> str: ...
    @property
    def lines(self) -> bytes: ...
    @property
    def request_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...


def environ_of(request: bytes, peer: str) -> dict[str, str] | None:
    """What a WSGI environment says of a GET request without a body, if the request has the simplest form; else None.

    Whatever gunicorn might refuse, or understand in its own way, is left to gunicorn.
    """
    found = _SIMPLE_GET.fullmatch(request)
    if found is None:
        return None
    path, query, lines = (part.decode("latin-1") for part in found.groups())
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": peer}
    for line in lines.split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        key = _environ_key(name)
        value = value.strip(" \t")
        if (
            key in environ
            or key in _NOT_SIMPLE
            or (key == "HTTP_CONNECTION" and value.lower() != "keep-alive")
        ):
            return None
        environ[key] = value
    return environ


@lru_cache(maxsize=256)
def _environ_key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


@lru_cache(maxsize=2)
def _date_at(second: int) -> str:
    return str(http_date())


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with a BufferedSocket."""

    sock: BufferedSocket

    def __init__(self, worker: PatientWorker, real: socket.socket, client: object) -> None:
        super().__init__(worker.cfg, BufferedSocket(real, worker.unsent), client, real.getsockname())
        self.data_ready = True  # so that gunicorn doesn't wait
        self.waits_since = self.gives_up_at = 0.0  # monotonic


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """`worker_class` of config/gunicorn.py."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.unsent = Unsent()
        self._waiting: dict[
            Connection, None
        ] = {}  # connections that wait for their clients, the longest first
        self._next_look = 0.0
        self._repeat: Callable[[dict[str, str]], Repeated | None] | None = None
        self._repeated_start = b""

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._repeat = getattr(self.wsgi, "repeat", None)
        self._repeated_start = b"GET " + getattr(self.wsgi, "repeated_path", "").encode() + b"?"

    # What gunicorn's main loop calls

    def accept(self, listener: Any) -> None:
        try:
            real, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._drop_longest_waiting()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        conn = Connection(self, real, client)
        self.nr_conns += 1
        self._wait(conn, selectors.EVENT_READ, self._receive, self.cfg.keepalive)

    def finish_request(self, conn: Connection, done: Any) -> None:
        """A thread has finished the request."""
        keeps_alive = not done.cancelled() and not done.exception() and bool(done.result())
        try:
            self._send(keeps_alive, conn)
        except OSError:  # the client has left before the answer to its next request
            self._drop(conn)

    def murder_pending(self) -> None:
        """Called after each round of events. Drops a connection at the limit, or gunicorn would accept no new ones, and
        once a second all those whose client takes too long.
        """
        if self.nr_conns >= self.worker_connections:
            self._drop_longest_waiting()
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 1.0
        for conn in [conn for conn in self._waiting if conn.gives_up_at <= now]:
            self._drop(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Kept-alive connections wait, and are dropped, like all others."""
        if force:
            for conn in list(self._waiting):
                self._drop(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker is stopping: incomplete requests have until `deadline`, responses the full time."""
        for conn in self._waiting:
            if not conn.sock.has_unsent():
                conn.gives_up_at = min(conn.gives_up_at, deadline)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Never after a body that wasn't waited for: it's unknown where the next request begins."""
        return conn.sock.is_whole and bool(super()._keepalive_after(conn, keepalive))

    # Waiting for clients

    def _wait(self, conn: Connection, event: int, act: Callable[[Connection], None], seconds: float) -> None:
        conn.waits_since = time.monotonic()
        conn.gives_up_at = conn.waits_since + seconds
        self._waiting[conn] = None
        self.poller.register(conn.sock, event, partial(self._act, act, conn))

    def _act(self, act: Callable[[Connection], None], conn: Connection, _: object) -> None:
        """The client has sent or read something."""
        if conn not in self._waiting:  # dropped a moment ago by another event of the same round
            return
        try:
            act(conn)
        except BlockingIOError:
            return
        except OSError:
            self._drop(conn)

    def _stop_waiting(self, conn: Connection) -> None:
        if self._waiting.pop(conn, conn) is None:
            self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        self._stop_waiting(conn)
        self.nr_conns -= 1
        conn.sock.end()

    def _drop_longest_waiting(self) -> None:
        longest = next(iter(self._waiting), None)
        if longest is not None and time.monotonic() - longest.waits_since >= FAIR_SECONDS:
            self._drop(longest)

    def _receive(self, conn: Connection) -> None:
        if not conn.sock.received:
            conn.gives_up_at = time.monotonic() + REQUEST_SECONDS
        if conn.sock.receive():
            self._begin_if_here(conn)
        else:
            self._drop(conn)

    def _begin_if_here(self, conn: Connection) -> None:
        while conn.sock.has_request():
            answer = self._find_repeated(conn)
            if answer is None:
                self._stop_waiting(conn)
                self.enqueue_req(conn)
                return
            conn.sock.skip()
            conn.sock.sendall(answer)
            if conn.sock.has_unsent():
                self._send(True, conn)
                return
            del self._waiting[conn]  # it goes to the end: those that have waited longest come first
            self._waiting[conn] = None
            conn.waits_since = time.monotonic()
            conn.gives_up_at = conn.waits_since + self.cfg.keepalive

    def _find_repeated(self, conn: Connection) -> bytes | None:
        """The answer as it is sent, if the application has it."""
        if self._repeat is None or not self.alive or not conn.sock.received.startswith(self._repeated_start):
            return None
        environ = environ_of(conn.sock.peek(), str(conn.client[0]))
        if environ is None:
            return None
        try:
            answer = self._repeat(environ)
        except Exception:  # the main loop must go on, whatever fails: a thread then answers this request
            self.log.exception("repeating an answer failed")
            return None
        if answer is None:
            return None
        head = (
            f"HTTP/1.1 {answer.status}\r\nServer: {SERVER}\r\nDate: {_date_at(int(time.time()))}\r\n"
            f"Connection: keep-alive\r\nX-Request-ID: {answer.request_id}\r\n"
        )
        return b"".join((head.encode("latin-1"), answer.lines, b"\r\n", answer.body))

    def _send(self, keeps_alive: bool, conn: Connection) -> None:
        try:
            is_sent = conn.sock.flush()
        except OSError:
            self._drop(conn)
            return
        self._stop_waiting(conn)
        if not is_sent:
            self._wait(conn, selectors.EVENT_WRITE, partial(self._send, keeps_alive), SEND_SECONDS)
        elif keeps_alive:
            seconds = self.cfg.keepalive if self.alive else LINGER_SECONDS
            self._wait(conn, selectors.EVENT_READ, self._receive, seconds)
            if conn.sock.received:  # the client has sent the next request already
                self._begin_if_here(conn)
        else:
            self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Wait for the client to close. Closing now would make the kernel discard a response that it hasn't read."""
        try:
            conn.sock.real.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._wait(conn, selectors.EVENT_READ, self._discard, LINGER_SECONDS)

    def _discard(self, conn: Connection) -> None:
        if not conn.sock.discard():
            self._drop(conn)
