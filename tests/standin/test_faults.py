"""Each fault, as a caller meets it."""

from __future__ import annotations

import http.client
import json
import time
import zlib
from typing import Any

import pytest

from instagram_standin.fault_book import InvalidRule
from instagram_standin.faults import (
    Bomb,
    BrokenItem,
    Deep,
    Defect,
    Drip,
    Empty,
    EmptyPages,
    Error200,
    Fault,
    Hang,
    Html,
    LaterPage,
    Null,
    Redirect,
    RejectField,
    RepeatCursor,
    ResetConnection,
    Slow,
    Status,
    Truncated,
)
from instagram_standin.server import StandIn
from instagram_standin.tokens import Family
from tests.standin.callers import Reply, ask, connection, control, discover


def media_of(reply: Reply) -> Any:
    return reply.json["business_discovery"]["media"]


def cursor_of(reply: Reply) -> str:
    return str(media_of(reply)["paging"]["cursors"]["after"])


class TestErrors:
    def test_a_gateways_error_with_retry_after(self, standin: StandIn) -> None:
        standin.faults.add(Status(503, retry_after=120))
        reply = discover(standin)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "120")
        assert reply.headers["Content-Type"].startswith("text/html")

    def test_a_graph_code_under_a_status_of_choice(self, standin: StandIn) -> None:
        standin.faults.add(Status(403, code=4, subcode=1349210, is_transient=True, regain_minutes=7))
        reply = discover(standin)
        assert reply.status == 403
        assert (reply.error["code"], reply.error["error_subcode"], reply.error["is_transient"]) == (
            4,
            1349210,
            True,
        )
        (usage,) = json.loads(reply.headers["X-Business-Use-Case-Usage"])["17841400000000001"]
        assert (usage["call_count"], usage["estimated_time_to_regain_access"]) == (100, 7)

    def test_an_error_under_200(self, standin: StandIn) -> None:
        standin.faults.add(Error200(code=190))
        reply = discover(standin)
        assert (reply.status, reply.error["code"]) == (200, 190)

    def test_the_second_page_fails_and_the_first_does_not(self, standin: StandIn) -> None:
        standin.faults.add(LaterPage(500))
        first = discover(standin, limit=10)
        assert first.status == 200
        assert discover(standin, limit=10, after=cursor_of(first)).status == 500

    def test_a_field_is_refused_when_asked_for(self, standin: StandIn) -> None:
        standin.faults.add(RejectField("thumbnail_url"))
        refused = discover(standin)
        assert (refused.status, refused.error["code"]) == (400, 100)
        assert "(thumbnail_url)" in refused.error["message"]
        assert discover(standin, media="id,caption").status == 200


