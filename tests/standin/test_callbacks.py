"""Meta's callbacks, sent to a small app of the tests."""

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

from instagram_standin.server import StandIn
from tests.standin.callers import (
    BAKERY_ID,
    FACEBOOK_APP,
    INSTAGRAM_APP,
    ask,
    control,
    facebook_token,
    instagram_token,
)

ROBIN = "102000000000001"


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


def payload_of(signed: str, secret: str) -> Any:
    """The payload; None when `secret` did not sign it."""
    signature, _, body = signed.partition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    if not hmac.compare_digest(raw, hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()):
        return None
    assert "=" not in signed
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@pytest.mark.parametrize(
    ("family", "user_id", "secret"),
    [
        ("instagram", BAKERY_ID, INSTAGRAM_APP["client_secret"]),
        ("facebook", ROBIN, FACEBOOK_APP["client_secret"]),
    ],
)
@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
def test_a_callback_is_signed_and_its_answer_shown(
    standin: StandIn, app: Receiver, family: str, user_id: str, secret: str, kind: str
) -> None:
    answer = control(standin, "callbacks.send", family=family, kind=kind, url=app.url, user_id=user_id).json
    assert answer == {"status": 202, "body": '{"url":"u","confirmation_code":"c"}'}
    (signed,) = app.received
    payload = payload_of(signed, secret)
    assert (payload["user_id"], payload["algorithm"]) == (user_id, "HMAC-SHA256")
    assert ("expires" in payload) is (kind == "data-deletion")
    assert payload_of(signed, "other") is None


def test_forged_odd_and_numeric_requests(standin: StandIn, app: Receiver) -> None:
    given = {"family": "facebook", "kind": "deauthorize", "url": app.url, "user_id": ROBIN}
    for odd in ({"is_forged": True}, {"algorithm": "none"}, {"is_number": True}):
        assert control(standin, "callbacks.send", **given, **odd).status == 200
    forged, other_algorithm, numeric = (
        payload_of(each, FACEBOOK_APP["client_secret"]) for each in app.received
    )
    assert forged is None
    assert other_algorithm["algorithm"] == "none"
    assert numeric["user_id"] == int(ROBIN)


def test_the_tokens_are_dead_by_then(standin: StandIn, app: Receiver) -> None:
    robins, sams, bakerys = (
        facebook_token(standin),
        facebook_token(standin, "sam.potter"),
        instagram_token(standin),
    )
    given = {"family": "facebook", "kind": "deauthorize", "url": app.url, "user_id": ROBIN}
    control(standin, "callbacks.send", **given, is_forged=True)
    assert ask(standin, "/fb-graph/v26.0/me", token=robins).status == 200
    control(standin, "callbacks.send", **given)
    control(standin, "callbacks.send", **{**given, "family": "instagram", "user_id": BAKERY_ID})
    assert ask(standin, "/fb-graph/v26.0/me", token=robins).codes == (190, 458)
    assert ask(standin, "/fb-graph/v26.0/me", token=sams).status == 200
    assert ask(standin, "/ig-graph/v26.0/me", token=bakerys).codes == (190, 458)


WRONG = [
    {"family": "myspace"}, {"kind": "greeting"}, {"url": "file:///etc/passwd"}, {"url": "http://127.0.0.1:9/"},
    {"user_id": 5},
]  # fmt: skip


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_what_cannot_be_sent_is_refused(standin: StandIn, app: Receiver, changes: dict[str, object]) -> None:
    given = {"family": "facebook", "kind": "deauthorize", "url": app.url, "user_id": ROBIN}
    assert control(standin, "callbacks.send", **{**given, **changes}).status == 400
    assert app.received == []
