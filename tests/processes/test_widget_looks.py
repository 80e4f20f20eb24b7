"""How the widget looks: layouts, header, captions, colours, languages, and what it shows when there are no posts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.axe import problems_at_widths
from tests.processes.canned import APPEARANCE, FEED_PATH, Canned, canned_service, feed
from tests.processes.publishing import opened, wait_for, wait_for_widgets
from tests.shifts import WATCH_SHIFTS, total_shift

pytestmark = [pytest.mark.processes, pytest.mark.browser]
Scheme = Literal["light", "dark"]
PAGES: dict[str, str] = {
    "light": "",
    "dark": "<style>:root { color-scheme: dark; color: #e8e6e3; background: #181a1b; }</style>",
}
LAYOUTS = ("grid", "carousel", "masonry")


@pytest.fixture(scope="module")
def running() -> Iterator[Canned]:
    with canned_service() as canned:
        yield canned


@pytest.fixture
def service(running: Canned) -> Canned:
    running.reset()
    return running


def posts_of(service: Canned, count: int = 12) -> list[dict[str, Any]]:
    """Square, upright and wide pictures in turn."""
    sizes = ((1080, 1080), (1080, 1350), (1080, 720))
    return [service.post(number, *sizes[number % 3]) for number in range(count)]


def page_with(
    service: Canned, attributes: str = "", *, style: str = "", count: int = 12, **answer: Any
) -> str:
    service.feeds["t"] = feed(posts_of(service, count), **answer)
    script = f"<script src='{service.base_url}/embed/widget.js'></script>"
    return service.page(f"{style}{script}<instagram-feed token=t {attributes}></instagram-feed>")


def computed(element: Locator, name: str) -> str:
    found: str = element.evaluate("(element, name) => getComputedStyle(element)[name]", name)
    return found


def boxes(page: Page) -> list[dict[str, float]]:
    """Where the tiles are, in the order of the document."""
    found: list[dict[str, float]] = page.locator("instagram-feed .tile").evaluate_all(
        "all => all.map(tile => tile.getBoundingClientRect().toJSON())"
    )
    return found


def window(width: int, height: int = 900) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": height}}


# --- What the editor saved, and attributes ---------------------------------------------------------------------------


def test_the_feed_looks_as_saved(service: Canned, browser: Browser) -> None:
    saved = APPEARANCE | {
        "columns": {"wide": 3, "narrow": 1},
        "gap": 4,
        "radius": 0,
        "tileRatio": "4:5",
        "header": False,
        "captions": "below",
        "captionLength": 3,
        "showDate": True,
        "pageSize": 6,
        "theme": "dark",
    }
    with opened(browser, page_with(service, appearance=saved), **window(1280)) as (page, *_):
        posts = page.locator("instagram-feed .posts")
        assert len(computed(posts, "gridTemplateColumns").split()) == 3
        assert (computed(posts, "columnGap"), computed(posts, "color")) == ("4px", "rgb(241, 237, 244)")
        tile = page.locator("a.tile").first
        assert computed(tile, "borderRadius") == "0px"
        box = boxes(page)[0]
        assert box["height"] / box["width"] == pytest.approx(1.25, abs=0.01)
        assert page.locator(".profile").count() == 0
        assert posts.locator("li").count() == 6
        assert posts.locator(".below").first.inner_text() == "Cap…\nNovember 20, 2026"
        page.set_viewport_size({"width": 600, "height": 900})
        assert len(computed(posts, "gridTemplateColumns").split()) == 1


def test_attributes_win(service: Canned, browser: Browser) -> None:
    saved = APPEARANCE | {"layout": "masonry", "gap": 4, "radius": 0, "captions": "below", "showDate": True}
    saved |= {"header": False, "pageSize": 6, "tileRatio": "4:5", "theme": "dark", "click": "none"}
    attributes = (
        "layout=grid columns=5 gap=8 radius=3 captions=none show-date=off header=on page-size=0 "
        "tile-ratio=1:1 theme=auto click=instagram"
    )
    with opened(browser, page_with(service, attributes, appearance=saved), **window(1280)) as (page, *_):
        posts = page.locator("instagram-feed .grid")
        assert len(computed(posts, "gridTemplateColumns").split()) == 5
        assert (computed(posts, "columnGap"), computed(posts, "color")) == ("8px", "rgb(0, 0, 0)")
        assert computed(page.locator("a.tile").first, "borderRadius") == "3px"
        assert boxes(page)[0]["height"] == pytest.approx(boxes(page)[0]["width"])
        assert page.locator(".profile").count() == 1
        assert page.locator(".below, .caption").count() == 0
        assert posts.locator("li").count() == 12


def test_values_that_make_no_sense_are_ignored(service: Canned, browser: Browser) -> None:
    attributes = (
        "layout=pile columns=13 columns-narrow=0 gap=-1 radius=wide tile-ratio=2:1 captions='' caption-length=x "
        "show-date=maybe click=twice theme=neon page-size=1.5 header=yes reserve='columns: x:y profile 900 gap:x'"
    )
    with opened(browser, page_with(service, attributes), **window(1280)) as (page, said, _):
        posts = page.locator("instagram-feed .grid")
        assert len(computed(posts, "gridTemplateColumns").split()) == 4
        assert (computed(posts, "columnGap"), posts.locator("a.tile").count()) == ("10px", 12)
        assert said == []


def test_custom_properties_of_the_page_win_over_what_is_saved(service: Canned, browser: Browser) -> None:
    style = "<style>instagram-feed { --igf-gap: 1px; --igf-radius: 2px }</style>"
    with opened(browser, page_with(service, style=style, appearance=APPEARANCE)) as (page, *_):
        assert computed(page.locator("instagram-feed .posts"), "columnGap") == "1px"
        assert computed(page.locator("a.tile").first, "borderRadius") == "2px"


def test_a_changed_look_needs_no_other_request(service: Canned, browser: Browser) -> None:
    with opened(browser, page_with(service)) as (page, *_):
        element = page.locator("instagram-feed")
        element.evaluate(
            "feed => { feed.setAttribute('columns', 3); feed.setAttribute('layout', 'masonry') }"
        )
        expect(element.locator(".masonry li")).to_have_count(12)
        element.evaluate("feed => feed.removeAttribute('layout')")
        expect(element.locator(".grid li")).to_have_count(12)
        assert service.asked.count(FEED_PATH) == 1
        element.evaluate("feed => feed.setAttribute('max-posts', 3)")
        wait_for(page, lambda: service.asked.count(FEED_PATH) == 2)


@pytest.mark.parametrize(
    ("around", "width"),
    [
        ("display: flex", 484),
        ("display: flex; flex-direction: column; align-items: center", 500),
        ("display: grid; justify-items: start", 500),
        ("display: block; padding: 0 20px", 460),
    ],
)
def test_the_element_takes_the_width_it_is_given(
    service: Canned, browser: Browser, around: str, width: int
) -> None:
    """Also where a box would be as wide as its content, which the widget's columns don't have."""
    style = f"<style>body {{ box-sizing: border-box; width: 500px; margin: 0; {around} }} h1 {{ width: 0; }}</style>"
    style += "<h1></h1>" if around == "display: flex" else ""
    with opened(browser, page_with(service, style=style)) as (page, *_):
        box = page.locator("instagram-feed").bounding_box()
        assert box is not None
        assert box["width"] >= width


# --- Captions, icons and clicks --------------------------------------------------------------------------------------


LONG = "Sourdough Monday, again: 36 hours of patience and 40 minutes of oven"


@pytest.mark.parametrize(
    ("caption", "length", "shown"),
    [
        (LONG, 0, LONG),
        (LONG, 20, "Sourdough Monday…"),
        (LONG, 16, "Sourdough Monday…"),
        (LONG, 9, "Sourdough…"),
        (LONG, 5, "Sourd…"),
        (LONG, 500, LONG),
        ("パンの朝。おはようございます", 4, "パンの朝…"),
        ("🥐🥐🥐", 2, "🥐🥐…"),
    ],
)
def test_captions_are_cut_at_a_word(
    service: Canned, browser: Browser, caption: str, length: int, shown: str
) -> None:
    post = service.post(1, caption=caption)
    url = service.feed_page([post], attributes=f"captions=below caption-length={length}")
    with opened(browser, url) as (page, *_):
        assert page.locator("instagram-feed .below").inner_text() == shown


@pytest.mark.parametrize("way", ["hover", "focus"])
def test_captions_appear_on_hover_and_focus(service: Canned, browser: Browser, way: str) -> None:
    with opened(browser, page_with(service, "show-date=on"), reduced_motion="reduce") as (page, *_):
        tile = page.locator("a.tile").first
        caption = tile.locator(".caption")
        assert computed(caption, "opacity") == "0"
        if way == "hover":
            tile.hover()
        else:
            page.keyboard.press("Tab")
            page.keyboard.press("Tab")
        assert computed(caption, "opacity") == "1"
        assert caption.inner_text() == "Caption 0\nNovember 20, 2026"


def test_words_over_a_white_picture_are_readable(service: Canned, browser: Browser) -> None:
    white = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(white, "PNG")
    url = page_with(service, "caption-length=0", count=1)
    service.feeds["t"]["posts"][0] |= {"caption": LONG * 3, "isReel": True}
    page = browser.new_page(reduced_motion="reduce")
    page.route("**/media/**", lambda route: route.fulfill(body=white.getvalue(), content_type="image/png"))
    page.goto(url)
    page.locator("a.tile").hover()
    page.locator("a.tile img").evaluate("image => image.decode()")
    for name in (".caption span", ".badge"):
        element = page.locator(f"instagram-feed {name}")
        element.evaluate("element => { element.style.color = 'transparent' }")
        shot = Image.open(io.BytesIO(element.screenshot())).convert("L")
        inner = shot.crop((shot.width // 3, 1, shot.width * 2 // 3, shot.height - 1))  # without its corners
        lightest = inner.getextrema()[1]
        assert isinstance(lightest, int)
        assert 1.05 / (((lightest / 255) ** 2.2) + 0.05) >= 4.5, name
    page.close()


@pytest.mark.parametrize("width", [140, 360, 1280])
def test_icons_do_not_cover_small_tiles(service: Canned, browser: Browser, width: int) -> None:
    url = page_with(service, "columns=12 columns-narrow=6", count=3)
    service.feeds["t"]["posts"][0] |= {"isReel": True, "mediaType": "VIDEO"}
    service.feeds["t"]["posts"][1] |= {"mediaType": "VIDEO"}
    service.feeds["t"]["posts"][2] |= {"mediaType": "CAROUSEL_ALBUM"}
    with opened(browser, url, **window(width)) as (page, *_):
        badges = page.locator("instagram-feed .badge")
        assert badges.evaluate_all("all => all.map(badge => badge.ariaLabel)") == ["Reel", "Video", "Album"]
        assert (
            boxes(page)[0]["width"] * 0.3
            >= badges.first.evaluate("badge => badge.getBoundingClientRect()")["width"]
        )


def test_a_click_opens_what_the_look_says(service: Canned, browser: Browser) -> None:
    with opened(browser, page_with(service, "click=none", count=2)) as (page, *_):
        assert page.locator("instagram-feed li :is(a, button, [role=button])").count() == 0
        page.locator("instagram-feed .tile").first.click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.locator("instagram-feed li img").first.get_attribute("alt") == "Picture 0"
    with opened(browser, page_with(service, appearance=APPEARANCE | {"click": "instagram"})) as (page, *_):
        page.context.route("https://www.instagram.com/**", lambda route: route.fulfill(body="there"))
        with page.context.expect_page() as went:
            page.locator("a.tile").first.click()
        assert went.value.url == "https://www.instagram.com/p/0/"
        went.value.close()
    with opened(browser, page_with(service)) as (page, *_):
        page.locator("a.tile").first.click()
        expect(page.get_by_role("dialog")).to_have_count(1)


# --- Carousel --------------------------------------------------------------------------------------------------------


def scrolled(page: Page) -> float:
    found: float = page.locator("instagram-feed .carousel").evaluate("list => Math.abs(list.scrollLeft)")
    return found


@pytest.mark.parametrize("attributes", ["", "lang=ar"], ids=["left to right", "right to left"])
@pytest.mark.parametrize(("width", "visible"), [(1280, 4), (600, 2)])
def test_a_carousel_by_buttons(
    service: Canned, browser: Browser, width: int, visible: int, attributes: str
) -> None:
    url = page_with(service, f"layout=carousel {attributes}", count=8)
    with opened(browser, url, reduced_motion="reduce", **window(width)) as (page, *_):
        label = (
            {"previous": "السابق", "next": "التالي"}
            if attributes
            else {"previous": "Previous", "next": "Next"}
        )
        previous, following = (page.get_by_role("button", name=label[name]) for name in ("previous", "next"))
        shown = page.locator("instagram-feed .slider").bounding_box()
        assert shown is not None
        inside = [
            box
            for box in boxes(page)
            if box["left"] >= shown["x"] - 1 and box["right"] <= shown["x"] + shown["width"] + 1
        ]
        assert len(inside) == visible
        assert (boxes(page)[0]["left"] > boxes(page)[1]["left"]) is bool(attributes)
        expect(previous).to_have_attribute("aria-disabled", "true")
        steps = 8 // visible - 1
        for _ in range(steps):
            before = scrolled(page)
            following.click()
            wait_for(page, lambda before=before: scrolled(page) > before)
        expect(following).to_have_attribute("aria-disabled", "true")
        previous.click()
        expect(following).not_to_have_attribute("aria-disabled", "true")


def test_a_carousel_by_keys(service: Canned, browser: Browser) -> None:
    url = page_with(service, "layout=carousel hide-profile", count=8)
    with opened(browser, url, reduced_motion="reduce", **window(600)) as (page, *_):
        tiles = page.locator("a.tile")
        tiles.first.focus()
        for number in range(1, 4):
            page.keyboard.press("ArrowRight")
            assert tiles.nth(number).evaluate("tile => tile.getRootNode().activeElement === tile")
        wait_for(page, lambda: 0 <= boxes(page)[3]["left"] < 600)
        page.keyboard.press("ArrowLeft")
        assert tiles.nth(2).evaluate("tile => tile.getRootNode().activeElement === tile")


def test_a_carousel_without_links_can_be_scrolled_by_keys(service: Canned, browser: Browser) -> None:
    url = page_with(service, "layout=carousel click=none hide-profile", count=8)
    with opened(browser, url, reduced_motion="reduce", **window(600)) as (page, *_):
        page.locator("instagram-feed .carousel").focus()
        page.keyboard.press("ArrowRight")
        wait_for(page, lambda: scrolled(page) > 0)


def test_a_carousel_snaps_and_stands_still(service: Canned, browser: Browser) -> None:
    url = page_with(service, "layout=carousel page-size=3", count=8)
    for motion, behavior in (("reduce", "auto"), ("no-preference", "smooth")):
        with opened(browser, url, reduced_motion=motion, **window(600)) as (page, *_):
            posts = page.locator("instagram-feed .carousel")
            assert computed(posts, "scrollBehavior") == behavior
            assert computed(posts, "scrollSnapType") == "x mandatory"
            assert posts.locator("li").count() == 8
            assert page.locator("instagram-feed button:not(.step)").count() == 0
            page.mouse.move(300, 200)
            page.mouse.wheel(200, 0)
            wait_for(page, lambda: scrolled(page) > 0)
            wait_for(page, lambda: min(abs(box["left"] - 8) for box in boxes(page)) < 1)


def test_a_carousel_that_fits_has_no_buttons(service: Canned, browser: Browser) -> None:
    with opened(browser, page_with(service, "layout=carousel", count=3), **window(1280)) as (page, *_):
        expect(page.locator("instagram-feed .step").first).to_be_hidden()
        expect(page.locator("instagram-feed .step").last).to_be_hidden()


# --- Masonry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "columns"), [(1280, 4), (600, 2)])
@pytest.mark.parametrize("attributes", ["", "captions=below show-date=on dir=rtl"], ids=["tiles", "captions"])
def test_masonry_shows_whole_pictures_in_columns(
    service: Canned, browser: Browser, width: int, columns: int, attributes: str
) -> None:
    with opened(browser, page_with(service, f"layout=masonry {attributes}"), **window(width)) as (page, *_):
        shapes = [round(box["height"] / box["width"], 2) for box in boxes(page)]
        assert shapes == [1, 1.25, 0.67] * 4
        items: list[dict[str, float]] = page.locator("instagram-feed li").evaluate_all(
            "all => all.map(item => item.getBoundingClientRect().toJSON())"
        )
        assert len({round(item["left"]) for item in items}) == columns
        assert not any(overlap(one, other) for one in items for other in items if one is not other)
        assert [item["top"] for item in items[:columns]] == [items[0]["top"]] * columns
        # A later post never begins above an earlier one: the eye and the keyboard go the same way.
        assert [item["top"] for item in items] == sorted(item["top"] for item in items)
        box = page.locator("instagram-feed .masonry").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] == pytest.approx(max(item["bottom"] for item in items), abs=1)


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["left"] < other["right"] - 1
        and other["left"] < one["right"] - 1
        and one["top"] < other["bottom"] - 1
        and other["top"] < one["bottom"] - 1
    )


def test_masonry_with_more_posts(service: Canned, browser: Browser) -> None:
    with opened(browser, page_with(service, "layout=masonry page-size=5"), **window(1280)) as (page, *_):
        height = page.locator("instagram-feed .masonry").bounding_box()
        page.get_by_role("button", name="Show more posts").click()
        expect(page.locator("a.tile")).to_have_count(10)
        grown = page.locator("instagram-feed .masonry").bounding_box()
        assert height is not None
        assert grown is not None
        assert grown["height"] > height["height"]
        found = boxes(page)
        assert not any(overlap(one, other) for one in found for other in found if one is not other)


@pytest.mark.parametrize("attributes", ["layout=masonry", "tile-ratio=original"])
def test_whole_pictures_move_nothing_when_they_load(
    service: Canned, browser: Browser, attributes: str
) -> None:
    page = browser.new_page(**window(1280, 3_000))
    page.add_init_script(WATCH_SHIFTS)
    page.route("**/media/**", lambda route: route.abort())
    page.goto(page_with(service, f"{attributes} reserve='12 profile'"))
    wait_for_widgets(page)
    before = boxes(page)
    page.unroute("**/media/**")
    page.evaluate("shifts.length = 0; shiftObserver.takeRecords()")
    page.locator("instagram-feed").evaluate("feed => feed.setAttribute('theme', 'light')")
    wait_for_widgets(page)
    page.evaluate("() => new Promise(seen => requestAnimationFrame(() => requestAnimationFrame(seen)))")
    assert boxes(page) == before
    assert total_shift(page) == 0
    page.close()


# --- The header ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1280, 280])
def test_the_header_has_a_text_and_a_button(service: Canned, browser: Browser, width: int) -> None:
    saved = APPEARANCE | {"headerText": "Bread since 1962. <b>Really.</b> " * 5, "followButton": True}
    with opened(browser, page_with(service, appearance=saved), **window(width)) as (page, *_):
        follow = page.get_by_role("link", name="Follow @acme.bakery")
        assert follow.inner_text() == "Follow"
        assert follow.get_attribute("href") == "https://www.instagram.com/acme.bakery/"
        assert follow.get_attribute("rel") == "noopener noreferrer"
        about = page.locator("instagram-feed .about")
        assert about.inner_text() == saved["headerText"].strip()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box, button = about.bounding_box(), follow.bounding_box()
        assert box is not None
        assert button is not None
        assert box["width"] > 150
        assert button["x"] + button["width"] <= width - 7


@pytest.mark.parametrize(("attributes", "name"), [("", None), ("header=on follow-button=on", "#sourdough")])
def test_the_header_of_a_hashtag(
    service: Canned, browser: Browser, attributes: str, name: str | None
) -> None:
    url = page_with(service, attributes, sourceEcho={"type": "hashtag", "value": "sourdough"})
    del service.feeds["t"]["profile"]
    with opened(browser, url) as (page, *_):
        header = page.locator("instagram-feed .profile")
        assert header.all_inner_texts() == ([name] if name else [])
        if name:
            assert header.get_attribute("href") == "https://www.instagram.com/explore/tags/sourdough/"
        assert page.locator("instagram-feed .follow").count() == 0


# --- Colours ---------------------------------------------------------------------------------------------------------


# The lowest contrast of all texts with what is behind them, and the text. Pictures are left out.
CONTRAST = """() => {
    const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const parts = colour => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = (front, back) => back.map((value, at) => at < 3 ? front[at] * front[3] + value * (1 - front[3]) : 1);
    const parentOf = node => node.parentElement ?? node.getRootNode().host;
    const groundOf = element => element
        ? over(parts(getComputedStyle(element).backgroundColor), groundOf(parentOf(element)))
        : [255, 255, 255, 1];
    const light = ([red, green, blue]) => [red, green, blue]
        .map(value => value / 255)
        .map(value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4)
        .reduce((sum, value, at) => sum + value * [.2126, .7152, .0722][at], 0);
    const found = [];
    for (const {shadowRoot} of document.querySelectorAll("instagram-feed")) {
        const texts = document.createTreeWalker(shadowRoot, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const element = texts.currentNode.parentElement;
            if (!texts.currentNode.data.trim() || element.closest(".caption, style")) continue;
            const ground = groundOf(element);
            const ink = over(parts(getComputedStyle(element).color), ground);
            const [high, low] = [light(ink), light(ground)].sort((one, other) => other - one);
            found.push([(high + .05) / (low + .05), texts.currentNode.data]);
        }
    }
    return found.sort(([one], [other]) => one - other);
}"""


@pytest.mark.parametrize("ground", PAGES)
@pytest.mark.parametrize("system", ["light", "dark"])
def test_all_text_is_readable_on_every_page(
    service: Canned, browser: Browser, ground: str, system: Scheme
) -> None:
    look = "captions=below show-date=on follow-button=on header-text='Bread since 1962.' page-size=4"
    bodies = [f"<instagram-feed token=t {look} layout={layout}></instagram-feed>" for layout in LAYOUTS]
    bodies += ["<instagram-feed token=lost></instagram-feed>", "<instagram-feed token=none></instagram-feed>"]
    service.feeds |= {
        "t": feed(posts_of(service)),
        "lost": feed(
            [service.post(1, thumbnailUrl="", mediaUrl="", placeholder=colour) for colour in ("", "#777777")]
        ),
        "none": feed([]),
    }
    script = f"<script src='{service.base_url}/embed/widget.js'></script>"
    url = service.page(PAGES[ground] + script + "".join(bodies))
    with opened(browser, url, color_scheme=system, **window(1280)) as (page, *_):
        expect(page.locator("instagram-feed .note")).to_be_visible()
        found = page.evaluate(CONTRAST)
        assert len(found) > 30
        assert found[0][0] >= 4.5, found[:3]
        ring = page.locator("a.tile").first
        ring.focus()
        assert computed(ring, "outlineColor") == computed(page.locator("body"), "color")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_fixes_the_colours(service: Canned, browser: Browser, theme: Scheme) -> None:
    """On a page whose text colour isn't that of the part where the widget is."""
    other = "dark" if theme == "light" else "light"
    ground = "<style>body { background: %s }</style>" % ("#fff" if theme == "light" else "#222")
    url = page_with(service, f"theme={theme} captions=below", style=PAGES[other] + ground)
    with opened(browser, url, color_scheme=other) as (page, *_):
        found = page.evaluate(CONTRAST)
        assert found[0][0] >= 4.5, found[:3]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nobody_is_shut_out(service: Canned, browser: Browser, layout: str) -> None:
    look = "captions=below show-date=on follow-button=on header-text='Bread since 1962.' page-size=4"
    url = page_with(service, f"layout={layout} {look}", style="<h1>Shop</h1>")
    with opened(browser, url) as (page, *_):
        assert problems_at_widths(page) == []


