"""Meta's callbacks. tests/processes/test_connect.py sends them to the service over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from instagram_standin.callbacks import Callback
from tests.standin.callers import BAKERY_ID, FACEBOOK_APP, INSTAGRAM_APP, Meta

ROBIN = "102000000000001"
URL = "http://app.example/meta?x=1"
GIVEN = {"family": "facebook", "kind": "deauthorize", "url": URL, "user_id": ROBIN}


class Sent(list[tuple[str, str]]):
    """The callbacks that the stand-in sent: address and signed request."""

    def post(self, url: str, signed: str) -> Callback:
        self.append((url, signed))
        return Callback(202, "thanks")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    kept = Sent()
    monkeypatch.setattr("instagram_standin.callbacks._post", kept.post)
    return kept


def payload_of(signed: str, secret: str) -> Any:
    """The payload; None when `secret` did not sign it."""
    signature, _, body = signed.partition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    if not hmac.compare_digest(raw, hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()):
        return None
    assert "=" not in signed
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@pytest.mark.parametrize(
    ("family", "user_id", "app"), [("instagram", BAKERY_ID, INSTAGRAM_APP), ("facebook", ROBIN, FACEBOOK_APP)]
)
@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
def test_a_callback_is_signed_and_its_answer_shown(
    meta: Meta, sent: Sent, family: str, user_id: str, app: dict[str, str], kind: str
) -> None:
    answer = meta.control("callbacks.send", **{**GIVEN, "family": family, "kind": kind, "user_id": user_id})
    assert answer.json == {"status": 202, "body": "thanks"}
    ((url, signed),) = sent
    payload = payload_of(signed, app["client_secret"])
    assert (url, payload["user_id"], payload["algorithm"]) == (URL, user_id, "HMAC-SHA256")
    assert ("expires" in payload) is (kind == "data-deletion")
    assert payload_of(signed, "other") is None


def test_forged_odd_and_numeric_requests(meta: Meta, sent: Sent) -> None:
    for odd in ({"is_forged": True}, {"algorithm": "none"}, {"is_number": True}):
        assert meta.control("callbacks.send", **GIVEN, **odd).status == 200
    forged, other, numeric = (payload_of(signed, FACEBOOK_APP["client_secret"]) for _, signed in sent)
    assert forged is None
    assert (other["algorithm"], numeric["user_id"]) == ("none", int(ROBIN))


def test_the_tokens_are_dead_by_then(meta: Meta, sent: Sent) -> None:
    robins, sams, bakerys = meta.facebook_token(), meta.facebook_token("sam.potter"), meta.instagram_token()
    meta.control("callbacks.send", **GIVEN, is_forged=True)
    assert meta.ask("/fb-graph/v26.0/me", token=robins).status == 200
    meta.control("callbacks.send", **GIVEN)
    meta.control("callbacks.send", **{**GIVEN, "family": "instagram", "user_id": BAKERY_ID})
    assert meta.ask("/fb-graph/v26.0/me", token=robins).codes == (190, 458)
    assert meta.ask("/fb-graph/v26.0/me", token=sams).status == 200
    assert meta.ask("/ig-graph/v26.0/me", token=bakerys).codes == (190, 458)


def test_what_cannot_be_sent_is_refused(meta: Meta) -> None:
    for wrong in ({"kind": "greeting"}, {"url": "file:///x"}, {"url": "http://127.0.0.1:9/"}, {"user_id": 5}):
        assert meta.control("callbacks.send", **{**GIVEN, **wrong}).status == 400
