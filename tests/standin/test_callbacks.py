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
    """The payload, or None if it wasn't signed with `secret`."""
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


def test_the_tokens_are_already_invalid_when_a_callback_arrives(meta: Meta, sent: Sent) -> None:
    robins, sams, bakerys = meta.facebook_token(), meta.facebook_token("sam.potter"), meta.instagram_token()
    meta.control("callbacks.send", **GIVEN, is_forged=True)
    assert meta.ask("/fb-graph/v26.0/me", token=robins).status == 200
    assert payload_of(sent[0][1], FACEBOOK_APP["client_secret"]) is None
    meta.control("callbacks.send", **GIVEN, is_number=True)
    assert payload_of(sent[1][1], FACEBOOK_APP["client_secret"])["user_id"] == int(ROBIN)
    meta.control("callbacks.send", **{**GIVEN, "family": "instagram", "user_id": BAKERY_ID})
    assert meta.ask("/fb-graph/v26.0/me", token=robins).codes == (190, 458)
    assert meta.ask("/fb-graph/v26.0/me", token=sams).status == 200
    assert meta.ask("/ig-graph/v26.0/me", token=bakerys).codes == (190, 458)
