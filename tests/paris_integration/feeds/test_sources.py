"""Normalisation and validation of sources: all spellings of a source are one source."""

from __future__ import annotations

import pytest

from paris_integration.feeds.sources import (
    InvalidSource,
    parse_source,
    parse_source_type,
    source_from_profile_url,
)
from paris_integration.types import Source, SourceType

PROFILE, HASHTAG = SourceType.PROFILE, SourceType.HASHTAG


@pytest.mark.parametrize("alias", ["nike", "Nike", "NIKE", "@nike", " @Nike ", "nike\n", "\tnike"])
def test_every_spelling_of_a_username_is_one_source(alias: str) -> None:
    assert parse_source(PROFILE, alias) == Source(PROFILE, "nike")


@pytest.mark.parametrize("alias", ["bread", "#bread", " #BREAD ", "Bread\n"])
def test_every_spelling_of_a_tag_is_one_source(alias: str) -> None:
    assert parse_source(HASHTAG, alias) == Source(HASHTAG, "bread")


@pytest.mark.parametrize(
    "name",
    ["a", "a" * 30, "a.b_c", "_a_", "1", "__"],
)
def test_valid_usernames_are_accepted(name: str) -> None:
    assert parse_source(PROFILE, name).value == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "@", "@@nike", "a" * 31, ".a", "a.", "a..b", "a b", "a-b", "nike\nx", "a\x00b",
        "日本", "ｎｉｋｅ", "é",
        "a){id}", "a,b", "a{media}", "a/b", "a%2e", "#nike",
    ],
)  # fmt: skip
def test_invalid_usernames_are_refused(name: str) -> None:
    with pytest.raises(InvalidSource) as refusal:
        parse_source(PROFILE, name)
    assert refusal.value.field == "sourceValue"


@pytest.mark.parametrize(
    "tag", ["", "#", "##bread", "a" * 51, "a b", "a.b", "a-b", "日本", "bre\x00ad", "🍞"]
)
def test_invalid_tags_are_refused(tag: str) -> None:
    with pytest.raises(InvalidSource):
        parse_source(HASHTAG, tag)


@pytest.mark.parametrize(
    ("tag", "value"),
    [("#日本", "日本"), ("＃Brød", "brød"), ("cafe\u0301", "café"), ("хлеб", "хлеб"), ("a" * 100, "a" * 100)],
)
def test_tags_of_every_script_are_accepted_where_allowed(tag: str, value: str) -> None:
    assert parse_source(HASHTAG, tag, unicode_tags=True) == Source(HASHTAG, value)


@pytest.mark.parametrize("tag", ["🍞", "a" * 101, "日 本", "", "#"])
def test_emoji_and_spaces_in_tags_are_refused(tag: str) -> None:
    with pytest.raises(InvalidSource):
        parse_source(HASHTAG, tag, unicode_tags=True)


@pytest.mark.parametrize("text", ["Profile", "user", "", "profile "])
def test_unknown_source_types_are_refused(text: str) -> None:
    with pytest.raises(InvalidSource) as refusal:
        parse_source_type(text)
    assert refusal.value.field == "sourceType"


@pytest.mark.parametrize(
    ("url", "username"),
    [
        ("https://www.instagram.com/Acme.Bakery/", "acme.bakery"),
        ("instagram.com/acme.bakery", "acme.bakery"),
        ("https://instagram.com/acme.bakery?igsh=abc#top", "acme.bakery"),
    ],
)
def test_a_profile_url_names_its_profile(url: str, username: str) -> None:
    assert source_from_profile_url(url) == Source(PROFILE, username)


@pytest.mark.parametrize(
    "url",
    ["https://instagram.com.evil.example/acme", "https://www.instagram.com/p/AbC/", "javascript://instagram.com/a",
     "https://www.instagram.com/", "acme.bakery", "https://[", "https://user@evil.example/instagram.com"],
)  # fmt: skip
def test_other_urls_name_no_profile(url: str) -> None:
    assert source_from_profile_url(url) is None
