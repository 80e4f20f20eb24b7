"""Business Discovery on the Facebook Graph host."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from instagram_standin.server import StandIn
from instagram_standin.world import OPERATOR_ID, OPERATOR_TOKEN, Settings
from tests.standin.callers import Reply, ask, discover


def account(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.json["business_discovery"]


def posts(reply: Reply) -> Any:
    return account(reply)["media"]["data"]


def ask_node(standin: StandIn, fields: str | None, path: str = f"/fb-graph/v26.0/{OPERATOR_ID}") -> Reply:
    return ask(standin, path, query=None if fields is None else {"fields": fields}, token=OPERATOR_TOKEN)


def test_the_answer_names_the_discovered_and_the_asking_account(standin: StandIn) -> None:
    reply = discover(standin, limit=5)

    assert reply.json["id"] == OPERATOR_ID
    assert account(reply).keys() == {"username", "media_count", "media", "id"}
    assert re.fullmatch(r"17841\d{12}", account(reply)["id"])
    assert account(reply)["media"].keys() == {"data", "paging"}
    assert account(reply)["media"]["paging"].keys() == {"cursors"}
    assert account(reply)["media"]["paging"]["cursors"].keys() == {"after"}


def test_media_carry_what_was_asked_for_and_no_more(standin: StandIn) -> None:
    assert {key for post in posts(discover(standin, media="caption,timestamp")) for key in post} == {
        "id",
        "caption",
        "timestamp",
    }
    assert posts(discover(standin, media="id"))[0].keys() == {"id"}


def test_without_fields_only_ids_come(standin: StandIn) -> None:
    assert ask_node(standin, None).json == {"id": OPERATOR_ID}
    bare = ask_node(standin, "business_discovery.username(acme.bakery)").json["business_discovery"]
    assert bare.keys() == {"id"}
    media = ask_node(standin, "business_discovery.username(acme.bakery){media}").json["business_discovery"][
        "media"
    ]
    assert all(post.keys() == {"id"} for post in media["data"])


def test_values_look_like_metas(standin: StandIn) -> None:
    listed = posts(discover(standin, limit=40))

    assert all(re.fullmatch(r"17900\d{12}", post["id"]) for post in listed)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", post["timestamp"]) for post in listed)
    moments = [datetime.strptime(post["timestamp"], "%Y-%m-%dT%H:%M:%S%z") for post in listed]
    assert moments == sorted(moments, reverse=True)
    assert moments[0] < datetime.now(UTC)
    links = [post["media_url"] for post in listed if "media_url" in post]
    assert all(
        re.fullmatch(r"http://127\.0\.0\.1:\d+/media/\S+\?oh=\w+&oe=[0-9A-F]{8}", link) for link in links
    )


def test_the_bakery_has_one_of_everything(standin: StandIn) -> None:
    listed = posts(discover(standin, limit=50))

    assert len(listed) == account(discover(standin))["media_count"] == 40
    assert {post["media_type"] for post in listed} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    reels = [post for post in listed if post["media_product_type"] == "REELS"]
    assert reels
    assert all("/reel/" in reel["permalink"] and reel["media_type"] == "VIDEO" for reel in reels)
    muted = [post for post in listed if "media_url" not in post]
    assert muted
    assert all(post["media_type"] == "VIDEO" and "thumbnail_url" in post for post in muted)
    assert any("caption" not in post for post in listed)
    assert any("alt_text" in post for post in listed)
    assert any("like_count" not in post for post in listed)
    assert any(not post.get("caption", "").isascii() for post in listed)


def test_only_albums_have_children_and_children_have_no_caption(standin: StandIn) -> None:
    listed = posts(discover(standin, limit=50))
    albums = [post for post in listed if "children" in post]
    children = [child for album in albums for child in album["children"]["data"]]

    assert {album["media_type"] for album in albums} == {"CAROUSEL_ALBUM"}
    assert {child["media_type"] for child in children} == {"IMAGE", "VIDEO"}
    assert not any("caption" in child for child in children)
    assert albums[0]["media_url"] == albums[0]["children"]["data"][0]["media_url"]


def test_cursors_lead_through_all_posts_and_then_end(standin: StandIn) -> None:
    ids: list[str] = []
    cursors: list[str | None] = []
    after = None
    for _ in range(3):
        media = account(discover(standin, "northern.trails", limit=50, after=after))["media"]
        ids += [post["id"] for post in media["data"]]
        after = media.get("paging", {}).get("cursors", {}).get("after")
        cursors.append(after)

    assert len(ids) == len(set(ids)) == 130
    assert cursors[0] != cursors[1]
    assert cursors[2] is None


def test_a_page_has_25_posts_unless_told_otherwise_and_100_at_most(standin: StandIn) -> None:
    assert len(posts(discover(standin, "northern.trails"))) == 25
    assert len(posts(discover(standin, "northern.trails", limit=5_000))) == 100


@pytest.mark.parametrize(
    ("username", "count"), [("tiny.studio", 3), ("quiet.account", 0), ("load.0001", 12), ("LOAD.xyz_9", 12)]
)
def test_other_accounts(standin: StandIn, username: str, count: int) -> None:
    found = account(discover(standin, username))
    assert (found["username"], len(found["media"]["data"])) == (username.lower(), count)
    assert "paging" not in found["media"]


def test_load_accounts_differ_and_stay_the_same(standin: StandIn) -> None:
    first, second = (account(discover(standin, name)) for name in ("load.0001", "load.0002"))
    assert not {post["id"] for post in first["media"]["data"]} & {
        post["id"] for post in second["media"]["data"]
    }
    assert account(discover(standin, "load.0001")) == first


@pytest.mark.parametrize("username", ["nobody.here", "jane.private", "load.", "load.sp ace", ""])
def test_unknown_and_personal_accounts_are_answered_alike(standin: StandIn, username: str) -> None:
    reply = discover(standin, username)
    assert (reply.status, reply.error["code"], reply.error["error_subcode"]) == (400, 110, 2207013)


@pytest.mark.parametrize("token", [None, "EAAB-nobodys"])
def test_a_bad_token_is_refused(standin: StandIn, token: str | None) -> None:
    reply = discover(standin, token=token)
    assert (reply.status, reply.error["code"], reply.error["type"]) == (400, 190, "OAuthException")


def test_the_token_may_come_as_a_parameter(standin: StandIn) -> None:
    query = {"fields": "id", "access_token": OPERATOR_TOKEN}
    assert ask(standin, f"/fb-graph/v26.0/{OPERATOR_ID}", query=query).json == {"id": OPERATOR_ID}


@pytest.mark.parametrize(
    ("path", "code", "subcode"),
    [
        (f"/fb-graph/{OPERATOR_ID}", 100, None),
        (f"/fb-graph/v26/{OPERATOR_ID}", 2500, None),
        ("/fb-graph/v26.0", 100, None),
        ("/fb-graph", 100, None),
        ("/fb-graph/v26.0/17841400000000777", 100, 33),
        (f"/fb-graph/v26.0/{OPERATOR_ID}/nothing", 2500, None),
    ],
)
def test_other_paths_are_refused(standin: StandIn, path: str, code: int, subcode: int | None) -> None:
    reply = ask_node(standin, "id", path)
    assert (reply.status, reply.error["code"], reply.error.get("error_subcode")) == (400, code, subcode)


def test_any_version_will_do_and_is_told(standin: StandIn) -> None:
    reply = ask_node(standin, "id", f"/fb-graph/v31.0/{OPERATOR_ID}")
    assert (reply.status, reply.headers["facebook-api-version"]) == (200, "v31.0")


def test_nothing_can_be_posted(standin: StandIn) -> None:
    reply = ask(standin, f"/fb-graph/v26.0/{OPERATOR_ID}", method="POST", token=OPERATOR_TOKEN, payload={})
    assert (reply.status, reply.error["code"], reply.error["error_subcode"]) == (400, 100, 33)


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ("business_discovery.username(acme.bakery){shoe_size}", 100, "(shoe_size)"),
        ("business_discovery.username(acme.bakery){media{width}}", 100, "(width)"),
        ("business_discovery.username(acme.bakery){media.limit(0){id}}", 100, "limit"),
        ("business_discovery.username(acme.bakery){media.after(zzz){id}}", 100, "cursor"),
        ("business_discovery{id}", 100, "username"),
        ("business_discovery.username(acme.bakery){id", 2500, "Syntax error"),
    ],
)
def test_wrong_fields_are_named(standin: StandIn, fields: str, code: int, named: str) -> None:
    reply = ask_node(standin, fields)
    assert (reply.status, reply.error["code"]) == (400, code)
    assert named in reply.error["message"]


def test_usage_is_told_in_percent(standin: StandIn) -> None:
    standin.usage.call_count = 87
    assert '"call_count":87' in discover(standin).headers["X-App-Usage"]
    assert "X-Business-Use-Case-Usage" not in discover(standin).headers
    standin.usage.is_told = False
    assert "X-App-Usage" not in discover(standin).headers


def test_a_wrong_appsecret_proof_is_refused_where_the_secret_is_known() -> None:
    right = hmac.new(b"app-secret", OPERATOR_TOKEN.encode(), hashlib.sha256).hexdigest()
    path = f"/fb-graph/v26.0/{OPERATOR_ID}"
    with StandIn(settings=Settings(facebook_app_secret="app-secret")) as standin:
        assert ask(standin, path, query={"appsecret_proof": right}, token=OPERATOR_TOKEN).status == 200
        assert ask(standin, path, token=OPERATOR_TOKEN).status == 200
        refused = ask(standin, path, query={"appsecret_proof": "ä" + right[1:]}, token=OPERATOR_TOKEN)
        assert (refused.status, refused.error["code"]) == (400, 100)
        assert refused.error["message"] == "Invalid appsecret_proof provided in the API argument"


def test_settings_hide_their_secrets() -> None:
    shown = repr(Settings(operator_token="hush-token", facebook_app_secret="hush-secret"))
    assert "hush" not in shown
