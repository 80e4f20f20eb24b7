"""Hashtags on the Facebook Graph host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from instagram_standin.demo_world import TAGS
from instagram_standin.hashtags import Tag
from instagram_standin.media import tags_in
from tests.standin.callers import BAKERY_ID, TRAILS_ID, Meta, Reply

FIELDS = "id,caption,media_type,media_url,permalink,timestamp,like_count,children{id,media_type,media_url}"
WEEK = 7 * 86_400


@pytest.fixture
def token(meta: Meta) -> str:
    return meta.facebook_token()


def search(meta: Meta, token: str, tag: str, account: str = BAKERY_ID) -> Reply:
    query = {"user_id": account, "q": tag}
    return meta.ask("/fb-graph/v26.0/ig_hashtag_search", query=query, token=token)


def edge(meta: Meta, token: str, tag: str, kind: str = "recent_media", **query: object) -> Reply:
    asked = {"user_id": BAKERY_ID, "fields": FIELDS, **query}
    return meta.ask(f"/fb-graph/v26.0/{Tag(tag).id}/{kind}", query=asked, token=token)


def test_a_tag_has_one_id_for_all(meta: Meta, token: str) -> None:
    found = search(meta, token, "sourdough")
    assert found.json == {"data": [{"id": Tag("sourdough").id}]}
    assert found.json == search(meta, token, "SourDough", TRAILS_ID).json
    assert len(Tag("sourdough").id) == 17
    assert "X-App-Usage" in found.headers
    assert "X-Business-Use-Case-Usage" not in found.headers


def test_every_tag_of_the_demos_captions_can_be_searched_and_shows_the_post(meta: Meta, token: str) -> None:
    for profile in meta.profiles.all():
        for post in profile.posts if profile.is_professional else ():
            for tag in tags_in(post):
                assert tag in {known.name for known in TAGS}
                assert search(meta, token, tag).status == 200
                assert post in meta.hashtags.rows(Tag(tag), "top_media", 0)
    shown = edge(meta, token, "stoneware", "top_media", limit=50).json["data"]
    assert any("Tiny Studio" in post["caption"] for post in shown if "caption" in post)


def test_recent_media_are_of_the_last_day(meta: Meta, token: str) -> None:
    posts = edge(meta, token, "sourdough", limit=50).json["data"]
    assert len(posts) > 30
    moments = [datetime.strptime(post["timestamp"], "%Y-%m-%dT%H:%M:%S%z") for post in posts]
    assert datetime.now(UTC) - min(moments) <= timedelta(hours=24, minutes=1)
    assert {post["media_type"] for post in posts} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    albums = [post for post in posts if post["media_type"] == "CAROUSEL_ALBUM"]
    assert all("media_url" not in album and len(album["children"]["data"]) == 3 for album in albums)
    assert any("caption" not in post for post in posts)
    assert any("like_count" not in post for post in posts)
    picture = next(post["media_url"] for post in posts if post["media_type"] == "IMAGE")
    assert meta.ask(picture).headers["Content-Type"] == "image/jpeg"


def test_the_same_cursor_on_every_page_advances(meta: Meta, token: str) -> None:
    pages = [edge(meta, token, "hiking", "top_media", limit=25).json]
    while "next" in pages[-1]["paging"]:
        after = pages[-1]["paging"]["cursors"]["after"]
        pages.append(edge(meta, token, "hiking", "top_media", limit=25, after=after).json)
    assert len(pages) > 3
    assert {str(page["paging"]["cursors"]) for page in pages} == {f"{{'after': '{after}'}}"}
    ids = [post["id"] for page in pages for post in page["data"]]
    assert len(ids) == len(set(ids)) > 60
    assert edge(meta, token, "hiking", "top_media", limit=25).json["data"] == pages[0]["data"]
    assert meta.ask(pages[0]["paging"]["next"]).json["data"] == pages[1]["data"]
    assert len(edge(meta, token, "hiking", "top_media", limit=100).json["data"]) == 50
    assert (
        edge(meta, token, "hiking", limit=0).codes
        == edge(meta, token, "hiking", after="z").codes
        == (100, None)
    )
    assert edge(meta, token, "quietmoments").json == {"data": []}


def test_other_fields_are_refused(meta: Meta, token: str) -> None:
    refused = "username owner thumbnail_url media_product_type shortcode alt_text children{username}"
    for field in refused.split():
        reply = edge(meta, token, "sourdough", fields=f"id,{field}")
        assert (reply.codes, reply.error["message"][:6]) == ((100, None), "(#100)")


def test_unknown_and_blocked_tags(meta: Meta, token: str) -> None:
    for tag in ("restricted", "nosuchtag", "🍞", "two words"):
        refused = search(meta, token, tag)
        assert (refused.status, refused.codes) == (400, (24, 2207024))
    meta.control("set", unknown_tag_is_empty=True)
    assert search(meta, token, "nosuchtag").json == {"data": []}
    assert search(meta, token, "restricted").codes == (24, 2207024)


def test_a_planted_caption_creates_a_tag(meta: Meta, token: str) -> None:
    old = (datetime.now(UTC) - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    meta.profiles.plant("x", [{"id": "5", "caption": "#Planted"}, {"caption": "#planted", "timestamp": old}])
    assert search(meta, token, "planted").status == 200
    assert [post["id"] for post in edge(meta, token, "planted").json["data"]] == ["5"]
    assert len(edge(meta, token, "planted", "top_media").json["data"]) == 2


def test_thirty_tags_in_seven_days(meta: Meta, token: str) -> None:
    for number in range(30):
        assert search(meta, token, f"load{number}").status == 200
    refused = search(meta, token, "sourdough")
    assert (refused.status, refused.codes) == (400, (18, 2207034))
    assert search(meta, token, "load3").status == 200, "one asked for before is free"
    assert edge(meta, token, "sourdough").codes == (18, 2207034)
    assert search(meta, token, "sourdough", TRAILS_ID).status == 200, "another account has its own thirty"

    meta.control("hashtags.age", seconds=WEEK - 60)
    assert search(meta, token, "load3").status == 200, "asking again does not restart the clock"
    assert search(meta, token, "sourdough").error["code"] == 18
    meta.control("hashtags.age", seconds=120)
    assert meta.hashtags.asked(BAKERY_ID) == []
    assert search(meta, token, "sourdough").status == 200


def test_searches_are_listed_and_used_up(meta: Meta, token: str) -> None:
    search(meta, token, "hiking")
    path = f"/fb-graph/v26.0/{BAKERY_ID}/recently_searched_hashtags"
    assert meta.ask(path, token=token).json == {"data": [{"id": Tag("hiking").id}]}
    meta.control("hashtags.use_up", account_id=BAKERY_ID, count=29)
    assert len(meta.ask(path, query={"limit": 30}, token=token).json["data"]) == 30
    assert search(meta, token, "sourdough").error["code"] == 18


def test_searches_need_an_account_a_tag_and_the_hashtag_feature(meta: Meta, token: str) -> None:
    assert search(meta, meta.facebook_token("sam.potter"), "sourdough").codes == (100, 33)
    path = "/fb-graph/v26.0/ig_hashtag_search"
    assert meta.ask(path, query={"q": "sourdough"}, token=token).codes == (100, None)
    assert meta.ask(path, query={"user_id": BAKERY_ID}, token=token).codes == (100, None)
    meta.control("set", has_hashtag_feature=False)
    assert search(meta, token, "sourdough").codes == (10, None)
