"""Each fault, as callers see it, and the rules of faults."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest

from instagram_standin.tokens import Family
from tests.standin.callers import BAKERY_ID, Meta, Reply


def media_of(reply: Reply) -> Any:
    return reply.json["business_discovery"]["media"]


def cursor_of(reply: Reply) -> str:
    return str(media_of(reply)["paging"]["cursors"]["after"])


def test_errors_of_a_gateway_and_of_graph(meta: Meta) -> None:
    meta.faults.add("status", retry_after=120, times=1)
    reply = meta.discover()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "120")
    assert reply.headers["Content-Type"].startswith("text/html")
    meta.faults.add(
        "status", status=403, code=4, subcode=1349210, is_transient=True, regain_minutes=7, times=1
    )
    reply = meta.discover()
    assert (reply.status, reply.codes, reply.error["is_transient"]) == (403, (4, 1349210), True)
    (usage,) = json.loads(reply.headers["X-Business-Use-Case-Usage"])["17841400000000001"]
    assert (usage["call_count"], usage["estimated_time_to_regain_access"]) == (100, 7)
    meta.faults.add("error200", code=190)
    assert (meta.discover().status, meta.discover().codes) == (200, (190, None))


@pytest.mark.parametrize(
    ("kind", "start"), [("html", b"<!"), ("empty", b""), ("null", b"null"), ("deep", b"[[")]
)
def test_bodies_without_a_feed(meta: Meta, kind: str, start: bytes) -> None:
    meta.faults.add(kind)
    reply = meta.discover()
    content_type = "text/html; charset=utf-8" if kind == "html" else "application/json"
    assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)
    assert (reply.body[: len(start)], len(reply.body) > 100_000) == (start, kind == "deep")


def test_refused_fields_and_truncated_answers(meta: Meta) -> None:
    meta.faults.add("reject_field", field="thumbnail_url")
    assert meta.discover().codes == (100, None)
    assert "(thumbnail_url)" in meta.discover().error["message"]
    assert meta.discover(media="id,caption").status == 200
    meta.faults.clear()
    whole = meta.discover().body
    meta.faults.add("truncated", times=1)
    assert meta.discover().body == whole[: len(whole) // 2]
    meta.faults.add("truncated", claims_whole=True)
    with pytest.raises(http.client.IncompleteRead):
        meta.discover()


def test_hanging_ends_without_an_answer_and_is_logged_at_once(meta: Meta) -> None:
    meta.faults.add("hang", seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        meta.discover(timeout=0.1)
    (call,) = meta.calls
    assert (call["username"], call["status"], call["fault"]) == ("acme.bakery", None, "hang")
    with pytest.raises(http.client.RemoteDisconnected):
        meta.discover()
    assert time.monotonic() - begun >= 0.4
    meta.faults.clear()
    meta.faults.add("reset")
    with pytest.raises(ConnectionResetError):
        meta.discover()


def test_pages_that_repeat_or_are_empty(meta: Meta) -> None:
    first = meta.discover(limit=10)
    expected = media_of(meta.discover(limit=10, after=cursor_of(first)))["data"]
    meta.faults.add("empty_pages", after=True, times=1)
    empty = meta.discover(limit=10, after=cursor_of(first))
    assert media_of(empty)["data"] == []
    assert cursor_of(empty) != cursor_of(first)
    assert media_of(meta.discover(limit=10, after=cursor_of(empty)))["data"] == expected

    meta.faults.add("repeat_cursor", username="northern.trails")
    first = meta.discover("northern.trails")
    assert meta.discover("northern.trails", after=cursor_of(first)).json == first.json
    meta.faults.add("empty_pages")
    meta.tokens.add("own", BAKERY_ID, Family.INSTAGRAM)
    page = meta.own_media("ig-graph", "own", limit=5).json
    assert page["data"] == []
    assert page["paging"]["cursors"]["after"] in page["paging"]["next"]
    assert meta.discover("nobody.here").error["code"] == 110


def test_rules_apply_in_order_to_their_paths_for_their_number_of_calls(meta: Meta) -> None:
    after = cursor_of(meta.discover(limit=10))
    meta.faults.add("status", status=500, times=2)
    meta.faults.add("status", status=501, username="Tiny.Studio")
    meta.faults.add("status", status=502, path="/ig-graph")
    meta.faults.add("status", status=503, username="acme.bakery", after=False)
    names = ("acme.bakery", "acme.bakery", "acme.bakery", "tiny.studio", "northern.trails")
    assert [meta.discover(name).status for name in names] == [500, 500, 503, 501, 200]
    assert (meta.calls[1]["status"], meta.calls[1]["fault"]) == (500, "status")
    assert meta.discover(limit=10, after=after).status == 200
    assert meta.ask("/ig-graph/v26.0/1/media").status == 502
    meta.faults.clear()
    assert meta.discover().status == 200


def test_rules_skip_pictures_unless_named_and_the_control_endpoint_always(meta: Meta) -> None:
    meta.faults.add("status", status=500)
    assert meta.ask("/media/bread-1.jpg").status == 200
    meta.faults.add("status", status=502, path="/")
    assert (meta.ask("/media/bread-1.jpg").status, meta.ask("/_control").status) == (502, 200)
