"""The control endpoint: the state, the actions, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from instagram_standin.server import OPERATOR_TOKEN, StandIn
from instagram_standin.tokens import Family, fingerprint
from tests.standin.callers import BAKERY_ID, ask, connection, control, discover, instagram_token, own_media


def state(standin: StandIn) -> Any:
    return ask(standin, "/_control").json


def test_calls_are_logged_without_their_token(standin: StandIn) -> None:
    after = discover(standin, limit=1).json["business_discovery"]["media"]["paging"]["cursors"]["after"]
    discover(standin, "Acme.Bakery", after=after, token="wrong-token")
    ask(standin, "/fb-graph/v26.0/1", query={"fields": "business_discovery.username("})
    ask(standin, "/media/sea-1.jpg")
    ask(standin, "/elsewhere")

    first, second, third = state(standin)["calls"]
    assert datetime.fromisoformat(first["at"]).utcoffset() == timedelta(0)
    assert (first["method"], first["path"]) == ("GET", "/fb-graph/v26.0/17841400000000001")
    assert (first["username"], first["after"], first["status"]) == ("acme.bakery", None, 200)
    assert first["token_hash"] == fingerprint(OPERATOR_TOKEN)
    assert (second["username"], second["after"], second["status"]) == ("acme.bakery", after, 400)
    assert (third["username"], third["status"], third["token_hash"]) == (None, 400, None)
    control(standin, "calls.clear")
    assert state(standin)["calls"] == []


def test_the_state_shows_tokens_as_fingerprints(standin: StandIn) -> None:
    token = instagram_token(standin)
    standin.tokens.set_age(token, 3_600)
    shown = state(standin)["tokens"]
    assert [entry["kind"] for entry in shown] == ["planted", "short", "long"]
    assert shown[-1]["token_hash"] == fingerprint(token)
    assert (shown[-1]["age"], shown[-1]["expires_in"]) == (3_600, 5_183_944 - 3_600)
    assert shown[-1]["is_good"] is True
    everything = ask(standin, "/_control").body
    assert token.encode() not in everything
    assert OPERATOR_TOKEN.encode() not in everything
    assert b"standin-instagram-secret" not in everything


def test_tokens_may_be_planted(standin: StandIn) -> None:
    given = {"token": "mine", "family": "facebook", "account_id": BAKERY_ID, "scopes": ["instagram_basic"]}
    assert control(standin, "tokens.add", **given).json == {"status": "done"}
    assert own_media(standin, "fb-graph", "mine").codes == (10, None)
    control(standin, "tokens.change", change="set_expiry", token="mine", seconds=-1)
    assert own_media(standin, "fb-graph", "mine").codes == (190, 463)


def test_faults_are_added_and_shown(standin: StandIn) -> None:
    where = {"path": "/fb-graph", "username": "acme.bakery", "after": False}
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    control(standin, "faults.add", fault="status", times=1, **where, status=429, code=4, retry_after=date)
    reply = discover(standin)
    assert (reply.status, reply.headers["Retry-After"]) == (429, date)
    (shown,) = state(standin)["faults"]
    assert (shown["kind"], shown["times"], shown["hits"]) == ("status", 0, 1)
    assert where.items() <= shown.items()


def test_reset_puts_everything_back(standin: StandIn) -> None:
    control(standin, "profiles.plant", username="acme.bakery", account=[])
    control(standin, "set", call_count=99)
    control(standin, "faults.add", fault="empty")
    standin.tokens.add("t", BAKERY_ID, Family.INSTAGRAM)
    discover(standin)
    assert control(standin, "reset").status == 200

    reply = discover(standin)
    assert len(reply.json["business_discovery"]["media"]["data"]) > 10
    assert '"call_count":3' in reply.headers["X-App-Usage"]
    assert len(standin.calls) == 1
    assert standin.tokens.find("t", Family.INSTAGRAM) is None
    assert state(standin)["faults"] == []


REFUSED: list[dict[str, object]] = [
    {"action": "nothing"}, {"action": ["reset"]}, {"action": "reset", "all": True}, {"action": "set", "speed": 1},
    {"action": "set", "call_count": "93"}, {"action": "set", "call_count": True},
    {"action": "faults.add", "fault": "meteor"}, {"action": "faults.add", "fault": "status", "status": "500"},
    {"action": "faults.add", "fault": "status", "colour": 1}, {"action": "faults.add", "fault": "empty", "times": "2"},
    {"action": "tokens.add", "token": "x", "family": "facebook"}, {"action": "tokens.change", "change": "find"},
    {"action": "tokens.change", "change": "revoke", "family": "myspace"},
    {"action": "tokens.change", "change": "revoke", "subcode": "458"}, {"action": "tokens.change", "change": "set_age"},
    {"action": "hashtags.use_up", "account_id": BAKERY_ID, "count": 31},
]  # fmt: skip


@pytest.mark.parametrize("given", REFUSED, ids=str)
def test_what_is_not_understood_is_refused(standin: StandIn, given: dict[str, object]) -> None:
    before = {name: value for name, value in state(standin).items() if name != "tokens"}
    reply = ask(standin, "/_control", method="POST", payload=given)
    assert (reply.status, reply.json.keys()) == (400, {"error"})
    assert {name: value for name, value in state(standin).items() if name != "tokens"} == before


@pytest.mark.parametrize("body", ["{", "", "[]", "\udcff"])
def test_a_body_that_is_no_object_is_refused(standin: StandIn, body: str) -> None:
    with connection(standin) as caller:
        caller.request("POST", "/_control", body=body.encode("utf-8", "surrogateescape"))
        assert caller.getresponse().status == 400
    assert ask(standin, "/_control/faults").status == 404
