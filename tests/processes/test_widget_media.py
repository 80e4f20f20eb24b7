"""Pictures and videos of the widget in a real browser: sizes, failures, reserved space, and hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Locator, Page, expect

from tests.axe import problems_at_widths
from tests.browser import launched
from tests.processes.canned import APPEARANCE, Canned, canned_service, feed
from tests.processes.publishing import opened, wait_for
from tests.shifts import WATCH_SHIFTS, total_shift
from venice_api.embed_code import Reserve, embed_code, stylesheet

pytestmark = [pytest.mark.processes, pytest.mark.browser]
WIDTHS = (1280, 360)
LOADS = 10
IS_DRAWN = """() => [...document.querySelectorAll("instagram-feed")].every(({shadowRoot: root}) =>
    root?.querySelector("a.tile") && !root.querySelector("[aria-busy]"))"""


@pytest.fixture(scope="module")
def running() -> Iterator[Canned]:
    with canned_service() as canned:
        yield canned


@pytest.fixture
def service(running: Canned) -> Canned:
    running.reset()
    return running


def look(width: int, scale: float = 1, height: int = 800) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": height}, "device_scale_factor": scale}


def draw_frames(page: Page) -> None:
    """Wait until the browser has painted what it knows."""
    page.evaluate("() => new Promise(seen => requestAnimationFrame(() => requestAnimationFrame(seen)))")


# --- Pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "scale", "shown"), [(1280, 1, 320), (360, 1, 320), (360, 3, 640), (1280, 3, 1080)]
)
def test_the_browser_loads_the_size_it_needs_as_avif(
    service: Canned, browser: Browser, width: int, scale: float, shown: int
) -> None:
    url = service.feed_page([service.post(n) for n in range(4)])
    with opened(browser, url, **look(width, scale)):
        assert sorted(service.pictures_asked()) == [f"p{n}-{shown}-{shown}.avif" for n in range(4)]


def test_a_wide_picture_is_large_enough_to_cover_its_square(service: Canned, browser: Browser) -> None:
    """Two columns of 338 pixels: the part shown of a picture twice as wide as high needs 676."""
    url = service.feed_page([service.post(1, 1080, 540), service.post(2, 540, 1080)])
    with opened(browser, url, **look(702)):
        assert sorted(service.pictures_asked()) == ["p1-1080-540.avif", "p2-540-1080.avif"]


def test_the_profile_picture_is_small(service: Canned, browser: Browser) -> None:
    sizes = service.sizes("avatar")
    profile = {"username": "acme", "profilePictureUrl": sizes["small"]["url"], "sizes": sizes}
    with opened(browser, service.feed_page([service.post(1)], profile=profile), **look(1280, 3)) as (
        page,
        *_,
    ):
        assert "avatar-320-320.avif" in service.pictures_asked()
        box = page.locator("instagram-feed .profile img").bounding_box()
        assert box is not None
        assert (round(box["width"], 1), round(box["height"], 1)) == (38.4, 38.4)


def test_the_first_row_comes_first(service: Canned, browser: Browser) -> None:
    url = service.feed_page([service.post(n) for n in range(12)])
    with opened(browser, url, **look(1280)) as (page, *_):
        loading = page.locator("instagram-feed li img").evaluate_all(
            "all => all.map(image => [image.loading, image.fetchPriority])"
        )
        assert loading == [["eager", "high"]] * 4 + [["lazy", "auto"]] * 8


def test_only_a_wider_grid_loads_pictures_again(service: Canned, browser: Browser) -> None:
    url = service.feed_page([service.post(1)])
    with opened(browser, url, **look(600)) as (page, *_):
        for width in (360, 599):
            page.set_viewport_size({"width": width, "height": 800})
            draw_frames(page)
        assert service.pictures_asked() == ["p1-320-320.avif"]
        page.set_viewport_size({"width": 899, "height": 800})
        wait_for(page, lambda: "p1-640-640.avif" in service.pictures_asked())


def test_pictures_without_copies_are_the_providers(service: Canned, browser: Browser) -> None:
    link = service.sizes("provider")["medium"]["url"]
    post = service.post(1, thumbnailUrl=link, mediaUrl=link)
    for name in ("sizes", "placeholder", "width", "height"):
        del post[name]
    with opened(browser, service.feed_page([post])) as (page, *_):
        assert service.pictures_asked() == ["provider-640-640.jpg"]
        assert page.locator("instagram-feed li img").get_attribute("alt") == "Picture 1"


def test_a_tile_has_the_colour_of_its_picture_until_it_has_loaded(service: Canned, browser: Browser) -> None:
    with opened(browser, service.feed_page([service.post(1)])) as (page, *_):
        assert page.locator("a.tile").evaluate("tile => getComputedStyle(tile).backgroundColor") == (
            "rgb(138, 90, 43)"
        )
        size = page.locator("a.tile img").evaluate("image => [image.getAttribute('width'), image.height]")
        assert size[0] == "1080"


def test_a_picture_that_fails_as_avif_is_shown_as_jpeg(service: Canned, browser: Browser) -> None:
    service.refused = (".avif",)
    with opened(browser, service.feed_page([service.post(1)]), **look(1280)) as (page, *_):
        wait_for(page, lambda: "p1-320-320.jpg" in service.pictures_asked())
        image = page.locator("a.tile img")
        wait_for(page, lambda: image.evaluate("image => image.complete && image.naturalWidth > 0"))
        assert page.locator("instagram-feed .lost").count() == 0


@pytest.mark.parametrize(
    ("changes", "words"), [({}, "Caption 1"), ({"caption": ""}, "Picture 1")], ids=["caption", "alt"]
)
def test_a_lost_picture_leaves_its_words_and_a_link(
    service: Canned, browser: Browser, changes: dict[str, str], words: str
) -> None:
    service.refused = (".avif", ".jpg")
    url = service.feed_page([service.post(1, **changes)])
    with opened(browser, url) as (page, *_):
        lost = page.locator("instagram-feed .lost")
        expect(lost.locator("span")).to_have_text(words)
        assert lost.evaluate("lost => getComputedStyle(lost).backgroundColor") == "rgb(138, 90, 43)"
        page.context.route("https://www.instagram.com/**", lambda route: route.fulfill(body="there"))
        with page.context.expect_page() as went:
            page.locator("a.tile").click()
        assert went.value.url == "https://www.instagram.com/p/1/"
        went.value.close()
        assert page.get_by_role("dialog").count() == 0


def test_a_lost_profile_picture_does_not_move_the_name(service: Canned, browser: Browser) -> None:
    service.refused = ("avatar-320-320.avif", "avatar-320-320.jpg")
    sizes = service.sizes("avatar")
    profile = {"username": "acme", "profilePictureUrl": sizes["small"]["url"], "sizes": sizes}
    with opened(browser, service.feed_page([service.post(1)], profile=profile)) as (page, *_):
        expect(page.locator(".profile img")).to_have_count(0)
        box = page.locator(".profile .name").bounding_box()
        assert box is not None
        assert box["x"] > 50


def test_the_lightbox_shows_the_large_sizes(service: Canned, browser: Browser) -> None:
    with opened(browser, service.feed_page([service.post(1)]), **look(1280)) as (page, *_):
        page.locator("a.tile").click()
        wait_for(page, lambda: "p1-1080-1080.avif" in service.pictures_asked())
    service.asked.clear()
    with opened(browser, service.feed_page([service.post(1)]), **look(360)) as (page, *_):
        page.locator("a.tile").click()
        wait_for(page, lambda: "p1-640-640.avif" in service.pictures_asked())


def test_a_picture_lost_in_the_lightbox_says_so_and_leaves_a_link(service: Canned, browser: Browser) -> None:
    service.refused = tuple(f"p2-{width}-{width}.{kind}" for width in (640, 1080) for kind in ("avif", "jpg"))
    with opened(browser, service.feed_page([service.post(1), service.post(2)]), **look(1280)) as (page, *_):
        page.locator("a.tile").first.click()
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("ArrowRight")
        gone = page.locator("dialog .gone")
        expect(gone.locator("p")).to_have_text("This picture or video can't be loaded.")
        assert gone.locator("a").get_attribute("href") == "https://www.instagram.com/p/2/"
        assert problems_at_widths(page) == []


# --- Reserved space --------------------------------------------------------------------------------------------------


def embedded(service: Canned) -> str:
    """A page of two feeds with the editor's embed code, and text below each."""
    service.feeds |= {
        "profile": feed([service.post(n) for n in range(12)]),
        "tag": feed([service.post(n) for n in range(5)], profile=None),
    }
    del service.feeds["tag"]["profile"]
    codes = [
        embed_code(service.base_url, "profile", Reserve(12)),
        embed_code(service.base_url, "tag", Reserve(5, has_profile=False)),
    ]
    return service.page("".join(f"<h1>Shop</h1>{code}<p>Open every day.</p>" for code in codes))


