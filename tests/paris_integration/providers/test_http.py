"""The one door to the outside: its deadline, its caps, and its silence about secrets. Against real sockets."""

from __future__ import annotations

import logging
import resource
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from instagram_standin.faults import Bomb, Drip, Fault, Hang, Redirect, ResetConnection, Slow
from instagram_standin.server import OPERATOR_ID, StandIn
from instagram_standin.tokens import fingerprint
from paris_integration.errors import ProviderUnavailable
from paris_integration.providers.base import Usage
from paris_integration.providers.http import Deadline, HttpClient, parse_json, retry_after_of, usage_of
from paris_integration.secret import Secret

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
    """The whole chain of an exception, as a careless logger would print it."""
    said = []
    while error is not None:
        said.append(f"{error!r} {error!s} {error.args!r} {vars(error)!r}")
        error = error.__cause__ or error.__context__
    return " ".join(said)


def test_the_token_travels_in_the_header(standin: StandIn) -> None:
    standin.calls.clear()
    fetch(url_of(standin))

    assert standin.calls[0]["token_hash"] == fingerprint(TOKEN.reveal())


def test_what_must_not_be_held_is_let_go_before_each_call(standin: StandIn) -> None:
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
        pytest.param(Drip(0.3), id="a body that drips"),
        pytest.param(Drip(0.3, with_head=True), id="headers that drip"),
        pytest.param(Slow(4), id="an answer that comes too late"),
    ],
)
def test_the_deadline_holds_whatever_the_other_side_does(standin: StandIn, fault: Fault) -> None:
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
def test_errors_say_nothing_of_the_address_or_the_token(
    standin: StandIn, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    standin.faults.add(fault)
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderUnavailable) as failure:
        fetch(url_of(standin), seconds=1.0)

    said = everything_said(failure.value) + caplog.text
    assert "canary" not in said
    assert "127.0.0.1" not in said


def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ProviderUnavailable, match="connection failed") as failure:
        fetch(f"http://127.0.0.1:{port}/x?canary")
    assert "canary" not in everything_said(failure.value)


def test_a_bomb_is_cut_and_memory_stays_bounded(standin: StandIn) -> None:
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


def test_secrets_do_not_show_themselves() -> None:
    assert "canary" not in f"{TOKEN} {TOKEN!r} {[TOKEN]} {TOKEN!s:>20}"
