"""The HTTP client: deadlines, size limits, and no secrets in errors. Tested with real sockets."""

from __future__ import annotations

import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from instagram_standin.faults import Bomb, Drip, Fault, Hang, Redirect, ResetConnection, Slow
from instagram_standin.server import OPERATOR_ID, StandIn
from instagram_standin.tokens import fingerprint
from paris_integration.errors import ProviderUnavailable
from paris_integration.providers.base import Usage
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.http import HttpClient, parse_json, retry_after_of, usage_of
from paris_integration.types import Secret

TOKEN = Secret("canary-token-3fe1")
FIELDS = {
    "fields": "business_discovery.username(load.x){id,media{id}}",
    "appsecret_proof": "canary-proof-77aa",
}
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_faults(standin: StandIn) -> Iterator[None]:
    yield
    standin.faults.clear()


def url_of(standin: StandIn) -> str:
    return f"{standin.facebook_graph_url}/v26.0/{OPERATOR_ID}"


def fetch(url: str, *, seconds: float = 5.0, client: HttpClient | None = None) -> object:
    return (client or HttpClient()).get_json(url, params=FIELDS, token=TOKEN, deadline=Deadline(seconds))


def everything_said(error: BaseException | None) -> str:
    """The text of an exception and of its whole chain, including attributes."""
    said = []
    while error is not None:
        said.append(f"{error!r} {error!s} {error.args!r} {vars(error)!r}")
        error = error.__cause__ or error.__context__
    return " ".join(said)


def test_the_token_is_sent_in_the_header(standin: StandIn) -> None:
    standin.calls.clear()
    fetch(url_of(standin))

    assert standin.calls[0]["token_hash"] == fingerprint(TOKEN.reveal())


def test_before_call_runs_before_each_call(standin: StandIn) -> None:
    calls_before: list[int] = []
    client = HttpClient(before_call=lambda: calls_before.append(len(standin.calls)))
    already = len(standin.calls)

    for _ in range(2):
        fetch(url_of(standin), client=client)
    client.post_form(f"{standin.facebook_graph_url}/x", form={}, deadline=Deadline(5))
    client.delete(f"{standin.facebook_graph_url}/x", params={}, token=TOKEN, deadline=Deadline(5))

    assert calls_before == [already, already + 1, already + 2, already + 3]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Hang(8), id="no answer at all"),
        pytest.param(Drip(0.3), id="a body that arrives slowly"),
        pytest.param(Drip(0.3, with_head=True), id="headers that arrive slowly"),
        pytest.param(Slow(4), id="an answer that comes too late"),
    ],
)
def test_the_deadline_holds_for_any_behaviour_of_the_server(standin: StandIn, fault: Fault) -> None:
    standin.faults.add(fault)
    began = time.monotonic()

    with pytest.raises(ProviderUnavailable, match="timed out"):
        fetch(url_of(standin), seconds=1.0)

    assert 0.8 < time.monotonic() - began < 2.0


def test_the_deadline_holds_on_a_kept_connection(standin: StandIn) -> None:
    client = HttpClient()
    fetch(url_of(standin), client=client)
    standin.faults.add(Drip(0.3, with_head=True))
    began = time.monotonic()

    with pytest.raises(ProviderUnavailable, match="timed out"):
        fetch(url_of(standin), seconds=1.0, client=client)

    assert time.monotonic() - began < 2.0


def test_a_listener_that_never_accepts() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            fetch(f"http://127.0.0.1:{full.getsockname()[1]}/x", seconds=1.0)
        assert time.monotonic() - began < 2.0


# Name resolution, connecting and TLS