def embedded_looks(service: Canned) -> str:
    """A page of feeds with looks that the editor saved before the code was copied."""
    looks = {
        "portrait": {"tileRatio": "4:5", "columns": {"wide": 3, "narrow": 3}, "pageSize": 6, "gap": 2},
        "carousel": {"layout": "carousel", "followButton": True, "columns": {"wide": 5, "narrow": 1}},
        "plain": {},
    }
    codes = []
    for token, changes in looks.items():
        appearance = APPEARANCE | changes
        service.feeds[token] = feed([service.post(n) for n in range(8)], appearance=appearance)
        codes.append(embed_code(service.base_url, token, Reserve.of(8, appearance, has_profile=True)))
    return service.page("".join(f"<h1>Shop</h1>{code}<p>Open every day.</p>" for code in codes))


def demo(service: Canned) -> str:
    service.feeds |= {str(count): feed([service.post(n) for n in range(count)]) for count in (12, 4, 8)}
    context = {"script_url": f"{service.base_url}/embed/widget.js", "tokens": ["12", "4", "8"]}
    service.pages["/demo/"] = render_to_string("demo/publisher.html", context)
    service.pages["/demo/reserved-space.css"] = stylesheet(Reserve(12), Reserve(4), Reserve(8))
    return f"http://localhost:{service.port}/demo/"


