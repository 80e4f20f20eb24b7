"""Which posts are selected, in which order, and with which alternative texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paris_integration.feeds.selecting import matches_words, may_reach_far, select
from paris_integration.types import EncodedPost, FilterKind, Selection, WordRules


def post(
    post_id: str, caption: str | None = None, kind: FilterKind = FilterKind.IMAGE, **fields: Any
) -> EncodedPost:
    external = {"id": post_id, **({} if caption is None else {"caption": caption}), **fields}
    return EncodedPost(post_id, kind, None, json.dumps(external, ensure_ascii=False))


FEED = [
    post("a", "Fresh bread"),
    post("b", "New cups #sale"),
    post("c", None, FilterKind.VIDEO),
    post("d", "Bread again, #SALE today", FilterKind.VIDEO),
    post("e", "Closed on Monday"),
]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param({}, "abcde", id="everything, newest first"),
        pytest.param({"max_posts": 2}, "ab", id="the first posts"),
        pytest.param({"max_posts": 2, "hidden_ids": {"a"}}, "bc", id="the next post takes a hidden one's place"),
        pytest.param({"filter_kind": FilterKind.VIDEO}, "cd", id="only videos"),
        pytest.param({"pinned_ids": ("d", "c")}, "dcabe", id="pinned posts first, in their order"),
        pytest.param({"pinned_ids": ("e",), "max_posts": 2}, "ea", id="a pinned post beyond the number is shown"),
        pytest.param({"pinned_ids": ("d",), "hidden_ids": {"d"}}, "abce", id="hidden wins over pinned"),
        pytest.param({"pinned_ids": ("gone", "b")}, "bacde", id="a pinned post that left the feed is skipped"),
        pytest.param({"pinned_ids": ("a", "d"), "filter_kind": FilterKind.VIDEO}, "dc", id="the kind wins over pinned"),
        pytest.param({"approved_ids": set()}, "", id="nothing is approved"),
        pytest.param({"approved_ids": {"c", "e"}}, "ce", id="only approved posts"),
        pytest.param({"approved_ids": {"c"}, "pinned_ids": ("a", "c")}, "c", id="approval wins over pinned"),
        pytest.param({"words": WordRules(required=("bread",))}, "ad", id="captions with a word"),
        pytest.param({"words": WordRules(excluded=("#sale",))}, "ace", id="captions without a tag"),
        pytest.param({"words": WordRules(("bread",), ("#sale",)), "pinned_ids": ("d",)}, "a", id="words over pinned"),
    ],
)  # fmt: skip
def test_the_order_of_the_steps(chosen: dict[str, Any], expected: str) -> None:
    sets = {name: frozenset(value) for name, value in chosen.items() if isinstance(value, set)}
    selection = Selection(**{"max_posts": 48, **chosen, **sets})
    assert "".join(each.id for each in select(FEED, selection)) == expected


@pytest.mark.parametrize(
    ("word", "caption", "is_found"),
    [
        ("bread", "Fresh BREAD!", True),
        ("bread", "gingerbread", False),
        ("bread", "breadbasket", False),
        ("sale", "#sale", True),
        ("#sale", "sale", False),
        ("#sale", "#sales", False),
        ("#sale", "(#SALE)", True),
        ("new cups", "All new\n cups", True),
        ("straße", "STRASSE 5", True),
        ("café", "cafe\u0301 open", True),
        ("ｓａｌｅ", "sale", True),
        ("c++", "We like C++.", True),
        ("c++", "We like C+.", False),
        ("🎉", "party🎉🎉time", True),
        ("春", "春が来た", True),
        ("ขาย", "ลดราคาขายวันนี้", True),
        (".", "no full stop", False),
        ("bread", "", False),
        ("bread", None, False),
    ],
)
def test_words_are_found_in_captions(word: str, caption: str | None, is_found: bool) -> None:
    assert matches_words(post("a", caption), WordRules(required=(word,))) is is_found
    assert matches_words(post("a", caption), WordRules(excluded=(word,))) is not is_found


def test_one_of_the_required_words_is_enough_and_none_of_the_excluded_may_be_there() -> None:
    words = WordRules(required=("bread", "cups"), excluded=("closed", "monday"))
    assert [each.id for each in FEED if matches_words(each, words)] == ["a", "b", "d"]


def test_an_editors_alternative_text_replaces_the_one_that_came_with_the_post() -> None:
    feed = [post("a", "x", altText="theirs"), post("b", "ü"), post("c")]
    shown = select(feed, Selection(48, alt_texts={"a": 'A "loaf"', "b": "Tassen, grün"}))
    assert [json.loads(each.json).get("altText") for each in shown] == ['A "loaf"', "Tassen, grün", None]
    assert shown[2] is feed[2]
    assert "ü" in shown[1].json


@pytest.mark.parametrize(
    ("chosen", "is_far"),
    [
        ({}, False),
        ({"hidden_ids": frozenset("a")}, False),
        ({"approved_ids": frozenset()}, True),
        ({"pinned_ids": ("a",)}, True),
        ({"words": WordRules(required=("a",))}, True),
        ({"words": WordRules(excluded=("a",))}, True),
    ],
)
def test_which_selections_may_show_posts_from_anywhere_in_the_feed(
    chosen: dict[str, Any], is_far: bool
) -> None:
    assert may_reach_far(Selection(12, **chosen)) is is_far