# --- Languages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "more", "date"),
    [
        ("en", "Show more posts", "November 20, 2026"),
        ("de-AT", "Mehr Beiträge anzeigen", "20. November 2026"),
        ("fr", "Afficher plus de publications", "20 novembre 2026"),
        ("es", "Mostrar más publicaciones", "20 de noviembre de 2026"),
        ("it", "Mostra altri post", "20 novembre 2026"),
        ("pt", "Mostrar mais publicações", "20 de novembro de 2026"),
        ("nl", "Meer berichten tonen", "20 november 2026"),
        ("pl", "Pokaż więcej postów", "20 listopada 2026"),
        ("tr", "Daha fazla gönderi göster", "20 Kasım 2026"),
        ("ja", "投稿をもっと見る", "2026年11月20日"),
        ("ar", "عرض المزيد من المنشورات", "20 نوفمبر 2026"),
        ("fi", "Show more posts", "20. marraskuuta 2026"),
    ],
)
def test_texts_are_in_the_language_of_the_element(
    service: Canned, browser: Browser, lang: str, more: str, date: str
) -> None:
    url = page_with(service, f"lang={lang} page-size=2 captions=below show-date=on")
    with opened(browser, url) as (page, said, _):
        assert page.locator("instagram-feed .more button").inner_text() == more
        assert page.locator("instagram-feed .date").first.inner_text() == date
        direction = "rtl" if lang == "ar" else "ltr"
        assert computed(page.locator("instagram-feed .posts"), "direction") == direction
        assert ("/embed/languages.js" in service.asked) is (lang not in ("en", "fi"))
        assert said == []