def frame(service: Canned) -> str:
    """The frame page, followed by text: so that what it shows may not change its height."""
    service.feeds["framed"] = feed([service.post(n) for n in range(9)])
    context = {"instance_id": "i", "token": "framed", "reserve": "9 profile"}
    html = render_to_string("embed/frame.html", context).replace("</body>", "<p>The end.</p></body>")
    service.pages["/frame/"] = html
    return f"{service.base_url}/frame/"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("is_slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("made", [embedded, embedded_looks, demo, frame])
def test_nothing_moves_while_feeds_load(
    service: Canned, browser: Browser, made: Any, is_slow: bool, width: int
) -> None:
    url = made(service)
    page = browser.new_page(**look(width, height=2_400))  # only what is in the window counts
    page.add_init_script(WATCH_SHIFTS)
    for _ in range(LOADS if made is demo else 3):
        if is_slow:
            service.may_send_script.clear()
            service.may_send_feeds.clear()
        page.goto(url, wait_until="commit")
        if is_slow:
            show_what_is_there(page, service)
        page.wait_for_function(IS_DRAWN)
        draw_frames(page)
        shift = total_shift(page)
        assert shift == 0, page.evaluate("shifts")
    page.close()


def show_what_is_there(page: Page, service: Canned) -> None:
    """Paint the page without the script, then without the feed, then let it load."""
    if "/frame/" not in page.url:  # its script blocks the page, and there is nothing to paint
        page.wait_for_function("document.querySelector('instagram-feed')")
        draw_frames(page)
    service.may_send_script.set()
    page.wait_for_function("document.querySelector('instagram-feed')?.shadowRoot")
    draw_frames(page)
    service.may_send_feeds.set()


LOOKS: dict[str, dict[str, Any]] = {
    "default": {},
    "gap": {"gap": 3},
    "columns": {"columns": {"wide": 3, "narrow": 1}},
    "many columns": {"columns": {"wide": 6, "narrow": 5}, "header": False},
    "portrait": {"tileRatio": "4:5"},
    "pages": {"pageSize": 5},
    "carousel": {"layout": "carousel"},
    "portrait carousel": {"layout": "carousel", "tileRatio": "4:5", "columns": {"wide": 5, "narrow": 1}},
    "short carousel": {"layout": "carousel", "pageSize": 2, "header": False},
}


@pytest.mark.parametrize("width", [1280, 430, 270])
@pytest.mark.parametrize("look_of_feed", LOOKS.values(), ids=LOOKS)
def test_the_reserved_space_is_that_of_the_feed(
    service: Canned, browser: Browser, look_of_feed: dict[str, Any], width: int
) -> None:
    service.may_send_script.clear()
    service.may_send_feeds.clear()
    appearance = APPEARANCE | look_of_feed
    service.feeds["t"] = feed([service.post(n) for n in range(7)], appearance=appearance)
    reserve = Reserve.of(7, appearance, has_profile=True)
    style = "<style>instagram-feed { font-size: 19px; } body { --igf-radius: 0; --gap: 50px; --ratio: 9; }</style>"
    url = service.page(style + embed_code(service.base_url, "t", reserve))
    page = browser.new_page(**look(width))
    page.goto(url, wait_until="commit")
    element = page.locator("instagram-feed")

    def height() -> float:
        found: float = element.evaluate("element => element.getBoundingClientRect().height")
        return found

    element.wait_for(state="attached")
    before_script = height()
    service.may_send_script.set()
    page.locator("instagram-feed [aria-busy]").wait_for()
    before_feed = height()
    service.may_send_feeds.set()
    page.wait_for_function(IS_DRAWN)
    assert before_feed == height() > 100
    assert before_script == pytest.approx(before_feed, abs=0.5)
    page.close()


def test_the_frame_without_javascript_has_the_geometry_of_the_widget(
    service: Canned, browser: Browser
) -> None:
    posts = [{"permalink": "https://www.instagram.com/p/1/", "words": "A loaf"}] * 9
    heights = []
    for has_javascript in (True, False):
        context = {"token": "framed", "reserve": "9 profile", "profile": {"username": "acme"}, "posts": posts}
        service.feeds["framed"] = feed([service.post(n) for n in range(9)])
        service.pages["/frame/"] = render_to_string("embed/frame.html", context)
        address = f"{service.base_url}/frame/"
        with opened(
            browser, address, settles=has_javascript, java_script_enabled=has_javascript, **look(1280)
        ) as (page, *_):
            box = page.locator("body").bounding_box()
            assert box is not None
            heights.append(box["height"])
    assert heights[0] == pytest.approx(heights[1], abs=0.5)


# --- Videos ----------------------------------------------------------------------------------------------------------


def video_page(service: Canned, attributes: str = "", **answer: Any) -> str:
    film = f"{service.base_url}/film/{{}}.mp4"
    posts = [service.post(n, mediaType="VIDEO", mediaUrl=film.format(n)) for n in (1, 2)]
    return service.feed_page(posts, attributes=attributes, **answer)


def films_asked(service: Canned) -> list[str]:
    return [path for path in service.asked if path.startswith("/film/")]


@pytest.mark.parametrize("width", [360, 1280])
def test_a_portrait_fits_the_lightbox_with_its_notice(service: Canned, browser: Browser, width: int) -> None:
    film = f"{service.base_url}/film/1.mp4"
    posts = [service.post(1, 800, 1400), service.post(2, 800, 1400, mediaType="VIDEO", mediaUrl=film)]
    with opened(browser, service.feed_page(posts), **look(width)) as (page, *_):
        page.locator("a.tile").first.click()
        stage = page.locator("dialog .stage")
        expect(stage.locator("img")).to_be_visible()
        assert is_on_stage(stage.locator("img"))
        page.keyboard.press("Escape")
        page.locator("a.tile").nth(1).click()
        page.locator("dialog .play").click()
        expect(page.locator("dialog .notice")).not_to_be_empty()
        assert is_on_stage(page.locator("dialog .notice"))
        assert is_on_stage(page.locator("dialog .play"))


def is_on_stage(element: Locator) -> bool:
    """Whether all of it is visible on the lightbox's stage, measured in one moment of the opening animation."""
    return bool(
        element.evaluate("""element => {
            const stage = element.getRootNode().querySelector(".stage").getBoundingClientRect();
            const { top, right, bottom, left } = element.getBoundingClientRect();
            return top >= stage.top - 1 && bottom <= stage.bottom + 1
                && left >= stage.left - 1 && right <= stage.right + 1;
        }""")
    )


def test_a_video_is_loaded_only_after_the_visitor_was_told_where_from(
    service: Canned, browser: Browser
) -> None:
    with opened(browser, video_page(service)) as (page, *_):
        play = page.locator("dialog .play")
        page.locator("a.tile").first.click()
        expect(play).to_be_visible()
        assert page.locator("dialog video").count() == 0
        play.click()
        expect(page.locator("dialog .notice")).to_contain_text("loaded from Instagram (Meta)")
        assert problems_at_widths(page) == []
        assert films_asked(service) == []
        play.click()
        wait_for(page, lambda: films_asked(service) == ["/film/1.mp4"])

        page.keyboard.press("Escape")
        page.locator("a.tile").nth(1).click()
        play.click()
        wait_for(page, lambda: "/film/2.mp4" in films_asked(service))


@pytest.mark.parametrize(
    ("attributes", "answer", "words"),
    [
        ("video-notice='Von Instagram geladen.'", {}, "Von Instagram geladen."),
        ("video-notice='Von Instagram geladen.'", {"videoNotice": False}, "Von Instagram geladen."),
        ("video-notice=off", {}, ""),
        ("", {"videoNotice": False}, ""),
    ],
    ids=["translated", "attribute wins", "off in the page", "off in the editor"],
)
def test_the_words_before_a_video(
    service: Canned, browser: Browser, attributes: str, answer: dict[str, Any], words: str
) -> None:
    with opened(browser, video_page(service, attributes, **answer)) as (page, *_):
        page.locator("a.tile").first.click()
        page.locator("dialog .play").click()
        if words:
            expect(page.locator("dialog .notice")).to_have_text(words)
            assert films_asked(service) == []
        else:
            wait_for(page, lambda: films_asked(service) == ["/film/1.mp4"])


def test_a_video_that_cannot_be_played_leaves_a_link(service: Canned, browser: Browser) -> None:
    with opened(browser, video_page(service, "video-notice=off")) as (page, *_):
        page.locator("a.tile").first.click()
        page.locator("dialog .play").click()
        assert page.locator("dialog .gone a").get_attribute("href") == "https://www.instagram.com/p/1/"


# --- Hosts -----------------------------------------------------------------------------------------------------------


def test_the_browser_speaks_to_the_service_alone(service: Canned, browser: Browser, tmp_path: Path) -> None:
    """By Chromium's own log of its network: look-ups, connections and requests."""
    log = tmp_path / "net.json"
    sizes = service.sizes("avatar")
    profile = {"username": "acme", "profilePictureUrl": sizes["small"]["url"], "sizes": sizes}
    posts = [service.post(n) for n in range(3)]
    posts += [service.post(4, mediaType="VIDEO", mediaUrl="https://video.cdninstagram.com/4.mp4")]
    posts += [service.post(5, mediaType="CAROUSEL_ALBUM", children=[service.post(6), service.post(7)])]
    own_browser = launched(browser.browser_type, f"--log-net-log={log}")
    with opened(own_browser, service.feed_page(posts, profile=profile)) as (page, *_):
        page.locator("a.tile").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        for _ in posts * 2:
            page.keyboard.press("ArrowRight")
        expect(page.get_by_role("button", name="Next post")).to_be_disabled()
    own_browser.close()
    assert hosts_in(json.loads(log.read_text())) == {"127.0.0.1", "localhost"}
    assert {Path(name).suffix for name in service.pictures_asked()} == {".avif"}


def hosts_in(log: dict[str, Any]) -> set[str]:
    """Every host that was looked up, connected to or asked."""
    found = set()
    for event in log["events"]:
        named = event.get("params", {})
        for value in filter(None, map(named.get, ("url", "host", "hostname", "group_id"))):
            parts = urlsplit(value if "//" in value else f"//{value}")
            if parts.hostname and parts.scheme not in ("chrome", "devtools"):
                found.add(parts.hostname)
    return found
