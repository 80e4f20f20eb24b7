"""Hashtags on the Facebook Graph host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instagram_standin.hashtags import Tag
from instagram_standin.server import StandIn
from tests.standin.callers import Reply, ask, control
from tests.standin.signing_in import facebook_token, instagram_token

BAKERY_ID = "17841400000000777"
TRAILS_ID = "17841400000000888"
FIELDS = (
    "id,caption,media_type,media_url,permalink,timestamp,like_count,comments_count,"
    "children{id,media_type,media_url}"
)
WEEK = 7 * 86_400


@pytest.fixture
def token(standin: StandIn) -> str:
    return facebook_token(standin)


def search(standin: StandIn, token: str, tag: str, account: str = BAKERY_ID) -> Reply:
    query = {"user_id": account, "q": tag}
    return ask(standin, "/fb-graph/v26.0/ig_hashtag_search", query=query, token=token)


def edge(standin: StandIn, token: str, tag: str, kind: str = "recent_media", **query: object) -> Reply:
    asked = {"user_id": BAKERY_ID, "fields": FIELDS, **query}
    return ask(standin, f"/fb-graph/v26.0/{Tag(tag).id}/{kind}", query=asked, token=token)


def age_of(post: Any) -> timedelta:
    return datetime.now(UTC) - datetime.strptime(post["timestamp"], "%Y-%m-%dT%H:%M:%S%z")


def test_a_tag_has_one_id_for_all(standin: StandIn, token: str) -> None:
    (found,) = search(standin, token, "sourdough").json["data"]
    assert found == search(standin, token, "SourDough", TRAILS_ID).json["data"][0]
    assert len(found["id"]) == 17
    node = ask(standin, f"/fb-graph/v26.0/{found['id']}", query={"fields": "id,name"}, token=token)
    assert node.json == {"id": found["id"], "name": "sourdough"}


def test_recent_media_are_of_the_last_day(standin: StandIn, token: str) -> None:
    posts = edge(standin, token, "sourdough", limit=50).json["data"]
    assert len(posts) > 30
    assert all(age_of(post) <= timedelta(hours=24, minutes=1) for post in posts)
    assert {post["media_type"] for post in posts} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    assert not any("username" in post or "thumbnail_url" in post for post in posts)
    albums = [post for post in posts if post["media_type"] == "CAROUSEL_ALBUM"]
    assert all("media_url" not in album and len(album["children"]["data"]) == 3 for album in albums)
    assert any("caption" not in post for post in posts)
    assert any("like_count" not in post for post in posts)
    picture = next(post["media_url"] for post in posts if post["media_type"] == "IMAGE")
    assert ask(standin, picture).headers["Content-Type"] == "image/jpeg"


def test_the_cursor_is_the_same_on_every_page_and_yet_advances(standin: StandIn, token: str) -> None:
    pages = [edge(standin, token, "hiking", "top_media", limit=25)]
    while "next" in pages[-1].json["paging"]:
        after = pages[-1].json["paging"]["cursors"]["after"]
        pages.append(edge(standin, token, "hiking", "top_media", limit=25, after=after))
    assert [len(page.json["data"]) for page in pages] == [25, 25, 10]
    assert len({page.json["paging"]["cursors"]["after"] for page in pages}) == 1
    assert all(page.json["paging"]["cursors"].keys() == {"after"} for page in pages)
    assert len({post["id"] for page in pages for post in page.json["data"]}) == 60
    again = edge(standin, token, "hiking", "top_media", limit=25)
    assert again.json["data"] == pages[0].json["data"]
    assert standin.calls[-2]["after"] is not None


def test_a_next_address_can_be_followed(standin: StandIn, token: str) -> None:
    first = edge(standin, token, "hiking", limit=5).json
    second = ask(standin, first["paging"]["next"]).json
    assert not {post["id"] for post in first["data"]} & {post["id"] for post in second["data"]}


def test_a_page_has_fifty_at_most(standin: StandIn, token: str) -> None:
    assert len(edge(standin, token, "hiking", "top_media", limit=100).json["data"]) == 50
    assert edge(standin, token, "hiking", limit=0).error["code"] == 100
    assert edge(standin, token, "hiking", after="zzz").error["code"] == 100


@pytest.mark.parametrize(
    ("tag", "has_recent", "has_top"),
    [("sourdough", True, True), ("stoneware", False, True), ("quietmoments", False, False)],
)
def test_busy_and_quiet_tags(standin: StandIn, token: str, tag: str, has_recent: bool, has_top: bool) -> None:
    recent, top = edge(standin, token, tag), edge(standin, token, tag, "top_media")
    assert (bool(recent.json["data"]), bool(top.json["data"])) == (has_recent, has_top)
    assert has_recent or recent.json == {"data": []}


@pytest.mark.parametrize(
    "field",
    [
        "username",
        "owner",
        "thumbnail_url",
        "media_product_type",
        "shortcode",
        "alt_text",
        "children{username}",
    ],
)
def test_other_fields_are_refused(standin: StandIn, token: str, field: str) -> None:
    refused = edge(standin, token, "sourdough", fields=f"id,{field}")
    assert refused.error["code"] == 100
    assert refused.error["message"].startswith("(#100)")


@pytest.mark.parametrize("tag", ["restricted", "nosuchtag", "🍞", "two words"])
def test_unknown_and_blocked_tags(standin: StandIn, token: str, tag: str) -> None:
    refused = search(standin, token, tag)
    assert (refused.status, refused.error["code"], refused.error["error_subcode"]) == (400, 24, 2207024)


def test_an_unknown_tag_may_be_empty_instead(standin: StandIn, token: str) -> None:
    control(standin, "PUT", "hashtags", {"unknown_is_empty": True})
    assert search(standin, token, "nosuchtag").json == {"data": []}
    assert search(standin, token, "restricted").error["code"] == 24


def test_thirty_tags_in_seven_days(standin: StandIn, token: str) -> None:
    for number in range(30):
        assert search(standin, token, f"load{number}").status == 200
    refused = search(standin, token, "sourdough")
    assert (refused.status, refused.error["code"]) == (400, 18)
    assert search(standin, token, "load3").status == 200, "one asked for before is free"
    assert edge(standin, token, "sourdough").error["code"] == 18
    assert search(standin, token, "sourdough", TRAILS_ID).status == 200, (
        "another account has thirty of its own"
    )

    control(standin, "POST", "hashtag-searches", {"age_seconds": WEEK - 60})
    assert search(standin, token, "sourdough").error["code"] == 18
    control(standin, "POST", "hashtag-searches", {"age_seconds": 120})
    assert search(standin, token, "sourdough").status == 200


def test_asking_again_does_not_restart_the_clock(standin: StandIn, token: str) -> None:
    search(standin, token, "sourdough")
    standin.hashtags.age(WEEK - 60)
    search(standin, token, "sourdough")
    standin.hashtags.age(120)
    assert standin.hashtags.asked(BAKERY_ID) == []


def test_searches_are_told_and_used_up(standin: StandIn, token: str) -> None:
    search(standin, token, "hiking")
    path = f"/fb-graph/v26.0/{BAKERY_ID}/recently_searched_hashtags"
    assert ask(standin, path, token=token).json == {"data": [{"id": Tag("hiking").id}]}
    control(standin, "POST", "hashtag-searches", {"username": "acme.bakery", "use_up": 29})
    assert len(control(standin, "GET", "hashtag-searches?username=acme.bakery").json["ids"]) == 30
    assert len(ask(standin, path, query={"limit": 30}, token=token).json["data"]) == 30
    assert search(standin, token, "sourdough").error["code"] == 18
    assert control(standin, "POST", "hashtag-searches", {"use_up": 1}).status == 400


def test_who_may_search(standin: StandIn, token: str) -> None:
    sams = facebook_token(standin, "sam.potter")
    assert search(standin, sams, "sourdough").error["error_subcode"] == 33
    assert search(standin, instagram_token(standin), "sourdough").error["code"] == 190
    path = "/fb-graph/v26.0/ig_hashtag_search"
    assert ask(standin, path, query={"q": "sourdough"}, token=token).error["code"] == 100
    assert ask(standin, path, query={"user_id": BAKERY_ID}, token=token).error["code"] == 100
    standin.hashtags.has_feature = False
    assert search(standin, token, "sourdough").error["code"] == 10
    standin.hashtags.has_feature = True
    standin.tokens.remove_permission(token, "instagram_basic")
    assert search(standin, token, "sourdough").error["code"] == 10


def test_the_instagram_host_has_no_hashtags(standin: StandIn) -> None:
    query = {"user_id": BAKERY_ID, "q": "sourdough"}
    reply = ask(standin, "/ig-graph/v26.0/ig_hashtag_search", query=query, token=instagram_token(standin))
    assert reply.error["code"] == 100


def test_tags_may_be_planted(standin: StandIn, token: str) -> None:
    old = (datetime.now(UTC) - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    recent = [{"id": "5", "caption": "<b>"}, {"timestamp": old}, {"media_type": "VIDEO", "media_url": None}]
    control(standin, "PUT", "hashtags/Planted", {"recent": recent})
    posts = edge(standin, token, "planted").json["data"]
    assert posts[0]["caption"] == "<b>"
    assert (len(posts), "media_url" in posts[1]) == (2, False)
    assert edge(standin, token, "planted", "top_media").json["data"] == []
    control(standin, "PUT", "hashtags/sourdough", {"is_blocked": True})
    assert search(standin, token, "sourdough").error["code"] == 24
    control(standin, "POST", "reset")
    assert "planted" not in control(standin, "GET", "hashtags").json["tags"]


@pytest.mark.parametrize("given", [[], {"recent": {}}, {"top": [1]}, {"old": []}])
def test_what_is_no_tag_is_refused(standin: StandIn, given: object) -> None:
    assert control(standin, "PUT", "hashtags/x", given).status == 400


@pytest.mark.parametrize("kind", ["empty_pages", "repeat_cursor"])
def test_faults_strike_hashtags(standin: StandIn, token: str, kind: str) -> None:
    good = edge(standin, token, "hiking", "top_media", limit=10).json
    standin.faults.add(kind, path=f"/fb-graph/v26.0/{Tag('hiking').id}", times=1)
    odd = edge(standin, token, "hiking", "top_media", limit=10).json
    after = odd["paging"]["cursors"]["after"]
    assert edge(standin, token, "hiking", "top_media", limit=10, after=after).json["data"] == good["data"]


def test_usage_is_told_under_the_platform_limit(standin: StandIn, token: str) -> None:
    headers = search(standin, token, "sourdough").headers
    assert "X-App-Usage" in headers
    assert "X-Business-Use-Case-Usage" not in headers