def test_texts_are_in_the_language_of_the_page_else_of_the_browser(service: Canned, browser: Browser) -> None:
    url = page_with(service, "page-size=2")
    button = "instagram-feed .more button"
    service.pages["/"] = service.pages["/"].replace("lang=en", "lang=pl")
    with opened(browser, url, locale="de-DE") as (page, *_):
        assert page.locator(button).inner_text() == "Pokaż więcej postów"
    service.pages["/"] = service.pages["/"].replace("lang=pl", "")
    with opened(browser, url, locale="de-DE") as (page, *_):
        assert page.locator(button).inner_text() == "Mehr Beiträge anzeigen"


def test_the_page_can_replace_texts(service: Canned, browser: Browser) -> None:
    texts = json.dumps({"follow": "Komm mit", "showMore": "Mehr!", "shown": 7, "close": "Fertig"})
    url = page_with(service, f"lang=de follow-button=on page-size=2 texts='{texts}'")
    with opened(browser, url) as (page, *_):
        assert page.locator("instagram-feed .follow").inner_text() == "Komm mit"
        page.get_by_role("button", name="Mehr!").click()
        expect(page.locator("instagram-feed [role=status]")).to_have_text(
            "4 von 12 Beiträgen werden angezeigt."
        )
    for wrong in ("{", "7", "null", "[]", '"text"'):
        url = page_with(service, f"page-size=2 texts='{wrong}'")
        with opened(browser, url) as (page, *_):
            assert page.locator("instagram-feed .more button").inner_text() == "Show more posts"