class TestBodies:
    def test_html(self, standin: StandIn) -> None:
        standin.faults.add(Html())
        reply = discover(standin)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b"<h1>" in reply.body

    def test_empty(self, standin: StandIn) -> None:
        standin.faults.add(Empty())
        assert (discover(standin).status, discover(standin).body) == (200, b"")

    def test_null(self, standin: StandIn) -> None:
        standin.faults.add(Null())
        assert discover(standin).body == b"null"

    def test_truncated(self, standin: StandIn) -> None:
        whole = discover(standin).body
        standin.faults.add(Truncated())
        assert discover(standin).body == whole[: len(whole) // 2]

    def test_truncated_under_the_length_of_the_whole(self, standin: StandIn) -> None:
        standin.faults.add(Truncated(claims_whole=True))
        with pytest.raises(http.client.IncompleteRead):
            discover(standin)

    def test_redirect(self, standin: StandIn) -> None:
        standin.faults.add(Redirect("http://elsewhere.example/x"))
        reply = discover(standin)
        assert (reply.status, reply.headers["Location"]) == (302, "http://elsewhere.example/x")

    def test_deep(self, standin: StandIn) -> None:
        standin.faults.add(Deep())
        body = discover(standin).body
        assert (body[:3], len(body)) == (b"[[[", 200_000)

    def test_a_bomb(self, standin: StandIn) -> None:
        standin.faults.add(Bomb(megabytes=3))
        assert len(discover(standin).json["padding"]) == 3 * 1024 * 1024

    def test_a_packed_bomb(self, standin: StandIn) -> None:
        standin.faults.add(Bomb(megabytes=8, gzip=True))
        reply = discover(standin)
        assert reply.headers["Content-Encoding"] == "gzip"
        assert len(reply.body) < 20_000
        assert len(json.loads(zlib.decompress(reply.body, wbits=31))["padding"]) == 8 * 1024 * 1024


class TestTransport:
    def test_a_slow_answer_is_a_good_one(self, standin: StandIn) -> None:
        standin.faults.add(Slow(0.2))
        begun = time.monotonic()
        assert discover(standin).status == 200
        assert time.monotonic() - begun >= 0.2

    def test_hanging_ends_without_an_answer(self, standin: StandIn) -> None:
        standin.faults.add(Hang(0.2))
        begun = time.monotonic()
        with pytest.raises(http.client.RemoteDisconnected):
            discover(standin)
        assert time.monotonic() - begun >= 0.2

    def test_a_hanging_call_is_logged_while_it_hangs(self, standin: StandIn) -> None:
        standin.faults.add(Hang(5))
        with pytest.raises(TimeoutError):
            discover(standin, timeout=0.2)
        (call,) = standin.calls
        assert (call["username"], call["status"], call["fault"]) == ("acme.bakery", None, "hang")

    def test_a_reset_connection(self, standin: StandIn) -> None:
        standin.faults.add(ResetConnection())
        with pytest.raises(ConnectionResetError):
            discover(standin)

    @pytest.mark.parametrize("with_head", [False, True])
    def test_dripping_comes_a_byte_at_a_time(self, standin: StandIn, with_head: bool) -> None:
        standin.faults.add(Drip(0.0005, with_head=with_head))
        begun = time.monotonic()
        reply = discover(standin, media="id", limit=1)
        assert reply.status == 200
        assert media_of(reply)["data"]
        assert time.monotonic() - begun >= 0.0005 * len(reply.body)

    def test_stopping_does_not_wait_for_those_who_hang(self) -> None:
        with StandIn() as standin:
            standin.faults.add(Hang(60))
            with connection(standin, timeout=0.1) as caller:
                caller.request("GET", "/fb-graph/v26.0/1")
                with pytest.raises(TimeoutError):
                    caller.getresponse()
                begun = time.monotonic()
                standin.stop()
        assert time.monotonic() - begun < 2


class TestPages:
    @pytest.mark.parametrize(
        ("defect", "is_broken"),
        [
            (Defect.CAPTION, lambda item: "\x00" in item["caption"] and "\ud83d" in item["caption"]),
            (Defect.TIMESTAMP, lambda item: not item["timestamp"].endswith("+0000")),
            (Defect.ID, lambda item: "id" not in item),
            (Defect.MEDIA_TYPE, lambda item: item["media_type"] == "HOLOGRAM"),
            (Defect.NULL_ITEM, lambda item: item is None),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_one_broken_item(self, standin: StandIn, defect: Defect, is_broken: Any) -> None:
        whole = media_of(discover(standin))["data"]
        standin.faults.add(BrokenItem(defect))
        items = media_of(discover(standin))["data"]
        assert is_broken(items[3])
        assert items[:3] + items[4:] == whole[:3] + whole[4:]

    def test_a_repeated_cursor_leads_nowhere(self, standin: StandIn) -> None:
        standin.faults.add(RepeatCursor())
        first = discover(standin, "northern.trails")
        second = discover(standin, "northern.trails", after=cursor_of(first))
        assert cursor_of(first) == cursor_of(second)
        assert media_of(first)["data"] == media_of(second)["data"]

    def test_an_empty_page_in_the_middle_loses_no_posts(self, standin: StandIn) -> None:
        first = discover(standin, limit=20)
        expected = media_of(discover(standin, limit=20, after=cursor_of(first)))["data"]
        standin.faults.add(EmptyPages(), after=True, times=1)
        empty = discover(standin, limit=20, after=cursor_of(first))
        assert media_of(empty)["data"] == []
        assert cursor_of(empty) != cursor_of(first)
        assert media_of(discover(standin, limit=20, after=cursor_of(empty)))["data"] == expected

    def test_own_media_are_spoiled_alike(self, standin: StandIn) -> None:
        standin.tokens.add("own", "17841400000000777", Family.INSTAGRAM)
        standin.faults.add(EmptyPages())
        page = ask(standin, "/ig-graph/v26.0/17841400000000777/media", token="own").json
        assert page["data"] == []
        assert page["paging"]["cursors"]["after"] in page["paging"]["next"]

    def test_an_error_has_no_page_to_spoil(self, standin: StandIn) -> None:
        standin.faults.add(EmptyPages())
        assert discover(standin, "nobody.here").error["code"] == 110


class TestRules:
    def test_a_rule_strikes_as_often_as_it_says(self, standin: StandIn) -> None:
        standin.faults.add(Status(500), times=2)
        assert [discover(standin).status for _ in range(3)] == [500, 500, 200]

    def test_a_rule_without_times_lasts_until_cleared(self, standin: StandIn) -> None:
        standin.faults.add(Status(500))
        assert [discover(standin).status for _ in range(3)] == [500, 500, 500]
        standin.faults.clear()
        assert discover(standin).status == 200

    def test_a_rule_for_one_username(self, standin: StandIn) -> None:
        standin.faults.add(Status(500), username="Tiny.Studio")
        assert discover(standin, "tiny.studio").status == 500
        assert discover(standin, "acme.bakery").status == 200

    def test_a_rule_for_one_host(self, standin: StandIn) -> None:
        standin.faults.add(Status(500), path="/ig-graph")
        assert discover(standin).status == 200
        assert ask(standin, "/ig-graph/v26.0/1/media").status == 500

    def test_a_rule_for_first_pages(self, standin: StandIn) -> None:
        after = cursor_of(discover(standin, limit=10))
        standin.faults.add(Status(500), after=False)
        assert discover(standin, limit=10).status == 500
        assert discover(standin, limit=10, after=after).status == 200

    def test_the_first_rule_that_fits_strikes(self, standin: StandIn) -> None:
        standin.faults.add(Status(500), times=1)
        standin.faults.add(Status(502), times=1)
        assert [discover(standin).status for _ in range(3)] == [500, 502, 200]

    def test_a_fault_may_be_named_by_its_kind(self, standin: StandIn) -> None:
        standin.faults.add("status", status=503, username="tiny.studio", times=1)
        assert [discover(standin, "tiny.studio").status for _ in range(2)] == [503, 200]

    @pytest.mark.parametrize(
        ("fault", "parameters"),
        [
            ("meteor", {}),
            ("status", {"colour": 1}),
            ("hang", {"seconds": "1"}),
            (Status(500), {"status": 503}),
        ],
        ids=str,
    )
    def test_what_no_fault_has_is_refused(
        self, standin: StandIn, fault: Fault | str, parameters: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidRule):
            standin.faults.add(fault, **parameters)

    def test_pictures_are_spared_unless_named(self, standin: StandIn) -> None:
        standin.faults.add(Status(500))
        assert ask(standin, "/media/avatar-x.jpg").status == 200
        standin.faults.add(Status(502), path="/media/")
        assert ask(standin, "/media/avatar-x.jpg").status == 502

    def test_the_control_is_never_spoiled(self, standin: StandIn) -> None:
        standin.faults.add(Status(500), path="/")
        assert control(standin, "GET", "health").status == 200


class TestRulesAsJson:
    def test_rules_are_added_shown_and_cleared(self, standin: StandIn) -> None:
        rule = {
            "match": {"path": "/fb-graph", "username": "acme.bakery", "after": False},
            "kind": "status",
            "times": 1,
            "parameters": {"status": 429, "code": 4, "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
        }
        assert control(standin, "POST", "faults", [rule]).status == 200
        reply = discover(standin)
        assert (reply.status, reply.headers["Retry-After"]) == (429, "Wed, 21 Oct 2026 07:28:00 GMT")
        (shown,) = control(standin, "GET", "faults").json
        assert (shown["kind"], shown["times"], shown["hits"], shown["match"]) == (
            "status",
            0,
            1,
            rule["match"],
        )
        assert control(standin, "DELETE", "faults").json == []

    def test_a_single_rule_need_not_be_in_a_list(self, standin: StandIn) -> None:
        control(
            standin, "POST", "faults", {"kind": "broken_item", "parameters": {"defect": "id", "place": 0}}
        )
        assert "id" not in media_of(discover(standin))["data"][0]

    @pytest.mark.parametrize(
        "rule",
        [
            {"kind": "meteor"},
            {},
            [],
            "status",
            {"kind": "status", "times": 0},
            {"kind": "status", "times": "2"},
            {"kind": "status", "parameters": {"status": "500"}},
            {"kind": "status", "parameters": {"status": True}},
            {"kind": "status", "parameters": {"colour": "red"}},
            {"kind": "broken_item", "parameters": {"defect": "everything"}},
            {"kind": "status", "match": {"user": "x"}},
            {"kind": "status", "status": 500},
        ],
        ids=str,
    )
    def test_what_is_not_understood_is_refused_whole(self, standin: StandIn, rule: object) -> None:
        reply = control(standin, "POST", "faults", [{"kind": "empty"}, rule])
        assert reply.status == 400
        assert reply.json["error"]
        assert control(standin, "GET", "faults").json == []
