"""Each fault, as a caller meets it, and the rules."""

from __future__ import annotations

import http.client
import json
import time
import zlib
from typing import Any

import pytest

from instagram_standin.faults import (
    Bomb,
    Drip,
    EmptyPages,
    Fault,
    Hang,
    Redirect,
    RepeatCursor,
    Slow,
    Status,
    Truncated,
)
from instagram_standin.server import StandIn
from instagram_standin.tokens import Family
from tests.standin.callers import BAKERY_ID, Reply, ask, connection, discover, own_media


def media_of(reply: Reply) -> Any:
    return reply.json["business_discovery"]["media"]


def cursor_of(reply: Reply) -> str:
    return str(media_of(reply)["paging"]["cursors"]["after"])


def test_errors_of_a_gateway_and_of_graph(standin: StandIn) -> None:
    standin.faults.add(Status(503, retry_after=120), times=1)
    reply = discover(standin)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "120")
    assert reply.headers["Content-Type"].startswith("text/html")
    standin.faults.add(Status(403, code=4, subcode=1349210, is_transient=True, regain_minutes=7), times=1)
    reply = discover(standin)
    assert (reply.status, reply.codes, reply.error["is_transient"]) == (403, (4, 1349210), True)
    (usage,) = json.loads(reply.headers["X-Business-Use-Case-Usage"])["17841400000000001"]
    assert (usage["call_count"], usage["estimated_time_to_regain_access"]) == (100, 7)
    standin.faults.add("error200", code=190)
    assert (discover(standin).status, discover(standin).codes) == (200, (190, None))


def test_a_field_is_refused_when_asked_for(standin: StandIn) -> None:
    standin.faults.add("reject_field", field="thumbnail_url")
    refused = discover(standin)
    assert (refused.status, refused.codes) == (400, (100, None))
    assert "(thumbnail_url)" in refused.error["message"]
    assert discover(standin, media="id,caption").status == 200


@pytest.mark.parametrize(
    ("kind", "start"), [("html", b"<!DOCTYPE"), ("empty", b""), ("null", b"null"), ("deep", b"[[")]
)
def test_bodies_that_are_no_feed(standin: StandIn, kind: str, start: bytes) -> None:
    standin.faults.add(kind)
    reply = discover(standin)
    content_type = "text/html; charset=utf-8" if kind == "html" else "application/json"
    assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)
    assert reply.body.startswith(start)
    assert (len(reply.body) > 100_000) is (kind == "deep")


