"""The scripts of the widget as they are served, and the embed code."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.test import Client

from tests.processes.canned import APPEARANCE
from venice_api.embed.scripts import FILES, script_of
from venice_api.embed_code import Reserve, embed_code, stylesheet

CORE_MAX_BYTES = 8_000
FOLDER = Path("venice_api/static/embed")
LANGUAGES = {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ja", "ar"}


def test_the_script_that_every_page_loads_is_small() -> None:
    bodies = script_of("widget")

    assert len(bodies["br"].content) < len(bodies["gzip"].content) <= CORE_MAX_BYTES


def test_the_minified_script_is_that_of_the_source() -> None:
    """In a separate process: the minifier brings a runtime with threads, and other tests fork."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.minified", "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.cached
@pytest.mark.parametrize("name", FILES)
def test_any_site_can_load_the_scripts(client: Client, name: str) -> None:
    response = client.get(f"/embed/{name}.js")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/javascript")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert client.get(f"/embed/{name}.js", headers={"if-none-match": response["ETag"]}).status_code == 304


@pytest.mark.cached
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, *", None),
        ("deflate", None),
        ("", None),
    ],
)
def test_a_script_comes_compressed_if_the_browser_can_read_that(
    client: Client, name: str, accepted: str, encoding: str | None
) -> None:
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    headers = {"accept-encoding": accepted}

    response = client.get(f"/embed/{name}.js", headers=headers)

    assert response.headers.get("Content-Encoding") == encoding
    assert unpack(response.content) == (FOLDER / FILES[name]).read_bytes()
    assert response["Vary"] == "Accept-Encoding"
    unchanged = client.get(f"/embed/{name}.js", headers={**headers, "if-none-match": response["ETag"]})
    assert (unchanged.status_code, unchanged["ETag"]) == (304, response["ETag"])


@pytest.mark.cached
def test_each_encoding_of_a_script_has_its_own_etag(client: Client) -> None:
    answers = [
        client.get("/embed/widget.js", headers={"accept-encoding": name}) for name in ("br", "gzip", "")
    ]

    assert len({answer["ETag"] for answer in answers}) == 3
    other = client.get("/embed/widget.js", headers={"if-none-match": answers[0]["ETag"]})
    assert other.status_code == 200


@pytest.mark.cached
def test_a_browser_shows_the_script_it_has_while_it_asks_for_a_new_one(client: Client) -> None:
    assert client.get("/embed/widget.js")["Cache-Control"] == (
        "public, max-age=300, stale-while-revalidate=86400"
    )


def test_every_module_that_the_widget_imports_is_served() -> None:
    imported = set(re.findall(r"/embed/(\w+)\.js", (FOLDER / "widget.js").read_text()))
    loaded = set(re.findall(r'load\("(\w+)"\)', (FOLDER / "widget.js").read_text()))

    assert imported | loaded | {"carousel", "masonry"} == set(FILES) - {"widget"}


def texts_of(language: str) -> dict[str, str]:
    """The texts of a language. Those in English are in two files."""
    script = (FOLDER / "languages.js").read_text()
    block = re.search(rf"^  {language}: \{{$(.*?)^  \}},$", script, re.DOTALL | re.MULTILINE)
    assert block, language
    found = dict(re.findall(r'^    (\w+):\s+"(.*)",$', block[1], re.MULTILINE))
    if language == "en":
        core = re.search(r"const TEXTS = \{(.*?)\};", (FOLDER / "widget.js").read_text(), re.DOTALL)
        assert core
        found |= dict(re.findall(r'(\w+): "(.*)",', core[1]))
    return found


@pytest.mark.parametrize("language", sorted(LANGUAGES - {"en"}))
def test_every_language_has_every_text(language: str) -> None:
    english, texts = texts_of("en"), texts_of(language)

    assert len(english) == 28
    assert texts.keys() == english.keys()
    assert all(texts.values())
    for key, text in texts.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key


def test_the_widget_knows_all_languages_and_no_other() -> None:
    named = re.search(r"const LANGUAGES = `([a-z ]+)", (FOLDER / "widget.js").read_text())
    written = re.findall(r"^  (\w\w): \{$", (FOLDER / "languages.js").read_text(), re.MULTILINE)

    assert named
    assert {"en", "ar", *named[1].split()} == set(written) == LANGUAGES


LOOK: dict[str, Any] = APPEARANCE | {
    "layout": "carousel",
    "columns": {"wide": 3, "narrow": 1},
    "gap": 0,
    "tileRatio": "4:5",
    "header": False,
    "captions": "below",
    "pageSize": 6,
    "theme": "dark",
    "click": "none",
}


def test_the_embed_code_has_no_look_in_attributes() -> None:
    """They would win over what the editor saves later."""
    code = embed_code("https://feeds.example", "TOKEN", Reserve.of(12, LOOK, has_profile=True))

    element = code.splitlines()[-1]
    assert element == (
        '<instagram-feed token="TOKEN" reserve="12 layout:carousel columns:3/1 ratio:4:5 gap:0 captions:below '
        'page:6"></instagram-feed>'
    )


@pytest.mark.parametrize(
    ("appearance", "words"),
    [
        (None, "12 profile"),
        (APPEARANCE, "12 profile"),
        (APPEARANCE | {"header": False}, "12"),
        (
            APPEARANCE | {"layout": "masonry", "tileRatio": "original"},
            "12 profile layout:masonry ratio:original",
        ),
    ],
)
def test_the_embed_code_remembers_the_look(appearance: dict[str, Any] | None, words: str) -> None:
    assert Reserve.of(12, appearance, has_profile=True).words == words


def test_the_header_of_a_hashtag_is_reserved_only_if_it_is_on() -> None:
    assert Reserve.of(12, None, has_profile=False).words == "12"
    assert Reserve.of(12, APPEARANCE, has_profile=False).words == "12 profile"


def test_the_css_asks_for_the_width_of_the_element() -> None:
    css = stylesheet(Reserve(12, columns=5, columns_narrow=4), Reserve(12, columns=5, columns_narrow=4))

    assert "container-type: inline-size" in css
    assert "@media" not in css
    assert re.findall(r"min-width: (\d+)px.*?--igf-columns: (\d)", css) == [
        ("300", "3"),
        ("480", "4"),
        ("900", "5"),
    ]
