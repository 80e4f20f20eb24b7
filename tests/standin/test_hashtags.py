"""Hashtags on the Facebook Graph host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instagram_standin.demo_world import TAGS
from instagram_standin.hashtags import Tag
from instagram_standin.media import tags_in
from instagram_standin.server import StandIn
from tests.standin.callers import BAKERY_ID, TRAILS_ID, Reply, ask, control, facebook_token

FIELDS = "id,caption,media_type,media_url,permalink,timestamp,like_count,children{id,media_type,media_url}"
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
    found = search(standin, token, "sourdough")
    assert (
        found.json
        == search(standin, token, "SourDough", TRAILS_ID).json
        == {"data": [{"id": Tag("sourdough").id}]}
    )
    assert len(Tag("sourdough").id) == 17
    assert "X-App-Usage" in found.headers
    assert "X-Business-Use-Case-Usage" not in found.headers


def test_every_tag_of_the_demos_captions_can_be_searched_and_shows_the_post(
    standin: StandIn, token: str
) -> None:
    for profile in standin.profiles.all():
        for post in profile.posts if profile.is_professional else ():
            for tag in tags_in(post):
                assert tag in {known.name for known in TAGS}
                assert search(standin, token, tag).status == 200
                assert post in standin.hashtags.rows(Tag(tag), "top_media", 0)
    shown = edge(standin, token, "stoneware", "top_media", limit=50).json["data"]
    assert any("Tiny Studio" in post["caption"] for post in shown if "caption" in post)


def test_recent_media_are_of_the_last_day(standin: StandIn, token: str) -> None:
    posts = edge(standin, token, "sourdough", limit=50).json["data"]
    assert len(posts) > 30
    assert all(age_of(post) <= timedelta(hours=24, minutes=1) for post in posts)
    assert {post["media_type"] for post in posts} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    albums = [post for post in posts if post["media_type"] == "CAROUSEL_ALBUM"]
    assert all("media_url" not in album and len(album["children"]["data"]) == 3 for album in albums)
    assert any("caption" not in post for post in posts)
    assert any("like_count" not in post for post in posts)
    picture = next(post["media_url"] for post in posts if post["media_type"] == "IMAGE")
    assert ask(standin, picture).headers["Content-Type"] == "image/jpeg"


def test_the_cursor_is_the_same_on_every_page_and_yet_advances(standin: StandIn, token: str) -> None:
    pages = [edge(standin, token, "hiking", "top_media", limit=25).json]
    while "next" in pages[-1]["paging"]:
        after = pages[-1]["paging"]["cursors"]["after"]
        pages.append(edge(standin, token, "hiking", "top_media", limit=25, after=after).json)
    assert len(pages) > 3
    assert {str(page["paging"]["cursors"]) for page in pages} == {f"{{'after': '{after}'}}"}
    ids = [post["id"] for page in pages for post in page["data"]]
    assert len(ids) == len(set(ids)) > 60
    assert edge(standin, token, "hiking", "top_media", limit=25).json["data"] == pages[0]["data"]
    second = ask(standin, pages[0]["paging"]["next"]).json
    assert second["data"] == pages[1]["data"]


def test_a_page_has_fifty_at_most(standin: StandIn, token: str) -> None:
    assert len(edge(standin, token, "hiking", "top_media", limit=100).json["data"]) == 50
    assert edge(standin, token, "hiking", limit=0).codes == (100, None)
    assert edge(standin, token, "hiking", after="zzz").codes == (100, None)
    assert edge(standin, token, "quietmoments").json == {"data": []}


REFUSED = [
    "username",
    "owner",
    "thumbnail_url",
    "media_product_type",
    "shortcode",
    "alt_text",
    "children{username}",
]


@pytest.mark.parametrize("field", REFUSED)
def test_other_fields_are_refused(standin: StandIn, token: str, field: str) -> None:
    refused = edge(standin, token, "sourdough", fields=f"id,{field}")
    assert refused.codes == (100, None)
    assert refused.error["message"].startswith("(#100)")


def test_unknown_and_blocked_tags(standin: StandIn, token: str) -> None:
    for tag in ("restricted", "nosuchtag", "🍞", "two words"):
        refused = search(standin, token, tag)
        assert (refused.status, refused.codes) == (400, (24, 2207024))
    control(standin, "set", unknown_tag_is_empty=True)
    assert search(standin, token, "nosuchtag").json == {"data": []}
    assert search(standin, token, "restricted").codes == (24, 2207024)


def test_a_planted_caption_makes_a_tag(standin: StandIn, token: str) -> None:
    old = (datetime.now(UTC) - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    standin.profiles.plant(
        "x", [{"id": "5", "caption": "<b> #Planted"}, {"caption": "#planted", "timestamp": old}]
    )
    assert search(standin, token, "planted").status == 200
    assert [post["id"] for post in edge(standin, token, "planted").json["data"]] == ["5"]
    assert len(edge(standin, token, "planted", "top_media").json["data"]) == 2


def test_thirty_tags_in_seven_days(standin: StandIn, token: str) -> None:
    for number in range(30):
        assert search(standin, token, f"load{number}").status == 200
    refused = search(standin, token, "sourdough")
    assert (refused.status, refused.codes) == (400, (18, 2207034))
    assert search(standin, token, "load3").status == 200, "one asked for before is free"
    assert edge(standin, token, "sourdough").codes == (18, 2207034)
    assert search(standin, token, "sourdough", TRAILS_ID).status == 200, "another account has its own thirty"

    control(standin, "hashtags.age", seconds=WEEK - 60)
    assert search(standin, token, "load3").status == 200, "asking again does not restart the clock"
    assert search(standin, token, "sourdough").error["code"] == 18
    control(standin, "hashtags.age", seconds=120)
    assert standin.hashtags.asked(BAKERY_ID) == []
    assert search(standin, token, "sourdough").status == 200


def test_searches_are_listed_and_used_up(standin: StandIn, token: str) -> None:
    search(standin, token, "hiking")
    path = f"/fb-graph/v26.0/{BAKERY_ID}/recently_searched_hashtags"
    assert ask(standin, path, token=token).json == {"data": [{"id": Tag("hiking").id}]}
    control(standin, "hashtags.use_up", account_id=BAKERY_ID, count=29)
    assert len(ask(standin, path, query={"limit": 30}, token=token).json["data"]) == 30
    assert search(standin, token, "sourdough").error["code"] == 18


def test_who_may_search(standin: StandIn, token: str) -> None:
    assert search(standin, facebook_token(standin, "sam.potter"), "sourdough").codes == (100, 33)
    path = "/fb-graph/v26.0/ig_hashtag_search"
    assert ask(standin, path, query={"q": "sourdough"}, token=token).codes == (100, None)
    assert ask(standin, path, query={"user_id": BAKERY_ID}, token=token).codes == (100, None)
    control(standin, "set", has_hashtag_feature=False)
    assert search(standin, token, "sourdough").codes == (10, None)
    control(standin, "set", has_hashtag_feature=True)
    standin.tokens.remove_permission(token, "instagram_basic")
    assert search(standin, token, "sourdough").codes == (10, None)


@pytest.mark.parametrize("kind", ["empty_pages", "repeat_cursor"])
def test_faults_strike_hashtags(standin: StandIn, token: str, kind: str) -> None:
    good = edge(standin, token, "hiking", "top_media", limit=10).json
    standin.faults.add(kind, path=f"/fb-graph/v26.0/{Tag('hiking').id}", times=1)
    odd = edge(standin, token, "hiking", "top_media", limit=10).json
    after = odd["paging"]["cursors"]["after"]
    assert edge(standin, token, "hiking", "top_media", limit=10, after=after).json["data"] == good["data"]