@pytest.fixture
def stuck_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that does not answer before the event is set."""
    answers = threading.Event()
    resolve = socket.getaddrinfo

    def wait(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".example"):
            answers.wait(30)
            raise socket.gaierror(socket.EAI_NONAME, "canary: unknown name")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    yield answers
    answers.set()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names in `.example`. Other names don't exist."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(".example"):
            return resolve(host, port, *args, **kwargs)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "canary: unknown name")
        return [found for address in known[host] for found in resolve(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_holds_while_the_name_is_looked_up(stuck_names: threading.Event, scheme: str) -> None:
    began = time.monotonic()

    with pytest.raises(ProviderUnavailable, match="timed out"):
        fetch(f"{scheme}://graph.example/x", seconds=0.4)

    assert time.monotonic() - began < 1.4


def test_hung_lookups_hold_a_limited_number_of_threads(stuck_names: threading.Event) -> None:
    client = HttpClient()
    before = threading.enumerate()
    with ThreadPoolExecutor(40) as readers:
        calls = [
            readers.submit(fetch, "http://graph.example/x", seconds=0.5, client=client) for _ in range(40)
        ]
        assert all(isinstance(call.exception(), ProviderUnavailable) for call in calls)

    left = [thread for thread in threading.enumerate() if thread not in before]
    assert 0 < sum(not isinstance(thread, threading.Timer) for thread in left) <= 16


def test_names_are_looked_up_again_after_a_failure_of_the_name_service(
    stuck_names: threading.Event, standin: StandIn
) -> None:
    client = HttpClient()
    with pytest.raises(ProviderUnavailable, match="timed out"):
        fetch("http://graph.example/x", seconds=0.1, client=client)
    stuck_names.set()

    fetch(url_of(standin).replace("127.0.0.1", "localhost"), client=client)


def test_an_unknown_name_fails_at_once_and_is_not_repeated(names: dict[str, list[str]]) -> None:
    began = time.monotonic()

    with pytest.raises(ProviderUnavailable, match="connection failed") as failure:
        fetch("https://graph.example/x")

    assert time.monotonic() - began < 2
    assert "example" not in everything_said(failure.value)
    assert "canary" not in everything_said(failure.value)


def test_a_dead_address_leaves_time_for_the_next(names: dict[str, list[str]], standin: StandIn) -> None:
    names["graph.example"] = ["127.0.0.2", "127.0.0.1"]
    port = urlsplit(standin.base_url).port
    with silent_listener("127.0.0.2", port):
        fetch(url_of(standin).replace("127.0.0.1", "graph.example"), seconds=1)


def test_the_deadline_holds_over_all_addresses_of_a_name(names: dict[str, list[str]]) -> None:
    names["graph.example"] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    with (
        silent_listener("127.0.0.2") as port,
        silent_listener("127.0.0.3", port),
        silent_listener("127.0.0.4", port),
    ):
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="timed out"):
            fetch(f"http://graph.example:{port}/x", seconds=0.6)

    assert time.monotonic() - began < 1.6


def test_the_deadline_holds_during_the_tls_handshake() -> None:
    """An occasional byte prevents each read from timing out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            peer, _ = server.accept()
            with peer, suppress(OSError):
                peer.sendall(b"\x16\x03\x03\x40\x00")
                while not ended.wait(0.1):
                    peer.sendall(b"\x02")

        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="timed out"):
            fetch(f"https://127.0.0.1:{server.getsockname()[1]}/x", seconds=0.5)
        lasted = time.monotonic() - began
        ended.set()
        dripping.join()

    assert lasted < 1.5


@contextmanager
def silent_listener(address: str, port: int | None = 0) -> Iterator[int]:
    """A port whose queue is full: connecting to it neither succeeds nor fails."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind((address, port or 0))
        listener.listen(0)
        for sock in (first, second):
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "fault",
    [
        ResetConnection(),
        Hang(3),
        Drip(0.3),
        Bomb(64),
        Redirect("http://127.0.0.1:9/trap?access_token=canary-location"),
    ],
)
def test_errors_contain_neither_the_url_nor_the_token(
    standin: StandIn, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    standin.faults.add(fault)
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderUnavailable) as failure:
        fetch(url_of(standin), seconds=1.0)

    said = everything_said(failure.value) + caplog.text
    assert "canary" not in said
    assert "127.0.0.1" not in said


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_proxies_of_the_environment_are_ignored(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    assert fetch(url_of(standin))


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server with one answer for all. Yields its URL, and a list of the requests that it gets."""
    requests: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    requests.append(connection.recv(65_536))
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x", requests


EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def test_the_token_is_not_in_the_url() -> None:
    with answering(EMPTY) as (url, requests):
        fetch(url)

    line, _, headers = requests[0].partition(b"\r\n")
    assert TOKEN.reveal().encode() not in line
    assert TOKEN.reveal().encode() in headers


def test_cookies_are_not_kept() -> None:
    client = HttpClient()
    with answering(EMPTY.replace(b"\r\n", b"\r\nSet-Cookie: id=canary; Path=/\r\n", 1)) as (url, requests):
        for _ in range(2):
            fetch(url, client=client)

    assert len(requests) == 2
    assert b"cookie" not in requests[1].lower()


def test_a_refused_connection_is_unavailable() -> None:
    port = closed_port()
    with pytest.raises(ProviderUnavailable, match="connection failed") as failure:
        fetch(f"http://127.0.0.1:{port}/x?canary")
    assert "canary" not in everything_said(failure.value)


def test_a_decompression_bomb_is_cut_and_memory_stays_limited(standin: StandIn) -> None:
    standin.faults.add(Bomb(200, gzip=True))
    fetch_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(ProviderUnavailable, match="too large"):
        fetch(url_of(standin))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - fetch_before < 100_000


def test_redirects_are_not_followed(standin: StandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        standin.faults.add(Redirect(f"http://127.0.0.1:{trap.getsockname()[1]}/"))
        with pytest.raises(ProviderUnavailable, match="redirected"):
            fetch(url_of(standin))
        with pytest.raises(TimeoutError):
            trap.accept()


def test_the_body_of_a_redirect_is_not_read() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 1000000000\r\n\r\n"
    sent = 0

    def answer(listener: socket.socket) -> None:
        nonlocal sent
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(head)
            while True:
                connection.sendall(bytes(1_000_000))
                sent += 1_000_000

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,), daemon=True)
        server.start()
        with pytest.raises(ProviderUnavailable, match="redirected"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/x", seconds=3.0)
        server.join(timeout=5)
    assert sent < 20_000_000  # what fits into the buffers of the sockets


@pytest.mark.parametrize(
    ("body", "payload", "is_json"),
    [
        (b'{"a": 1}', {"a": 1}, True),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}, True),
        (b"null", None, True),
        (b"", None, False),
        (b"<html>", None, False),
        (b'{"a": ', None, False),
        (b'{"a": NaN}', None, False),
        (b'{"a": Infinity}', None, False),
        (b"\xff\xfe", None, False),
        (b"[" * 100_000, None, False),
        (b"9" * 10_000, None, False),
    ],
)
def test_bodies(body: bytes, payload: object, is_json: bool) -> None:
    assert parse_json(body) == (payload, is_json)


@pytest.mark.parametrize(
    ("headers", "usage"),
    [
        ({}, Usage()),
        ({"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":31}'}, Usage(31, 0)),
        (
            {"X-Business-Use-Case-Usage": '{"1":[{"call_count":71,"estimated_time_to_regain_access":12}],'
             '"2":[{"total_time":100,"estimated_time_to_regain_access":45}]}'},
            Usage(100, 45),
        ),
        ({"X-App-Usage": "junk", "X-Business-Use-Case-Usage": "[1,2]"}, Usage()),
        ({"X-App-Usage": '{"call_count":"many"}', "X-Business-Use-Case-Usage": '{"1":{"call_count":5}}'}, Usage()),
        ({"X-App-Usage": "[" * 50_000}, Usage()),
        ({"X-App-Usage": '{"call_count":NaN,"total_time":Infinity,"total_cputime":7}'}, Usage(7, 0)),
    ],
)  # fmt: skip
def test_usage_headers(headers: dict[str, str], usage: Usage) -> None:
    assert usage_of(headers) == usage


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1000000000000000000000", 86_400.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1.5", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=900), usegmt=True), 86_400.0),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_of({"Retry-After": text}, now=NOW) == seconds


def test_secrets_are_hidden_in_reprs() -> None:
    assert "canary" not in f"{TOKEN} {TOKEN!r} {[TOKEN]} {TOKEN!s:>20}"
