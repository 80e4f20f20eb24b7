"""Normalisation and validation of sources: all spellings of a source are one source."""

from __future__ import annotations

import pytest

from paris_integration.feeds.sources import (
    InvalidSource,
    parse_source,
    parse_source_type,
    read_source,
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
    "typed",
    [
        "acme.bakery",
        "@Acme.Bakery",
        "＠acme.bakery",
        " @acme.bakery/ ",
        "\u200eacme.bakery\u2069",
        "https://www.instagram.com/Acme.Bakery/",
        "HTTPS://WWW.INSTAGRAM.COM/ACME.BAKERY",
        "http://instagram.com/acme.bakery",
        "//instagram.com/acme.bakery",
        "instagram.com/acme.bakery",
        "instagram.com/@acme.bakery",
        "www.instagram.com./acme.bakery//",
        "m.instagram.com/acme.bakery?hl=de",
        "instagr.am/acme.bakery",
        "instagram.com:443/acme.bakery",
        "https://www.instagram.com/_u/acme.bakery",
        "https://www.instagram.com/acme.bakery?igsh=MWQ1ZGUxMzBkMA==&utm_source=qr#top",
        "https://www.instagram.com/acme.bakery/reels/",
        "https://www.instagram.com/acme.bakery/tagged/?hl=en",
        "https://www.instagram.com/acme.bakery/channel/",
    ],
)
def test_everything_that_names_an_account_is_understood(typed: str) -> None:
    assert read_source(PROFILE, typed) == Source(PROFILE, "acme.bakery")
    if typed != "acme.bakery" and "\u200e" not in typed:
        assert read_source(HASHTAG, typed) == Source(PROFILE, "acme.bakery")


@pytest.mark.parametrize(
    "typed",
    [
        "#Bread",
        "＃bread",
        " #bread ",
        "https://www.instagram.com/explore/tags/bread/",
        "instagram.com/explore/tags/BREAD?hl=fr",
        "https://www.instagram.com/Explore/Tags/bread/top/",
        "https://www.instagram.com/explore/search/keyword/?q=%23bread",
    ],
)
def test_everything_that_names_a_hashtag_is_understood(typed: str) -> None:
    assert read_source(PROFILE, typed) == read_source(HASHTAG, typed) == Source(HASHTAG, "bread")


def test_a_bare_name_is_of_the_chosen_type() -> None:
    assert read_source(PROFILE, "bread") == Source(PROFILE, "bread")
    assert read_source(HASHTAG, "bread") == Source(HASHTAG, "bread")
    assert read_source(PROFILE, "booking.com") == Source(PROFILE, "booking.com")


def test_hashtag_addresses_are_decoded() -> None:
    address = "https://www.instagram.com/explore/tags/caf%C3%A9/"
    assert read_source(PROFILE, address, unicode_tags=True) == Source(HASHTAG, "café")
    with pytest.raises(InvalidSource, match="isn't a hashtag"):
        read_source(PROFILE, address)


WHAT_WORKS = "Enter an account such as @acme.bakery, a hashtag such as #bread, or the address of either."


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("https://www.instagram.com/p/AbC/", f"is the address of a post. {WHAT_WORKS}"),
        ("instagram.com/reel/AbC?igsh=1", f"is the address of a reel. {WHAT_WORKS}"),
        ("instagram.com/reels/AbC/", f"is the address of a reel. {WHAT_WORKS}"),
        ("instagram.com/tv/AbC", f"is the address of a video. {WHAT_WORKS}"),
        ("instagram.com/acme/p/AbC", "is the address of a post. To show the posts of that account, enter @acme."),
        ("instagram.com/acme/reel/A", "is the address of a reel. To show the posts of that account, enter @acme."),
        ("instagram.com/stories/acme/1/", "is the address of a story. To show the posts of that account, enter @acme."),
        ("instagram.com/stories/highlights/1/", f"is the address of a story. {WHAT_WORKS}"),
        ("instagram.com/s/aGlnaGxpZ2h0", f"is the address of a story. {WHAT_WORKS}"),
        ("instagram.com/share/BAx1", f"is a share link, which doesn't contain a name. Open it and copy the profile's "
                                     f"name. {WHAT_WORKS}"),
        ("instagram.com/explore/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/explore/tags/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/explore/locations/1/oslo/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/explore/search/keyword/?q=bread", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/accounts/login/?next=/acme/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/direct/inbox/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/reels/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("instagram.com/reels/audio/1/", f"is one of Instagram's own pages. {WHAT_WORKS}"),
        ("https://www.instagram.com/", f"is Instagram's start page. {WHAT_WORKS}"),
        ("www.instagram.com?hl=de", f"is Instagram's start page. {WHAT_WORKS}"),
        ("instagram.com", f"is Instagram's start page. {WHAT_WORKS}"),
        ("javascript://instagram.com/a", f"isn't the address of a web page. {WHAT_WORKS}"),
        ("instagram://user?username=acme", f"isn't the address of a web page. {WHAT_WORKS}"),
        ("https://[", f"isn't a valid address. {WHAT_WORKS}"),
        ("two words", "isn't an Instagram username."),
        ("me@shop.example", "isn't an Instagram username."),
        ("instagram.com/two%20words", "isn't an Instagram username."),
        ("#two words", "isn't a hashtag."),
        ("#", "isn't a hashtag."),
        ("@", "isn't an Instagram username."),
    ],
)  # fmt: skip
def test_what_names_no_source_is_refused_with_what_was_typed(typed: str, message: str) -> None:
    with pytest.raises(InvalidSource) as refusal:
        read_source(PROFILE, typed)
    assert refusal.value.field == "sourceValue"
    assert str(refusal.value).startswith(f"“{typed}” {message}")


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("https://shop.example/instagram.com/acme", "shop.example"),
        ("https://instagram.com.evil.example/acme", "instagram.com.evil.example"),
        ("https://instagram.com@evil.example/acme", "evil.example"),
        ("www.Shop.example", "www.shop.example"),
        ("https://www.threads.net/@acme", "www.threads.net"),
        ("help.instagram.com/1", "help.instagram.com"),
    ],
)
def test_addresses_of_other_sites_are_refused_by_their_host(typed: str, host: str) -> None:
    with pytest.raises(InvalidSource) as refusal:
        read_source(PROFILE, typed)
    assert str(refusal.value) == f"“{host}” isn't Instagram. {WHAT_WORKS}"


def test_a_long_text_is_cut_in_its_message() -> None:
    with pytest.raises(InvalidSource) as refusal:
        read_source(PROFILE, "a b\n" * 500)
    assert str(refusal.value).startswith(f"“{('a b ' * 15)}…” isn't")
