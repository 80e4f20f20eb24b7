"""Meta's callbacks, sent to a small app of our own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from instagram_standin.callbacks import CallbackFailed, CallbackKind, payload_for, signed_request
from instagram_standin.people import app_scoped_id
from instagram_standin.scopes import Family
from instagram_standin.server import StandIn
from instagram_standin.world import FACEBOOK_APP_SECRET, INSTAGRAM_APP_SECRET
from tests.standin.callers import ask, control
from tests.standin.signing_in import facebook_token, instagram_token

BAKERY_ID = "17841400000000777"


class Receiver(HTTPServer):
    received: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/meta?x=1"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
        self.server.received += parse_qs(body)["signed_request"]
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b'{"url":"u","confirmation_code":"c"}')

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def app() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), Handler)
    server.received = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def unpacked(signed: str) -> tuple[bytes, str, Any]:
    """The signature, what it was made of, and what that says."""
    signature, _, body = signed.partition(".")
    return _decoded(signature), body, json.loads(_decoded(body))


def _decoded(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_signed_with(signed: str, secret: str) -> bool:
    signature, body, _ = unpacked(signed)
    return hmac.compare_digest(signature, hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())


@pytest.mark.parametrize("user_id", ["1", "12", "123", 1234])
def test_a_request_is_signed_over_the_payload_as_sent(user_id: str | int) -> None:
    signed = signed_request(payload_for(user_id), "secret")
    assert is_signed_with(signed, "secret")
    assert not is_signed_with(signed, "other")
    payload = unpacked(signed)[2]
    assert payload.keys() == {"user_id", "algorithm", "issued_at"}
    assert (payload["user_id"], payload["algorithm"]) == (user_id, "HMAC-SHA256")


@pytest.mark.parametrize(
    ("family", "who", "user_id", "secret"),
    [
        ("instagram", {"username": "acme.bakery"}, app_scoped_id(BAKERY_ID), INSTAGRAM_APP_SECRET),
        ("instagram", {"account_id": BAKERY_ID}, app_scoped_id(BAKERY_ID), INSTAGRAM_APP_SECRET),
        ("instagram", {"user_id": BAKERY_ID}, BAKERY_ID, INSTAGRAM_APP_SECRET),
        ("facebook", {"person": "robin.baker"}, "102000000000001", FACEBOOK_APP_SECRET),
    ],
)
@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
def test_the_control_sends_and_tells_the_answer(
    standin: StandIn, app: Receiver, family: str, who: dict[str, str], user_id: str, secret: str, kind: str
) -> None:
    told = control(standin, "POST", "callbacks", {"family": family, "kind": kind, "url": app.url, **who}).json
    assert told == {"status": 202, "body": '{"url":"u","confirmation_code":"c"}', "user_id": user_id}
    (signed,) = app.received
    assert is_signed_with(signed, secret)
    assert unpacked(signed)[2]["user_id"] == user_id


def test_forged_odd_and_numeric_requests(standin: StandIn, app: Receiver) -> None:
    given = {"family": "facebook", "kind": "deauthorize", "url": app.url, "person": "robin.baker"}
    for odd in ({"is_forged": True}, {"algorithm": "none"}, {"is_number": True}):
        control(standin, "POST", "callbacks", {**given, **odd})
    forged, other_algorithm, numeric = app.received
    assert not is_signed_with(forged, FACEBOOK_APP_SECRET)
    assert unpacked(other_algorithm)[2]["algorithm"] == "none"
    assert unpacked(numeric)[2]["user_id"] == 102000000000001


def test_the_tokens_are_dead_by_then(standin: StandIn, app: Receiver) -> None:
    robins, sams = facebook_token(standin), facebook_token(standin, "sam.potter")
    bakerys = instagram_token(standin)
    send = standin.callbacks.send
    send(Family.FACEBOOK, CallbackKind.DEAUTHORIZE, app.url, "102000000000001", is_forged=True)
    assert ask(standin, "/fb-graph/v26.0/me", token=robins).status == 200
    send(Family.FACEBOOK, CallbackKind.DEAUTHORIZE, app.url, "102000000000001")
    send(Family.INSTAGRAM, CallbackKind.DATA_DELETION, app.url, BAKERY_ID)
    assert ask(standin, "/fb-graph/v26.0/me", token=robins).error["error_subcode"] == 458
    assert ask(standin, "/fb-graph/v26.0/me", token=sams).status == 200
    assert ask(standin, "/ig-graph/v26.0/me", token=bakerys).error["error_subcode"] == 458


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"family": "myspace"}, id="unknown family"),
        pytest.param({"kind": "greeting"}, id="unknown kind"),
        pytest.param({"url": "file:///etc/passwd"}, id="no web address"),
        pytest.param({"url": "http://127.0.0.1:9/"}, id="nobody there"),
        pytest.param({"person": "nobody"}, id="unknown person"),
        pytest.param({"person": 5}, id="a person that is a number"),
        pytest.param({"colour": "red"}, id="unknown name"),
    ],
)
def test_what_cannot_be_sent_is_told(standin: StandIn, app: Receiver, changes: dict[str, object]) -> None:
    given = {"family": "facebook", "kind": "deauthorize", "url": app.url, "person": "robin.baker"}
    assert control(standin, "POST", "callbacks", {**given, **changes}).status == 400
    assert app.received == []


def test_nobody_answering_is_an_error_in_process(standin: StandIn) -> None:
    with pytest.raises(CallbackFailed, match="nobody answers"):
        standin.callbacks.send(Family.FACEBOOK, CallbackKind.DEAUTHORIZE, "http://127.0.0.1:9/", "1")