def test_the_loading_feed_says_so_in_its_language(service: Canned, browser: Browser) -> None:
    service.may_send_feeds.clear()
    with opened(browser, page_with(service, "lang=de"), settles=False) as (page, *_):
        expect(page.locator("instagram-feed [role=status]")).to_have_text("Beiträge werden geladen …")
        service.may_send_feeds.set()
        expect(page.locator("instagram-feed [role=status]")).to_have_text("")


# --- When something is missing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["carousel.js", "header.js", "languages.js"])
def test_without_a_module_there_is_a_grid(service: Canned, browser: Browser, missing: str) -> None:
    service.refused = (f"/embed/{missing}",)
    url = page_with(service, "layout=carousel follow-button=on lang=de page-size=3")
    with opened(browser, url) as (page, *_):
        assert page.locator("instagram-feed .profile .name").inner_text() == "@acme.bakery"
        assert page.locator("a.tile").first.is_visible()
        assert "undefined" not in page.locator("instagram-feed").inner_text()


def reads(service: Canned) -> int:
    return service.asked.count(FEED_PATH)


def test_a_read_that_hangs_is_given_up_and_repeated_once(service: Canned, browser: Browser) -> None:
    service.may_send_feeds.clear()
    url = page_with(service)
    page = browser.new_page()
    page.clock.install()
    page.goto(url)
    wait_for(page, lambda: reads(service) == 1)
    page.clock.fast_forward(7_000)
    expect(page.locator("instagram-feed [aria-busy]")).to_have_count(1)
    page.clock.fast_forward(1_100)
    wait_for(page, lambda: reads(service) == 2)
    expect(page.locator("instagram-feed [aria-busy]")).to_have_count(1)
    page.clock.fast_forward(8_100)
    expect(page.locator("instagram-feed .note")).to_contain_text("The posts can't be shown right now.")
    assert reads(service) == 2
    service.may_send_feeds.set()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("a.tile")).to_have_count(12)
    page.close()


