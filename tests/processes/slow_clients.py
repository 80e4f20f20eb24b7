"""Clients that hold a connection without getting anywhere."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

LONG_ANSWER = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
HOST = b"Host: 127.0.0.1\r\n"
FORM = (
    b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
    b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n"
)

Client = Callable[[int], socket.socket]


def connect(port: int, *, receive_bytes: int | None = None) -> socket.socket:
    client = socket.socket()
    client.settimeout(20)
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.connect(("127.0.0.1", port))
    return client


def silent(port: int) -> socket.socket:
    """Connects and says nothing."""
    return connect(port)


def half_a_head(port: int) -> socket.socket:
    """Stops in the middle of the headers."""
    client = connect(port)
    client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST)
    return client


def half_a_body(port: int) -> socket.socket:
    """Announces a form of 1,000 bytes and sends ten."""
    client = connect(port)
    client.sendall(FORM + b"Content-Length: 1000\r\n\r\nusername=x")
    return client


def half_a_chunk(port: int) -> socket.socket:
    """Sends a body without a length and never ends it."""
    client = connect(port)
    client.sendall(FORM + b"Transfer-Encoding: chunked\r\n\r\na\r\nuser")
    return client


def too_much_announced(port: int) -> socket.socket:
    """Announces a body that is refused, and sends nothing of it."""
    client = connect(port)
    order = b"POST /v1/integrations/instagram/refresh HTTP/1.1\r\nContent-Type: application/json\r\n"
    client.sendall(order + HOST + b"Content-Length: 100000\r\n\r\n")
    return client


def reads_nothing(port: int) -> socket.socket:
    """Asks for a long file eight times and reads nothing: more than the kernel buffers."""
    client = connect(port, receive_bytes=4_096)
    client.sendall((f"GET {LONG_ANSWER} HTTP/1.1\r\n".encode() + HOST + b"\r\n") * 8)
    return client


def never_hangs_up(port: int) -> socket.socket:
    """Is answered, told that this was all, and stays."""
    client = connect(port)
    client.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    return client


def keeps_alive(port: int) -> socket.socket:
    """Is answered once and stays."""
    client = connect(port)
    client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    client.recv(1_024)
    return client


KINDS: tuple[Client, ...] = (
    silent,
    half_a_head,
    half_a_body,
    half_a_chunk,
    too_much_announced,
    reads_nothing,
    never_hangs_up,
    keeps_alive,
)


@contextmanager
def held(kind: Client, clients: int, port: int) -> Iterator[None]:
    """That many clients of a kind, at once."""
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(closing(kind(port)))
        yield
