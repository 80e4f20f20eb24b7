"""Sites as people type them."""

from __future__ import annotations

import pytest

from venice_api.values import InvalidInput, TypedOrigin, typed_origins


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("shop.example", "https://shop.example"),
        ("Shop.Example/", "https://shop.example"),
        ("//shop.example", "https://shop.example"),
        ("http://shop.example", "http://shop.example"),
        ("HTTPS://Shop.example:443", "https://shop.example"),
        ("shop.example:8443", "https://shop.example:8443"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("https://localhost", "https://localhost"),
        ("https://intranet", "https://intranet"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_a_site_is_understood(typed: str, origin: str) -> None:
    assert typed_origins(typed) == [TypedOrigin(origin)]


def test_sites_are_separated_by_lines_commas_or_spaces() -> None:
    typed = "a.example, b.example\r\n\r\n  c.example;d.example e.example\n"
    assert [site.origin for site in typed_origins(typed)] == [f"https://{name}.example" for name in "abcde"]
    assert typed_origins(" \n ") == []


@pytest.mark.parametrize(
    "typed", ["shop.example/path", "https://shop.example/?a=b", "https://shop.example/#top"]
)
def test_of_a_page_its_site_counts_and_a_note_says_so(typed: str) -> None:
    (site,) = typed_origins(typed)
    assert site.origin == "https://shop.example"
    assert site.note == f"“{typed}” is a page's address, so its site was saved: https://shop.example"


NO_SITE = "isn't the address of a site, such as https://shop.example."


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("*", "“*” can't be entered. To allow any site, leave the field empty."),
        (
            "*.shop.example",
            "“*.shop.example” contains a wildcard. Enter each site, such as https://www.shop.example.",
        ),
        ("https://*.shop.example", "“https://*.shop.example” contains a wildcard."),
        ("shop", f"“shop” {NO_SITE}"),
        ("ftp://shop.example", f"“ftp://shop.example” {NO_SITE}"),
        ("file:///home", f"“file:///home” {NO_SITE}"),
        ("me@shop.example", f"“me@shop.example” {NO_SITE}"),
        ("https://me:pw@shop.example", f"“https://me:pw@shop.example” {NO_SITE}"),
        ("shop..example", f"“shop..example” {NO_SITE}"),
        ("shop.example:99999", f"“shop.example:99999” {NO_SITE}"),
        ("https://[", f"“https://[” {NO_SITE}"),
        ("a." * 60, f"“{'a.' * 50}…” {NO_SITE}"),
    ],
)
def test_what_is_no_site_is_refused_with_what_was_typed(typed: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        typed_origins(f"ok.example {typed}")
    assert refusal.value.field == "allowedOrigins"
    assert refusal.value.message.startswith(message)
