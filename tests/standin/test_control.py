"""Call log, levels, planted profiles, reset."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from instagram_standin.faults import Status
from instagram_standin.server import StandIn
from instagram_standin.tokens import Family, fingerprint
from instagram_standin.world import OPERATOR_TOKEN
from tests.standin.callers import Reply, ask, connection, control, discover


def posts(reply: Reply) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = reply.json["business_discovery"]["media"]["data"]
    return listed


def test_health(standin: StandIn) -> None:
    assert control(standin, "GET", "health").json == {"status": "ok"}


def test_calls_are_logged_without_their_token(standin: StandIn) -> None:
    after = discover(standin, limit=1).json["business_discovery"]["media"]["paging"]["cursors"]["after"]
    discover(standin, "Acme.Bakery", after=after, token="wrong-token")

    first, second = control(standin, "GET", "calls").json
    assert datetime.fromisoformat(first["at"]).utcoffset() == timedelta(0)
    assert (first["method"], first["path"]) == ("GET", "/fb-graph/v26.0/17841400000000001")
    assert (first["username"], first["after"], first["status"]) == ("acme.bakery", None, 200)
    assert first["token_hash"] == fingerprint(OPERATOR_TOKEN)
    assert (second["username"], second["after"], second["status"]) == ("acme.bakery", after, 400)
    assert OPERATOR_TOKEN.encode() not in control(standin, "GET", "calls").body


def test_only_data_calls_are_logged(standin: StandIn) -> None:
    control(standin, "GET", "health")
    ask(standin, "/media/sea-1.jpg")
    ask(standin, "/elsewhere")
    assert len(standin.calls) == 0


def test_what_cannot_be_read_is_logged_all_the_same(standin: StandIn) -> None:
    ask(standin, "/fb-graph/v26.0/1", query={"fields": "business_discovery.username("})
    (call,) = standin.calls
    assert (call["username"], call["status"], call["token_hash"]) == (None, 400, None)


def test_calls_are_counted_and_cleared(standin: StandIn) -> None:
    for username in ("acme.bakery", "acme.bakery", "tiny.studio"):
        discover(standin, username)
    assert control(standin, "GET", "calls/count").json == {"count": 3}
    assert control(standin, "GET", "calls/count?username=acme.bakery").json == {"count": 2}
    assert len(standin.calls.of("tiny.studio")) == 1
    control(standin, "DELETE", "calls")
    assert control(standin, "GET", "calls/count").json == {"count": 0}


def test_a_spoiled_call_names_its_fault(standin: StandIn) -> None:
    standin.faults.add(Status(502))
    discover(standin)
    assert (standin.calls[0]["status"], standin.calls[0]["fault"]) == (502, "status")


def test_usage_levels_are_set(standin: StandIn) -> None:
    assert control(standin, "PUT", "usage", {"call_count": 93}).json["call_count"] == 93
    assert '"call_count":93' in discover(standin).headers["X-App-Usage"]
    assert control(standin, "PUT", "usage", {"call_count": "93"}).status == 400
    assert control(standin, "PUT", "usage", {"speed": 1}).status == 400


def test_a_planted_post_says_only_what_matters(standin: StandIn) -> None:
    caption = "<script>alert(1)</script> \x00 \ud83d"
    reply = control(standin, "PUT", "profiles/Odd.Captions", [{"caption": caption}, {"caption": None}])
    assert reply.json["posts"] == 2

    first, second = posts(discover(standin, "odd.captions"))
    assert first["caption"] == caption
    assert {"id", "media_type", "media_url", "permalink", "timestamp"} <= first.keys()
    assert "caption" not in second
    assert str(first["timestamp"]) > str(second["timestamp"])


def test_a_planted_profile_with_fields_and_an_album(standin: StandIn) -> None:
    album = {
        "media_type": "CAROUSEL_ALBUM",
        "media_url": None,
        "children": [{"media_type": "VIDEO"}, {"media_url": "javascript:alert(1)"}],
    }
    planted = {
        "id": "17841400000000123",
        "media_count": 7,
        "media": [album, {"id": "5", "media_type": "IMAGE"}],
    }
    control(standin, "PUT", "profiles/planted", planted)

    found = discover(standin, "planted").json["business_discovery"]
    assert (found["id"], found["media_count"]) == ("17841400000000123", 7)
    first, second = found["media"]["data"]
    assert "media_url" not in first
    assert [child["media_type"] for child in first["children"]["data"]] == ["VIDEO", "IMAGE"]
    assert first["children"]["data"][1]["media_url"] == "javascript:alert(1)"
    assert second["id"] == "5"


def test_a_planted_profile_may_be_personal_or_take_the_place_of_another(standin: StandIn) -> None:
    control(standin, "PUT", "profiles/someone", {"is_professional": False})
    assert discover(standin, "someone").error["code"] == 110
    control(standin, "PUT", "profiles/acme.bakery", [{"caption": "only me"}])
    assert [post["caption"] for post in posts(discover(standin))] == ["only me"]


@pytest.mark.parametrize(
    ("username", "payload"),
    [("x", 5), ("x", [5]), ("x", {"media": {}}), ("x", {"id": 17}), ("x" * 31, []), ("a%2Fb", []), ("", [])],
)
def test_what_is_no_profile_is_refused(standin: StandIn, username: str, payload: object) -> None:
    assert control(standin, "PUT", f"profiles/{username}", payload).status == 400


def test_reset_puts_everything_back(standin: StandIn) -> None:
    control(standin, "PUT", "profiles/acme.bakery", [])
    control(standin, "PUT", "usage", {"call_count": 99})
    control(standin, "POST", "faults", {"kind": "empty"})
    standin.tokens.add("t", "17841400000000777", Family.INSTAGRAM)
    discover(standin)

    assert control(standin, "POST", "reset").status == 200

    assert len(posts(discover(standin))) == 25
    assert '"call_count":3' in discover(standin).headers["X-App-Usage"]
    assert len(standin.calls) == 2
    assert standin.tokens.find("t", Family.INSTAGRAM) is None
    assert control(standin, "GET", "faults").json == []


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "nothing", 404), ("PUT", "faults", 405), ("GET", "", 404)]
)
def test_other_controls_do_not_exist(standin: StandIn, method: str, path: str, status: int) -> None:
    assert control(standin, method, path).status == status


@pytest.mark.parametrize("body", ["{", "", "\udcff"])
def test_what_is_no_json_is_refused(standin: StandIn, body: str) -> None:
    with connection(standin) as caller:
        caller.request("POST", "/_control/faults", body=body.encode("utf-8", "surrogateescape"))
        assert caller.getresponse().status == 400