def test_several_broken_feeds_say_so_once(service: Canned, browser: Browser) -> None:
    service.feeds["good"] = feed(posts_of(service, 1))
    service.refused = (FEED_PATH,)
    script = f"<script src='{service.base_url}/embed/widget.js'></script>"
    body = "".join(
        f"<instagram-feed id=feed{n} token=good {'on-error=hide' * (n == 0)}></instagram-feed>"
        for n in range(4)
    )
    with opened(browser, service.page(script + body), settles=False) as (page, *_):
        wait_for(page, lambda: reads(service) == 4)
        notes = page.locator("instagram-feed .note")
        expect(notes).to_have_count(1)
        expect(page.locator("instagram-feed [aria-busy]")).to_have_count(0)
        assert page.locator("#feed0").evaluate("feed => feed.offsetHeight") == 0
        page.evaluate(
            "() => [...document.querySelectorAll('instagram-feed')]"
            ".find(feed => feed.shadowRoot.querySelector('.note')).remove()"
        )
        expect(notes).to_have_count(1)
        service.refused = ()
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("a.tile")).to_have_count(3)
        expect(notes).to_have_count(0)


def test_a_broken_feed_can_stay_silent(service: Canned, browser: Browser) -> None:
    service.refused = (FEED_PATH,)
    page = browser.new_page()
    page.add_init_script(
        "addEventListener('instagram-feed:error', event => { window.failed = event.detail.message })"
    )
    page.goto(page_with(service, "on-error=hide"))
    page.wait_for_function("window.failed")
    expect(page.locator("instagram-feed [aria-busy]")).to_have_count(0)
    assert page.locator("instagram-feed").inner_text() == ""
    assert page.locator("instagram-feed").evaluate("feed => feed.offsetHeight") == 0
    page.close()
