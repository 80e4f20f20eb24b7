"""Normalising Meta's answers: the files of tests/data/instagram, and arbitrary JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from paris_integration.providers.base import (
    DiscoveryRequest,
    FeedRequest,
    HashtagRequest,
    OwnMediaRequest,
    RawFeed,
)
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.providers.normalize import dataset, media_url
from paris_integration.types import Dataset, Login, Secret, Warning
from tests.fakes import media
from tests.recorded import ACCOUNT_ID, GRAPH, TAG_ID, Recorded, recorded, serve

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TOKEN = Secret("token")
OWN_MEDIA = OwnMediaRequest(Login.INSTAGRAM, ACCOUNT_ID, "acme.bakery", TOKEN)
DISCOVERY = DiscoveryRequest(ACCOUNT_ID, "acme.bakery", TOKEN)
HASHTAG = HashtagRequest(ACCOUNT_ID, TAG_ID, TOKEN)
PROVIDER = GraphProvider(
    HttpClient(), facebook_graph_url=GRAPH, instagram_graph_url=GRAPH, version="v26.0", timeout_seconds=5
)


def understood(request: FeedRequest, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a fetch with one call per answer, in the format of the files."""
    with responses.RequestsMock() as meta:
        pages = sum(serve(meta, edge, payload) for edge, payload in answers.items())
        raw = PROVIDER.fetch(request, max_posts=100)
        assert len(meta.calls) == pages
    result = dataset(raw, fetched_at=NOW, max_posts=100, plain_http_hosts=[])
    assert result.is_partial is (Warning.PARTIAL_DATA in result.warnings)
    outcome = {
        "posts": [post.external for post in result.posts],
        "kinds": [post.filter_kind.value for post in result.posts],
        "profile": result.profile,
        "warnings": sorted(result.warnings),
    }
    expiries = [
        at and at.isoformat().replace("+00:00", "Z") for at in (post.links_expire_at for post in result.posts)
    ]
    return outcome | ({"links_expire_at": expiries} if any(expiries) else {})


@pytest.mark.parametrize("case", recorded("own_media"))
def test_own_media(case: Recorded) -> None:
    assert understood(OWN_MEDIA, {f"{ACCOUNT_ID}/media": case.payload}) == case.expected


@pytest.mark.parametrize("case", recorded("business_discovery"))
def test_business_discovery(case: Recorded) -> None:
    assert understood(DISCOVERY, {ACCOUNT_ID: case.payload}) == case.expected


@pytest.mark.parametrize("case", recorded("hashtags"))
def test_hashtags(case: Recorded) -> None:
    """Edges that aren't in the file must not be called."""
    answers = {f"{TAG_ID}/{edge}": payload for edge, payload in case.payload.items()}

    assert understood(HASHTAG, answers) == case.expected


def normalised(*items: Any, max_posts: int = 100, **more: Any) -> Dataset:
    raw = RawFeed(media=items, **more)
    return dataset(
        raw, fetched_at=NOW, max_posts=max_posts, plain_http_hosts=["127.0.0.1:8001", "cdn.example"]
    )


def only(item: Any) -> dict[str, Any]:
    posts = normalised(item).posts
    assert len(posts) == 1
    return dict(posts[0].external)


def test_the_newest_posts_are_kept_up_to_the_requested_number() -> None:
    items = [media(3), media(1), media(2), media(1, timestamp="2026-11-30T00:00:00+0000")]

    assert [post.external["caption"] for post in normalised(*items, max_posts=2).posts] == [
        "Post 1",
        "Post 2",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "a/b"},
        {"id": True},
        {"id": -1},
        {"id": ["1"]},
        {"media_type": None},
        {"media_type": ["IMAGE"]},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-11-02T07:15:04"},
        {"timestamp": 1790000000},
        {"timestamp": "9999-12-31T23:59:59-2359"},
        {"permalink": "javascript:alert(1)"},
        {"permalink": "http://www.instagram.com/p/x/"},
        {"media_url": "data:image/png;base64,AAAA"},
        {"media_url": "https://"},
    ],
)
def test_an_invalid_item_is_dropped_with_a_warning_and_the_others_are_kept(changes: dict[str, Any]) -> None:
    items = [media(n) for n in range(24)]
    items.insert(7, media(99, **changes))

    result = normalised(*items)

    assert len(result.posts) == 24
    assert result.warnings == {Warning.POSTS_SKIPPED}


@pytest.mark.parametrize("suffix", [".mp4", ".MOV", ".m4v", ".webm"])
def test_a_video_is_not_used_as_the_cover_of_an_album(suffix: str) -> None:
    picture = {"id": "1", "media_type": "IMAGE", "media_url": "https://x.example/1.jpg"}
    own = f"https://x.example/own{suffix}?oe=1"

    post = only(media(1, media_type="CAROUSEL_ALBUM", media_url=own, children={"data": [picture]}))

    assert (post["thumbnailUrl"], "mediaUrl" in post) == (picture["media_url"], False)


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


@pytest.mark.parametrize("username", [None, 5, "", "acme bakery", "acmé", "a" * 31, "acme\n"])
def test_an_account_without_a_valid_name_has_no_profile(username: object) -> None:
    assert (
        normalised(profile={"username": username, "profile_picture_url": "https://x.example/1.jpg"}).profile
        is None
    )


def test_an_alternative_text_is_cut_earlier_than_a_caption() -> None:
    assert only(media(1, alt_text="x" * 3_000))["altText"] == "x" * 2_000


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
def test_any_json_gives_valid_posts_without_raising(items: list[Any], profile: Any) -> None:
    result = normalised(*items, media(1), profile=profile)

    text = json.dumps([post.external for post in result.posts], ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()
    assert media(1)["id"] in {post.external["id"] for post in result.posts}
