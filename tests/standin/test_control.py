"""The control endpoint: the state, the actions, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from instagram_standin.server import OPERATOR_TOKEN
from instagram_standin.tokens import Family, fingerprint
from tests.standin.callers import BAKERY_ID, INSTAGRAM_APP, Meta


def state(meta: Meta) -> Any:
    return meta.ask("/_control").json


def test_calls_are_logged_without_their_token(meta: Meta) -> None:
    after = meta.discover(limit=1).json["business_discovery"]["media"]["paging"]["cursors"]["after"]
    meta.discover("Acme.Bakery", after=after, token="wrong-token")
    meta.ask("/fb-graph/v26.0/1", query={"fields": "business_discovery.username("})
    meta.ask("/media/sea-1.jpg")
    meta.ask("/elsewhere")

    first, second, third = state(meta)["calls"]
    assert datetime.fromisoformat(first["at"]).utcoffset() == timedelta(0)
    known = {"method": "GET", "username": "acme.bakery", "after": None, "status": 200, "fault": None}
    assert first.items() >= {**known, "token_hash": fingerprint(OPERATOR_TOKEN)}.items()
    assert (second["username"], second["after"], second["status"]) == ("acme.bakery", after, 400)
    assert (third["username"], third["status"], third["token_hash"]) == (None, 400, None)
    meta.control("calls.clear")
    assert state(meta)["calls"] == []


def test_the_state_shows_tokens_as_fingerprints(meta: Meta) -> None:
    token = meta.instagram_token()
    meta.tokens.set_age(token, 3_600)
    shown = state(meta)["tokens"]
    assert [entry["kind"] for entry in shown] == ["planted", "short", "long"]
    assert shown[-1]["token_hash"] == fingerprint(token)
    assert (shown[-1]["age"], shown[-1]["expires_in"]) == (3_600, 5_183_944 - 3_600)
    secrets = (token, OPERATOR_TOKEN, INSTAGRAM_APP["client_secret"])
    assert not any(secret.encode() in meta.ask("/_control").body for secret in secrets)


def test_tokens_and_faults_are_added(meta: Meta) -> None:
    given = {"token": "mine", "family": "facebook", "account_id": BAKERY_ID, "scopes": ["instagram_basic"]}
    assert meta.control("tokens.add", **given).json == {"status": "done"}
    assert meta.own_media("fb-graph", "mine").codes == (10, None)
    meta.control("tokens.change", change="set_expiry", select={"token": "mine"}, seconds=-1)
    assert meta.own_media("fb-graph", "mine").codes == (190, 463)
    where = {"path": "/fb-graph", "username": "acme.bakery", "after": False}
    meta.control("faults.add", fault="status", times=1, **where, status=429, code=4, retry_after="soon")
    reply = meta.discover()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "soon")
    (shown,) = state(meta)["faults"]
    assert shown.items() >= {"kind": "status", "times": 0, "hits": 1, **where}.items()


def test_reset_restores_the_initial_state(meta: Meta) -> None:
    before = {name: value for name, value in state(meta).items() if name != "tokens"}
    meta.control("profiles.plant", username="acme.bakery", account={"id": "1"})
    meta.control("set", call_count=99)
    meta.control("faults.add", fault="empty")
    meta.tokens.add("t", BAKERY_ID, Family.INSTAGRAM)
    meta.discover()
    assert meta.control("reset").status == 200
    assert {name: value for name, value in state(meta).items() if name != "tokens"} == before
    assert len(state(meta)["tokens"]) == 1


REFUSED: list[tuple[object, dict[str, object]]] = [
    ("nothing", {}), (["reset"], {}), ("reset", {"all": True}), ("set", {"speed": 1}), ("set", {"call_count": "93"}),
    ("set", {"call_count": True}), ("faults.add", {"fault": "meteor"}), ("tokens.add", {"token": "x"}),
    ("faults.add", {"fault": "status", "status": "500"}), ("faults.add", {"fault": "status", "colour": 1}),
    ("faults.add", {"fault": "empty", "times": "2"}), ("tokens.change", {"change": "find", "select": {}}),
    ("tokens.change", {"change": "revoke", "select": {"family": "myspace"}}),
    ("tokens.change", {"change": "revoke", "select": {}, "subcode": "458"}),
    ("tokens.change", {"change": "set_age", "select": {}}), ("hashtags.use_up", {"account_id": "1", "count": 31}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "arguments"), REFUSED, ids=str)
def test_unknown_input_is_refused(meta: Meta, action: object, arguments: dict[str, object]) -> None:
    reply = meta.ask("/_control", method="POST", payload={"action": action, **arguments})
    assert (reply.status, reply.json.keys()) == (400, {"error"})


def test_a_body_that_is_not_an_object_is_refused(meta: Meta) -> None:
    assert meta.ask("/_control", method="POST", payload=[]).status == 400
    assert meta.ask("/_control", method="POST").status == 400
    assert meta.ask("/_control/faults").status == 404
