"""The WordPress plugin: what its block and shortcode render, and its fields in WordPress's editor."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node import run_in
from tests.conftest import needs
from venice_api.editor.platforms import Codes, platforms

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGIN = ROOT / "clients" / "wordpress" / "instagram-feed"
HERE = Path(__file__).resolve().parent
URL = "https://feeds.example"
BLOCK, SHORTCODE = "instagram-feed/feed", "instagram_feed"
ADMINISTRATOR, CONTRIBUTOR, VISITOR = "administrator", "contributor", "visitor"
HOSTILE = (
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    '" onload="alert(1)',
    "</instagram-feed><img src=x onerror=alert(1)>",
    "[gallery] & &quot; <b>",
    "javascript:alert(1)",
    "Ümlaut 🥐",
)


class Elements(HTMLParser):
    """The elements of a piece of HTML with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def php() -> str:
    path = shutil.which("php")
    needs("php", path is not None)
    assert path is not None
    return path


@pytest.fixture(scope="module")
def node() -> str:
    path = shutil.which("node")
    needs("node", path is not None)
    assert path is not None
    return path


def render(
    php: str,
    *items: tuple[str, Any],
    constant: str | None = URL,
    author: str | None = ADMINISTRATOR,
    viewer: str = VISITOR,
) -> Any:
    page = {"items": items, "constant": constant, "author": author, "viewer": viewer}
    return json.loads(run_in(HERE, php, "wordpress.php", str(PLUGIN), text=json.dumps(page)))


def element(html: str) -> dict[str, str | None]:
    """The attributes of the only feed in this HTML, which may be in a block's `<div>` and has no other elements."""
    elements = Elements(html)
    assert elements.text == ""
    tags = [tag for tag, _ in elements.found]
    assert tags in (["instagram-feed"], ["div", "instagram-feed"])
    return elements.found[-1][1]


def documented() -> list[str]:
    section = re.split(
        r"^## (?:Attributes|Columns)$", (ROOT / "docs" / "widget.md").read_text(), flags=re.MULTILINE
    )[1]
    names = [
        re.findall(r"`([\w-]+)`", cell) for cell in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    ]
    return sorted(name for cell in names for name in cell if name != "base-url")


def camel_case(name: str) -> str:
    return re.sub(r"-(.)", lambda found: found[1].upper(), name)


def test_the_files_have_valid_syntax(php: str, node: str) -> None:
    for file in PLUGIN.glob("*.php"):
        run_in(PLUGIN, php, "-l", file.name)
    run_in(PLUGIN, node, "--check", "editor.js")


def test_the_editors_shortcode_renders_the_element_and_loads_the_script(php: str) -> None:
    codes = Codes(URL, "wgt_1.1.s1gned", "<html>", "<iframe>")
    wordpress = next(platform for platform in platforms(codes) if platform.key == "wordpress")
    found = re.fullmatch(r"\[(\w+)((?: [\w-]+=\"[^\"\]]*\")+)\]", wordpress.ways[0].code)
    assert found is not None
    attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', found[2]))
    for constant in (None, URL):
        page = render(php, (found[1], attributes), constant=constant)
        assert element(page["html"][0]) == {"base-url": URL, "token": "wgt_1.1.s1gned"}
        assert page["scripts"] == {
            "instagram-feed-widget": {
                "src": f"{URL}/embed/widget.js",
                "version": None,
                "strategy": "async",
                "in_footer": True,
            }
        }


def test_every_documented_attribute_is_accepted_in_shortcodes_and_blocks(php: str) -> None:
    values = {name: f"value of {name}" for name in documented()}
    expected = {"base-url": URL, **values}
    page = render(
        php,
        (SHORTCODE, values),
        (SHORTCODE, {name.replace("-", "_"): value for name, value in values.items()}),
        (BLOCK, {camel_case(name): value for name, value in values.items()}),
    )
    assert [element(html) for html in page["html"]] == [expected] * 3


def test_numbers_are_kept_and_empty_values_are_left_out(php: str) -> None:
    values = {"token": " t ", "gap": 0, "page-size": "0", "layout": "", "lang": " "}
    page = render(php, (SHORTCODE, values))
    assert element(page["html"][0]) == {"base-url": URL, "token": "t", "gap": "0", "page-size": "0"}


@pytest.mark.parametrize("kind", [SHORTCODE, BLOCK])
def test_hostile_values_stay_values(php: str, kind: str) -> None:
    items = []
    for hostile in HOSTILE:
        names = documented() if kind == SHORTCODE else map(camel_case, documented())
        items.append((kind, dict.fromkeys(names, hostile)))
    page = render(php, *items)
    for hostile, html in zip(HOSTILE, page["html"], strict=True):
        assert element(html) == {"base-url": URL, **dict.fromkeys(documented(), hostile)}
        assert "[" not in html  # WordPress would run a shortcode in it


def test_unknown_attributes_are_dropped(php: str) -> None:
    unknown = {
        "onclick": "alert(1)", "onload": "alert(1)", "style": "position:fixed", "class": "x", "id": "x", "src": "x",
        "base-url": "https://evil.example", "base_url": "https://evil.example", "baseUrl": "https://evil.example",
        "preview": "1", "source-value": "x", 'x"><script>alert(1)</script>': "x", "0": "positional",
        "className": "x", "align": "wide",
    }  # fmt: skip
    page = render(php, (SHORTCODE, {"token": "t", **unknown}), (BLOCK, {"token": "t", **unknown}))
    assert [element(html) for html in page["html"]] == [{"base-url": URL, "token": "t"}] * 2


