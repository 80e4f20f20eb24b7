"""From Meta's media objects to posts: recorded payloads beside what must come of them, and anything that is JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paris_integration.errors import ProviderUnavailable
from paris_integration.providers.base import RawFeed
from paris_integration.providers.normalize import dataset, media_url
from paris_integration.types import Dataset, FilterKind, Warning
from tests.fakes import media, video

DATA = Path(__file__).resolve().parents[2] / "data" / "instagram"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CASES = sorted(path.stem for path in DATA.glob("*.json") if not path.stem.endswith(".expected"))


def normalised(*items: Any, max_posts: int = 100, **more: Any) -> Dataset:
    raw = RawFeed(media=items, **more)
    return dataset(
        raw, fetched_at=NOW, max_posts=max_posts, plain_http_hosts=["127.0.0.1:8001", "cdn.example"]
    )


def only(item: Any) -> dict[str, Any]:
    posts = normalised(item).posts
    assert len(posts) == 1
    return dict(posts[0].external)


@pytest.mark.parametrize("case", CASES)
def test_recorded_payloads(case: str) -> None:
    payload = json.loads((DATA / f"{case}.json").read_text())
    expected = json.loads((DATA / f"{case}.expected.json").read_text())
    account = payload["business_discovery"]

    result = dataset(
        RawFeed(media=tuple(account["media"]["data"]), profile=account),
        fetched_at=NOW,
        max_posts=100,
        plain_http_hosts=[],
    )

    assert {
        "posts": [post.external for post in result.posts],
        "kinds": [post.filter_kind.value for post in result.posts],
        "profile": result.profile,
        "warnings": sorted(result.warnings),
    } == expected


def test_newest_first_ties_in_their_order_each_id_once() -> None:
    items = [
        media(1, timestamp="2026-11-01T00:00:00+0000"),
        media(2, timestamp="2026-11-03T00:00:00+0000"),
        media(3, timestamp="2026-11-03T01:00:00+0100"),
        media(2, timestamp="2026-11-09T00:00:00+0000"),
    ]

    assert [post.external["id"][-1] for post in normalised(*items).posts] == ["2", "3", "1"]
    assert [post.external["id"][-1] for post in normalised(*items, max_posts=2).posts] == ["2", "3"]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": ""},
        {"id": "a/b"},
        {"id": True},
        {"id": -1},
        {"id": ["1"]},
        {"media_type": None},
        {"media_type": "HOLOGRAM"},
        {"media_type": ["IMAGE"]},
        {"timestamp": None},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-11-02T07:15:04"},
        {"timestamp": 1790000000},
        {"timestamp": "9999-12-31T23:59:59-2359"},
        {"permalink": None},
        {"permalink": "javascript:alert(1)"},
        {"permalink": "http://www.instagram.com/p/x/"},
        {"media_url": None},
        {"media_url": "data:image/png;base64,AAAA"},
        {"media_url": "https://"},
    ],
)
def test_an_odd_item_is_dropped_and_said_and_costs_nobody_else(changes: dict[str, Any]) -> None:
    items = [media(n) for n in range(24)]
    items.insert(7, media(99, **changes))

    result = normalised(*items)

    assert len(result.posts) == 24
    assert result.warnings == {Warning.POSTS_SKIPPED}


@pytest.mark.parametrize(
    "changes",
    [
        {"media_product_type": "STORY"},
        {"media_product_type": "AD"},
        {"is_shared_to_feed": False, "media_type": "VIDEO"},
        {"is_shared_to_feed": False, "media_type": "VIDEO", "media_product_type": "REELS"},
        {"is_shared_to_feed": False, "media_type": None, "media_product_type": "REELS"},
    ],
)
def test_what_is_no_post_of_the_feed_is_left_out_in_silence(changes: dict[str, Any]) -> None:
    assert normalised(media(1), media(2, **changes)) == normalised(media(1))


@pytest.mark.parametrize("kind", ["IMAGE", "CAROUSEL_ALBUM"])
def test_only_a_video_can_be_kept_off_the_feed(kind: str) -> None:
    assert len(normalised(media(1, media_type=kind, is_shared_to_feed=False)).posts) == 1


def test_numbers_as_ids_become_text() -> None:
    assert only(media(1, id=17900000000000001))["id"] == "17900000000000001"


def test_a_video_with_its_file() -> None:
    post = normalised(video(1)).posts[0]

    assert post.filter_kind is FilterKind.VIDEO
    assert post.external["mediaType"] == "VIDEO"
    assert post.external["mediaUrl"].endswith(".mp4")
    assert post.external["thumbnailUrl"].endswith(".jpg")
    assert post.external["isReel"] is True


def test_a_video_without_its_file_is_a_still_that_filters_as_video() -> None:
    result = normalised(video(1, media_url=None))
    post = result.posts[0]

    assert (post.external["mediaType"], post.filter_kind) == ("IMAGE", FilterKind.VIDEO)
    assert "mediaUrl" not in post.external
    assert post.external["isReel"] is True
    assert result.warnings == {Warning.VIDEO_UNAVAILABLE}


def test_a_video_without_file_and_poster_is_dropped() -> None:
    result = normalised(video(1, media_url=None, thumbnail_url=None), media(2))

    assert (len(result.posts), result.warnings) == (1, {Warning.POSTS_SKIPPED})


def test_a_reel_is_known_by_its_address_where_the_product_is_not_told() -> None:
    assert only(video(1, media_product_type=None))["isReel"] is True
    feed_video = video(1, media_product_type=None, permalink="https://www.instagram.com/p/A/")
    assert "isReel" not in only(feed_video)


def album(*children: Any, **changes: Any) -> dict[str, Any]:
    return media(1, media_type="CAROUSEL_ALBUM", children={"data": list(children)}, **changes)


def child(number: int, **changes: Any) -> dict[str, Any]:
    raw = {"id": str(number), "media_type": "IMAGE", "media_url": f"https://x.example/{number}.jpg"} | changes
    return {name: value for name, value in raw.items() if value is not None}


FILM = {
    "media_type": "VIDEO",
    "media_url": "https://x.example/f.mp4",
    "thumbnail_url": "https://x.example/f.jpg",
}
NO_POSTER = FILM | {"thumbnail_url": None}
NO_FILE = FILM | {"media_url": None}
NOTHING = FILM | {"media_url": None, "thumbnail_url": None}
OWN = "https://x.example/own.jpg"
FIRST = "https://x.example/1.jpg"
POSTER = "https://x.example/f.jpg"
IMAGE, VIDEO = FilterKind.IMAGE, FilterKind.VIDEO


@pytest.mark.parametrize(
    ("raw", "shown", "kind", "children", "warnings"),
    [
        pytest.param(
            album(child(1), child(2), media_url=OWN),
            {"thumbnailUrl": OWN, "mediaUrl": OWN}, IMAGE, 2, set(), id="its own picture",
        ),
        pytest.param(
            album(child(1), media_url=None), {"thumbnailUrl": FIRST}, IMAGE, 1, set(), id="the first child's picture",
        ),
        pytest.param(
            album(child(1, **FILM), child(2), media_url=OWN),
            {"thumbnailUrl": OWN, "mediaUrl": OWN}, VIDEO, 2, set(), id="its own picture, a film as first child",
        ),
        pytest.param(
            album(child(1), media_url=OWN, thumbnail_url="https://x.example/still.jpg"),
            {"thumbnailUrl": OWN, "mediaUrl": OWN}, IMAGE, 1, set(), id="its own picture before its thumbnail",
        ),
        pytest.param(
            album(child(1, **FILM), child(2), media_url=FILM["media_url"]),
            {"thumbnailUrl": POSTER}, VIDEO, 2, set(), id="its own address is the first child's film",
        ),
        pytest.param(
            album(child(1, **FILM | {"media_url": "https://x.example/v?id=5"}), media_url="https://x.example/v?id=5"),
            {"thumbnailUrl": POSTER}, VIDEO, 1, set(), id="a film whose address does not look like one",
        ),
        pytest.param(
            album(child(1), child(2, **NO_POSTER), media_url=FILM["media_url"]),
            {"thumbnailUrl": FIRST}, IMAGE, 2, set(), id="its own address is a later child's film",
        ),
        *(
            pytest.param(
                album(child(1), media_url=f"https://x.example/other{suffix}?oe=1"),
                {"thumbnailUrl": FIRST}, IMAGE, 1, set(), id=f"its own address ends in {suffix}",
            )
            for suffix in (".mp4", ".MOV", ".m4v", ".webm")
        ),
        pytest.param(
            album(child(1), media_url="https://x.example/own.jpg?from=film.mp4"),
            {"thumbnailUrl": "https://x.example/own.jpg?from=film.mp4", "mediaUrl": "https://x.example/own.jpg?from=film.mp4"},
            IMAGE, 1, set(), id="only the path tells a film",
        ),
        pytest.param(
            album(child(1, **NO_POSTER), child(2), media_url=None),
            {"thumbnailUrl": "https://x.example/2.jpg"}, VIDEO, 2, set(), id="the first child that has a picture",
        ),
        pytest.param(
            album(child(1, **NO_POSTER), media_url=FILM["media_url"]),
            {}, VIDEO, 1, set(), id="no cover, and a film that can be shown",
        ),
        pytest.param(
            album(child(1, **NO_FILE), media_url=None),
            {"thumbnailUrl": POSTER}, VIDEO, 1, {Warning.VIDEO_UNAVAILABLE}, id="a film without its file",
        ),
        pytest.param(
            album(child(1, media_type=None), child(2), media_url=OWN),
            {"thumbnailUrl": OWN, "mediaUrl": OWN}, IMAGE, 1, {Warning.POSTS_SKIPPED}, id="a child without a type",
        ),
        pytest.param(
            album(child(1, **NOTHING), media_url=OWN),
            {"thumbnailUrl": OWN, "mediaUrl": OWN}, IMAGE, 0, {Warning.POSTS_SKIPPED}, id="a cover, and no child",
        ),
        pytest.param(
            album(media_url=OWN), {"thumbnailUrl": OWN, "mediaUrl": OWN}, IMAGE, 0, set(), id="no children",
        ),
    ],
)  # fmt: skip
def test_albums(
    raw: Any, shown: dict[str, str], kind: FilterKind, children: int, warnings: set[Warning]
) -> None:
    result = normalised(raw)
    (post,) = result.posts

    urls = {name: post.external.get(name) for name in ("thumbnailUrl", "mediaUrl")}
    assert {name: url for name, url in urls.items() if url is not None} == shown
    assert (post.external["mediaType"], post.filter_kind) == ("CAROUSEL_ALBUM", kind)
    assert len(post.external.get("children", [])) == children
    assert result.warnings == warnings


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(album(media_url=None), id="nothing at all"),
        pytest.param(album(child(1, **NOTHING), media_url=None), id="a child that cannot be shown"),
        pytest.param(album(child(1, **NOTHING), media_url=FILM["media_url"]), id="and a film as its own address"),
    ],
)  # fmt: skip
def test_an_album_without_cover_and_without_children_is_dropped(raw: Any) -> None:
    result = normalised(raw)

    assert (result.posts, result.warnings) == ((), {Warning.POSTS_SKIPPED})


def test_children_have_words_of_their_own() -> None:
    (shown,) = only(album(child(1, alt_text="A loaf")))["children"]

    assert shown["altText"] == "A loaf"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://scontent.cdninstagram.com/v/1.jpg?oh=1&oe=2", True),
        ("http://127.0.0.1:8001/media/1.jpg", True),
        ("http://127.0.0.1:8002/media/1.jpg", False),
        ("http://a.cdn.example/1.jpg", True),
        ("http://evilcdn.example/1.jpg", False),
        ("http://cdn.example.evil.example/1.jpg", False),
        ("https://user:pw@cdn.example/1.jpg", False),
        ("//cdn.example/1.jpg", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
        ("https://x.example/\x00", False),
        ("https://x.example/a b", False),
        ('https://x.example/"onload="x', False),
        ("https://[", False),
        ("https://x.example:99999999/", False),
        ("https://x.example/" + "a" * 5_000, False),
        (None, False),
        (5, False),
    ],
)
def test_media_addresses(url: object, shown: bool) -> None:
    assert media_url(url, ["127.0.0.1:8001", "cdn.example"]) == (url if shown else None)


@pytest.mark.parametrize(
    ("caption", "shown"),
    [
        ("a\x00b", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83c\udf5e", "🍞"),
        ("", None),
        (" \n", None),
        (5, None),
        ("x" * 20_000, "x" * 10_000),
    ],
)
def test_captions(caption: object, shown: str | None) -> None:
    assert only(media(1, caption=caption)).get("caption") == shown


def test_links_expire_at_the_earliest_they_tell() -> None:
    early, late = 0x6B000000, 0x6B099C4B
    raw = video(
        1,
        media_url=f"https://x.example/1.mp4?oe={late:X}",
        thumbnail_url=f"https://x.example/1.jpg?oe={early:x}",
    )

    assert normalised(raw).posts[0].links_expire_at == datetime.fromtimestamp(early, UTC)
    absurd = media(1, media_url="https://x.example/1.jpg?oe=FFFFFFFFF")
    assert normalised(absurd).posts[0].links_expire_at is None


def test_a_partial_feed_says_so() -> None:
    result = normalised(media(1), later_page_error=ProviderUnavailable())

    assert result.is_partial
    assert result.warnings == {Warning.PARTIAL_DATA}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ODD_MEDIA = st.fixed_dictionaries(
    {},
    optional={
        name: JSON
        | st.sampled_from(["IMAGE", "VIDEO", "CAROUSEL_ALBUM", "https://x.example/1", "2026-11-02T07:15:04+0000", "17"])
        for name in (
            "id", "caption", "media_type", "media_product_type", "media_url", "thumbnail_url", "permalink", "timestamp",
            "username", "alt_text", "children", "is_shared_to_feed",
        )
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    items=st.lists(ODD_MEDIA | JSON, max_size=6),
    profile=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
)
def test_nothing_that_is_json_raises_or_comes_out_unclean(items: list[Any], profile: Any) -> None:
    result = normalised(*items, media(1), profile=profile)

    text = json.dumps([post.external for post in result.posts], ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()
    assert media(1)["id"] in {post.external["id"] for post in result.posts}