def test_truncated(standin: StandIn) -> None:
    whole = discover(standin).body
    standin.faults.add(Truncated(), times=1)
    assert discover(standin).body == whole[: len(whole) // 2]
    standin.faults.add(Truncated(claims_whole=True))
    with pytest.raises(http.client.IncompleteRead):
        discover(standin)


def test_bombs_and_redirects(standin: StandIn) -> None:
    standin.faults.add(Bomb(megabytes=3), times=1)
    assert len(discover(standin).json["padding"]) == 3 * 1024 * 1024
    standin.faults.add(Bomb(megabytes=8, gzip=True), times=1)
    packed = discover(standin)
    assert (packed.headers["Content-Encoding"], len(packed.body) < 20_000) == ("gzip", True)
    assert len(json.loads(zlib.decompress(packed.body, wbits=31))["padding"]) == 8 * 1024 * 1024
    standin.faults.add(Redirect("http://elsewhere.example/x"))
    assert (discover(standin).status, discover(standin).headers["Location"]) == (
        302,
        "http://elsewhere.example/x",
    )


def test_hanging_ends_without_an_answer_and_is_logged_at_once(standin: StandIn) -> None:
    standin.faults.add(Hang(0.3))
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        discover(standin, timeout=0.1)
    (call,) = standin.calls
    assert (call["username"], call["status"], call["fault"]) == ("acme.bakery", None, "hang")
    with pytest.raises(http.client.RemoteDisconnected):
        discover(standin)
    assert time.monotonic() - begun >= 0.4
    standin.faults.clear()
    standin.faults.add("reset")
    with pytest.raises(ConnectionResetError):
        discover(standin)


@pytest.mark.parametrize("fault", [Slow(0.2), Drip(0.0005), Drip(0.0005, with_head=True)], ids=repr)
def test_a_late_answer_is_a_good_one(standin: StandIn, fault: Fault) -> None:
    standin.faults.add(fault)
    begun = time.monotonic()
    reply = discover(standin, media="id", limit=3)
    assert len(media_of(reply)["data"]) == 3
    assert time.monotonic() - begun >= (0.2 if isinstance(fault, Slow) else 0.0005 * len(reply.body))


def test_stopping_does_not_wait_for_hanging_calls() -> None:
    with StandIn() as standin:
        standin.faults.add(Hang(60))
        with connection(standin, timeout=0.1) as caller:
            caller.request("GET", "/fb-graph/v26.0/1")
            with pytest.raises(TimeoutError):
                caller.getresponse()
            begun = time.monotonic()
            standin.stop()
    assert time.monotonic() - begun < 2


def test_a_repeated_cursor_leads_nowhere(standin: StandIn) -> None:
    standin.faults.add(RepeatCursor())
    first = discover(standin, "northern.trails")
    second = discover(standin, "northern.trails", after=cursor_of(first))
    assert cursor_of(first) == cursor_of(second)
    assert media_of(first)["data"] == media_of(second)["data"]


def test_an_empty_page_in_the_middle_loses_no_posts(standin: StandIn) -> None:
    first = discover(standin, limit=10)
    expected = media_of(discover(standin, limit=10, after=cursor_of(first)))["data"]
    standin.faults.add(EmptyPages(), after=True, times=1)
    empty = discover(standin, limit=10, after=cursor_of(first))
    assert media_of(empty)["data"] == []
    assert cursor_of(empty) != cursor_of(first)
    assert media_of(discover(standin, limit=10, after=cursor_of(empty)))["data"] == expected


def test_own_media_are_spoiled_alike_and_errors_not_at_all(standin: StandIn) -> None:
    standin.tokens.add("own", BAKERY_ID, Family.INSTAGRAM)
    standin.faults.add(EmptyPages())
    page = own_media(standin, "ig-graph", "own", limit=5).json
    assert page["data"] == []
    assert page["paging"]["cursors"]["after"] in page["paging"]["next"]
    assert discover(standin, "nobody.here").error["code"] == 110


def test_rules_strike_as_often_as_they_say_in_their_order(standin: StandIn) -> None:
    standin.faults.add(Status(500), times=2)
    standin.faults.add("status", status=502)
    assert [discover(standin).status for _ in range(4)] == [500, 500, 502, 502]
    assert (standin.calls[0]["status"], standin.calls[0]["fault"]) == (500, "status")
    standin.faults.clear()
    assert discover(standin).status == 200


def test_rules_for_a_username_a_host_and_first_pages(standin: StandIn) -> None:
    after = cursor_of(discover(standin, limit=10))
    standin.faults.add(Status(500), username="Tiny.Studio")
    standin.faults.add(Status(501), path="/ig-graph")
    standin.faults.add(Status(502), username="acme.bakery", after=False)
    assert [discover(standin, name).status for name in ("tiny.studio", "acme.bakery")] == [500, 502]
    assert discover(standin, limit=10, after=after).status == 200
    assert ask(standin, "/ig-graph/v26.0/1/media").status == 501


def test_unknown_faults_are_refused(standin: StandIn) -> None:
    for fault, parameters in (("meteor", {}), ("status", {"colour": 1}), (Status(500), {"status": 503})):
        with pytest.raises((ValueError, TypeError)):
            standin.faults.add(fault, **parameters)


def test_pictures_are_spared_unless_named_and_the_control_always(standin: StandIn) -> None:
    standin.faults.add(Status(500))
    assert ask(standin, "/media/bread-1.jpg").status == 200
    standin.faults.add(Status(502), path="/")
    assert ask(standin, "/media/bread-1.jpg").status == 502
    assert ask(standin, "/_control").status == 200
