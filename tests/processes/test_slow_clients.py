"""A bare web process and clients that are slow, silent, or stop halfway: they do not take the places of others."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes.service import Service, get, running_service
from tests.processes.slow_clients import FORM, HOST, KINDS, LONG_ANSWER, Client, connect, held, silent

pytestmark = [pytest.mark.processes, pytest.mark.sqlite_leg]

# Few threads and connections, so that few clients would take them all.
SETTINGS = {"WEB_THREADS": "4", "WEB_CONNECTIONS": "100", "THROTTLE_SIGN_INS_PER_ADDRESS": "0"}
# A read takes milliseconds, and half a second more where a slow client must give way first. A read that waits for slow
# clients takes five seconds or for ever, each time; one that waits for a busy machine does not.
AT_ONCE_SECONDS = 4.0
TRIES = 3


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("slow"), **SETTINGS) as running:
        yield running


@pytest.fixture
def port(service: Service) -> int:
    return service.web_ports[0]


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    made = service.instance(service.workspace(), "acme.bakery")["embedToken"]
    assert service.read(made).json["posts"]
    return made


@pytest.mark.parametrize("clients", [40, 150], ids=["more than threads", "more than connections"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_others_are_answered_at_once(
    service: Service, port: int, token: str, kind: Client, clients: int
) -> None:
    longest = []
    while len(longest) < TRIES and min(longest, default=AT_ONCE_SECONDS) >= AT_ONCE_SECONDS:
        with held(kind, clients, port):
            answers = [service.read(token) for _ in range(5)]

        assert [answer.status for answer in answers] == [200] * 5
        longest.append(max(answer.seconds for answer in answers))
    assert min(longest) < AT_ONCE_SECONDS


class Answers:
    """The answers on one connection, one after another."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._received = b""

    def next(self) -> tuple[int, bytes]:
        """Status and body. A body without a length ends with the connection."""
        while b"\r\n\r\n" not in self._received:
            self._read_more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert length is not None, head
        while len(self._received) < int(length[1]):
            self._read_more()
        body, self._received = self._received[: int(length[1])], self._received[int(length[1]) :]
        return int(head.split()[1]), body

    def is_over(self) -> bool:
        return not self._received and self._client.recv(1_024) == b""

    def _read_more(self) -> None:
        more = self._client.recv(65_536)
        assert more, f"the connection ended after {self._received!r}"
        self._received += more


def test_a_request_may_come_in_any_pieces(port: int) -> None:
    form = b"csrfmiddlewaretoken=" + b"a" * 32 + b"&username=piecemeal&password=x"
    request = FORM + b"Content-Length: %d\r\n\r\n" % len(form) + form
    with closing(connect(port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(0, len(request), 7):
            client.sendall(request[place : place + 7])
        status, body = Answers(client).next()

    assert (status, b"piecemeal" in body) == (200, True)


def test_requests_behind_one_another_are_answered_in_their_order(port: int) -> None:
    with closing(connect(port)) as client:
        asked = (b"/healthz", b"/no/such/page", b"/healthz")
        client.sendall(b"\r\n".join(b"GET " + path + b" HTTP/1.1\r\n" + HOST for path in asked) + b"\r\n")
        answers = Answers(client)

        assert [answers.next()[0] for _ in asked] == [200, 404, 200]


@pytest.mark.parametrize(
    "second",
    [FORM + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"GET %s HTTP/1.1\r\n" + HOST + b"\r\n"],
    ids=["continue", "repeated"],
)
def test_a_client_that_leaves_between_two_answers_ends_its_connection_alone(
    service: Service, port: int, token: str, second: bytes
) -> None:
    path = service.feed_url(token).partition(f":{port}")[2].encode()
    first = b"OPTIONS /v1/integrations/instagram/feed HTTP/1.1\r\n" + HOST + b"\r\n"
    with closing(connect(port)) as other:
        for _ in range(30):
            # The first answer is met with a reset, so sending the second one fails.
            with closing(connect(port)) as client:
                client.sendall(first + second.replace(b"%s", path))

        other.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert Answers(other).next()[0] == 200
    assert service.tracebacks() == []


def test_a_length_with_leading_zeros_is_that_length(port: int) -> None:
    form = b"csrfmiddlewaretoken=" + b"a" * 32 + b"&username=padded&password=x"
    with closing(connect(port)) as client:
        client.sendall(FORM + b"Content-Length: %040d\r\n\r\n" % len(form) + form)
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        answers = Answers(client)
        status, body = answers.next()

        assert (status, b"padded" in body) == (200, True)
        assert answers.next()[0] == 200


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(port: int) -> None:
    form = b"csrfmiddlewaretoken=" + b"a" * 32 + b"&username=polite&password=x"
    with closing(connect(port)) as client:
        client.sendall(FORM + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(form))
        assert client.recv(1_024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(form)
        status, body = Answers(client).next()

    assert (status, b"polite" in body) == (200, True)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: "
            + b"9" * 5_000
            + b"\r\n\r\nGET / HTTP/1.1\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_connection_ends(
    port: int, request_: bytes, status: int
) -> None:
    with closing(connect(port)) as client:
        client.sendall(request_)
        answers = Answers(client)
        assert answers.next()[0] == status
        assert answers.is_over()


def test_what_the_server_says_of_a_request_is_one_line_of_json_without_tokens(
    service: Service, port: int
) -> None:
    with closing(connect(port)) as client:
        client.sendall(b"GET /feed?token=canary-1 and a space HTTP/1.1\r\n" + HOST + b"\r\n")
        assert Answers(client).next()[0] == 400

    own = [json.loads(line) for line in service.log().splitlines() if "gunicorn.error" in line]
    assert "Invalid request" in own[-1]["message"]
    assert "canary-1" not in service.log()


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(port: int) -> None:
    with closing(connect(port)) as client:
        order = (
            b"POST /v1/integrations/instagram/refresh HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST
        )
        client.sendall(order + b"Content-Length: 100000\r\n\r\n")
        answers = Answers(client)
        status, body = answers.next()
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")  # not taken for another request
        is_over = answers.is_over()

    assert (status, json.loads(body)["error"]) in {
        (413, "REQUEST_TOO_LARGE"),
        (401, "AUTHENTICATION_REQUIRED"),
    }
    assert is_over


def test_a_slow_reader_gets_every_byte(port: int) -> None:
    expected = get(f"http://127.0.0.1:{port}{LONG_ANSWER}").body
    with closing(connect(port, receive_bytes=4_096)) as client:
        client.sendall((f"GET {LONG_ANSWER} HTTP/1.1\r\n".encode() + HOST + b"\r\n") * 4)
        answers = Answers(client)
        bodies = [answers.next()[1] for _ in range(4)]

    assert len(expected) > 1_000_000
    assert [hashlib.sha256(body).digest() for body in bodies] == [hashlib.sha256(expected).digest()] * 4


def test_silent_clients_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with running_service(tmp_path) as service, held(silent, 20, service.web_ports[0]):
        os.kill(service.webs[0].pid, signal.SIGTERM)

        assert service.webs[0].wait(timeout=15) == 0
        assert "Traceback" not in service.log()