def test_values_that_are_no_text_are_dropped(php: str) -> None:
    values = {"token": "t", "layout": ["grid"], "theme": {"a": "b"}, "gap": None, "header": True}
    page = render(php, (BLOCK, values))
    assert element(page["html"][0]) == {"base-url": URL, "token": "t"}


@pytest.mark.parametrize(
    "attributes", ["", {}, {"token": ""}, {"token": " "}, {"token": ["t"]}, {"layout": "grid"}]
)
def test_without_a_token_editors_see_why_and_visitors_nothing(php: str, attributes: Any) -> None:
    items = [(SHORTCODE, attributes), (BLOCK, attributes or {})]
    page = render(php, *items)
    assert page == {"html": ["", ""], "scripts": []}
    page = render(php, *items, viewer=CONTRIBUTOR)
    assert all("The token is missing." in Elements(html).text for html in page["html"])
    assert page["scripts"] == []


def test_several_feeds_load_the_script_once_and_pages_without_feeds_never(php: str) -> None:
    page = render(php, (SHORTCODE, {"token": "a"}), (BLOCK, {"token": "b"}), (SHORTCODE, {"token": "c"}))
    assert [element(html)["token"] for html in page["html"]] == ["a", "b", "c"]
    assert list(page["scripts"]) == ["instagram-feed-widget"]
    assert render(php)["scripts"] == []


def test_feeds_of_two_services_load_one_script_and_name_their_own_service(php: str) -> None:
    urls = ["https://one.example", "http://127.0.0.1:8000"]
    items = [(SHORTCODE, {"token": "t", "url": f"{url}/"}) for url in urls]
    page = render(php, *items, constant=None)
    assert [element(html)["base-url"] for html in page["html"]] == urls
    assert [script["src"] for script in page["scripts"].values()] == [f"{urls[0]}/embed/widget.js"]


def test_the_constant_wins_over_the_attribute(php: str) -> None:
    page = render(php, (SHORTCODE, {"token": "t", "url": "https://evil.example"}), constant=f"{URL}/")
    assert element(page["html"][0])["base-url"] == URL
    assert page["scripts"]["instagram-feed-widget"]["src"] == f"{URL}/embed/widget.js"


@pytest.mark.parametrize("author", [CONTRIBUTOR, None])
def test_authors_who_may_not_publish_scripts_cant_choose_the_scripts_url(
    php: str, author: str | None
) -> None:
    items = [(kind, {"token": "t", "url": "https://evil.example"}) for kind in (SHORTCODE, BLOCK)]
    page = render(php, *items, constant=None, author=author)
    assert page == {"html": ["", ""], "scripts": []}
    page = render(php, *items, constant=None, author=author, viewer=CONTRIBUTOR)
    assert all("define INSTAGRAM_FEED_URL" in Elements(html).text for html in page["html"])
    assert "evil" not in json.dumps(page)
    assert render(php, *items, author=author)["html"][0]


@pytest.mark.parametrize(
    "url",
    [
        "", "feeds.example", "//feeds.example", "javascript:alert(1)", "data:text/javascript,alert(1)",
        "ftp://feeds.example", "https://", "https://user:word@feeds.example", "https://feeds.example?x=1",
        "https://feeds.example#x", 'https://feeds.example"><script>', "https://feeds.example/a b",
        "https://feeds.example\\@evil.example", ["https://feeds.example"],
    ],
)  # fmt: skip
def test_wrong_urls_are_refused(php: str, url: Any) -> None:
    page = render(php, (SHORTCODE, {"token": "t", "url": url}), constant=None)
    assert page == {"html": [""], "scripts": []}


def test_the_block_has_a_field_for_each_attribute(node: str) -> None:
    block = json.loads((PLUGIN / "block.json").read_text())
    names = {camel_case(name) for name in documented()} | {"url"}
    assert set(block["attributes"]) == names
    editor = json.loads(
        run_in(
            HERE, node, "wordpress_editor.mjs", str(PLUGIN / block["editorScript"].removeprefix("file:./"))
        )
    )
    assert editor["names"] == [block["name"]] == [BLOCK]
    assert editor["saved"] is None
    assert set(editor["fields"]) == names
    for name, field in editor["fields"].items():
        assert field["label"]
        assert field["changed"] == {name: "new"}
        assert field.get("options") == block["attributes"][name].get("enum")
    assert editor["fields"]["layout"]["value"] == "carousel"
    assert editor["fields"]["gap"]["value"] == ""


def test_all_files_name_the_same_version() -> None:
    version = json.loads((PLUGIN / "block.json").read_text())["version"]
    for file, pattern in (
        ("instagram-feed.php", r"Version: +(\S+)"),
        ("editor.asset.php", r"'version' +=> '(\S+)'"),
        ("readme.txt", r"Stable tag: (\S+)"),
    ):
        assert re.findall(pattern, (PLUGIN / file).read_text()) == [version]
