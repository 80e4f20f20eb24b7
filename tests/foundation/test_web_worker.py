"""The socket that gunicorn's threads use: it never blocks, and its buffers are limited."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gunicorn.http.errors import LimitRequestHeaders

from foundation import web_worker
from foundation.web_worker import BufferedSocket, Unsent

Ends = tuple[BufferedSocket, socket.socket, Unsent]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The server's socket, the client's, and the count of unsent bytes."""
    server, client = socket.socketpair()
    client.settimeout(5)
    unsent = Unsent()
    with closing(client):
        buffered = BufferedSocket(server, unsent)
        yield buffered, client, unsent
        buffered.end()


def test_a_thread_reads_only_its_own_request_and_never_waits(ends: Ends) -> None:
    server, client, _ = ends
    first = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    client.sendall(first[:20])
    assert server.receive()
    assert not server.has_request()
    client.sendall(first[20:] + b"GET /next HTTP/1.1\r\n")
    assert server.receive()
    assert server.has_request()

    assert server.recv(8_192) == first
    assert server.recv(8_192) == b""
    assert not server.has_request()
    client.sendall(b"\r\n")
    assert server.receive()
    assert server.has_request()
    assert server.recv(8_192) == b"GET /next HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "whole"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"1" * 19 + b"\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"1" * 5_000 + b"\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 5_000 + b"\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
    ],
)
def test_incomplete_bodies_are_detected(ends: Ends, head: bytes, whole: bool) -> None:
    server, client, _ = ends
    client.sendall(head)
    server.receive()

    assert server.has_request()
    assert server.is_whole is whole


def test_endless_headers_are_refused(ends: Ends) -> None:
    server, client, _ = ends
    client.sendall(b"GET / HTTP/1.1\r\n")
    server.receive()
    while not server.has_request():
        client.sendall(b"X: " + b"a" * 4_000 + b"\r\n")
        server.receive()

    assert len(server.received) < 2 * web_worker.MAX_HEAD_BYTES
    server.recv(web_worker.MAX_HEAD_BYTES)
    server.recv(web_worker.MAX_HEAD_BYTES)
    with pytest.raises(LimitRequestHeaders):
        server.recv(8_192)


def test_unread_output_is_limited_across_all_connections(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client, unsent = ends
    monkeypatch.setattr(web_worker, "MAX_UNSENT_BYTES", 1_000_000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    server.real.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    server.sendall(b"x" * 900_000)
    with pytest.raises(BrokenPipeError):
        server.sendall(b"x" * 200_000)

    while not server.flush():
        client.recv(1_000_000)
    server.sendall(b"x" * 900_000)  # the limit is free again
    server.end()
    unsent.add(1_000_000)


@pytest.mark.parametrize("is_read", [True, False])
def test_files_are_sent_as_they_are_read_and_closed(ends: Ends, is_read: bool) -> None:
    server, client, _ = ends
    content = os.urandom(3_000_000)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        server.sendfile(file, offset=1_000, count=2_000_000)

    received = b""
    while is_read and not (server.flush() and len(received) >= 2_000_000):
        received += client.recv(1_000_000)
    server.end()

    assert received == (content[1_000:2_001_000] if is_read else b"")
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before - 1  # the server's end
