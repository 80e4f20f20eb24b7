"""A post opened large: albums and video, by mouse, keyboard and touch, on a page with a strict policy."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.axe import problems_at_widths
from tests.fakes import media, video
from tests.processes.canned import Canned, canned_service
from tests.processes.publishing import opened, publisher, wait_for, wait_for_widgets, widget
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]


SIZES = [(1280, 720), (1920, 1080), (390, 844), (320, 568), (844, 390), (640, 360)]  # the last: 200 % zoom
SHAPES = {"portrait": (1080, 1350), "landscape": (1080, 566), "9:16": (1080, 1920), "square": (1080, 1080)}
LONG_CAPTION = "A long caption that goes on. " * 70  # about 2,000 characters


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        plant_gallery(running)
        yield running


def plant_gallery(service: Service) -> None:
    """A picture, an album of three with a video in it, and a video; nothing else."""
    tiles = [f"{service.standin.base_url}/media/{name}.jpg" for name in ("loaf-1", "loaf-2", "loaf-3")]
    children = [
        {"id": "1", "media_type": "IMAGE", "media_url": tiles[0]},
        {"id": "2", "media_type": "VIDEO", "media_url": f"{tiles[1]}.mp4", "thumbnail_url": tiles[1]},
        {"id": "3", "media_type": "IMAGE", "media_url": tiles[2]},
    ]
    posts = [
        media(1, caption="First light", alt_text="A loaf", media_url=tiles[0], username="gallery"),
        media(
            2,
            caption="Three of them",
            media_type="CAROUSEL_ALBUM",
            media_url=tiles[1],
            children={"data": children},
        ),
        video(3, caption="In motion", media_url=f"{tiles[2]}.mp4", thumbnail_url=tiles[2]),
    ]
    service.standin.profiles.plant("gallery", posts)


def dialog(page: Page) -> Any:
    return page.get_by_role("dialog")


def test_the_lightbox_is_loaded_when_a_post_is_first_opened(service: Service, browser: Browser) -> None:
    with publisher(service, widget(service, "gallery")) as url:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        wait_for_widgets(page)
        assert not any("lightbox" in address for address in asked)

        for _ in range(2):
            page.locator("a.tile").first.click()
            expect(dialog(page)).to_be_visible()
            page.get_by_role("button", name="Close").click()
            expect(dialog(page)).to_have_count(0)
        assert sum("/embed/lightbox.js" in address for address in asked) == 1
        page.close()


def test_by_keyboard_alone(service: Service, browser: Browser) -> None:
    body = "<a href='#x' id=outside>outside</a>" + widget(service, "gallery", "hide-profile")
    with publisher(service, body) as url, opened(browser, url) as (page, said, _):
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(dialog(page)).to_have_accessible_name("A loaf")
        expect(page.get_by_role("button", name="Close")).to_be_focused()
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.id") != "outside"

        page.keyboard.press("ArrowRight")
        place = page.locator(".place")
        expect(place).to_have_text("1 of 3")
        page.keyboard.press("ArrowRight")
        expect(place).to_have_text("2 of 3")
        expect(page.locator("dialog .track li:not([inert]) .play")).to_have_count(1)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        play = page.get_by_role("button", name="Play video")
        play.press("Enter")
        expect(page.locator("dialog .notice")).to_contain_text("Instagram (Meta)")
        play.press("Enter")
        shown = page.locator("dialog video")
        expect(shown).to_be_focused()
        expect(shown).to_have_attribute("src", f"{service.standin.base_url}/media/loaf-3.jpg.mp4")
        expect(shown).to_have_attribute("poster", f"{service.standin.base_url}/media/loaf-3.jpg")
        assert shown.get_attribute("autoplay") is None
        page.get_by_role("button", name="Close").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("button", name="Next post")).to_be_disabled()

        page.keyboard.press("Escape")
        expect(dialog(page)).to_have_count(0)
        assert page.evaluate(
            "document.activeElement.shadowRoot.activeElement === "
            "document.querySelector('instagram-feed').shadowRoot.querySelector('a.tile')"
        )
        assert [text for text in said if "ERR_" not in text and "404" not in text] == []


def test_an_album_by_touch(service: Service, browser: Browser) -> None:
    look = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with publisher(service, widget(service, "gallery")) as url, opened(browser, url, **look) as (page, _, _):
        page.locator("a.tile").nth(1).tap()
        expect(page.locator(".place")).to_have_text("1 of 3")
        page.locator("dialog .track").evaluate("track => track.scrollTo({left: track.clientWidth * 2})")
        expect(page.locator(".place")).to_have_text("3 of 3")
        page.get_by_role("button", name="Previous picture").tap()
        expect(page.locator(".place")).to_have_text("2 of 3")
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_motion_is_as_the_reader_wants_it(service: Service, browser: Browser, motion: str) -> None:
    with (
        publisher(service, widget(service, "gallery")) as url,
        opened(browser, url, reduced_motion=motion) as (page, _, _),
    ):
        page.locator("a.tile").nth(1).click()
        moves = page.locator("dialog").evaluate("dialog => getComputedStyle(dialog).animationName")
        glides = page.locator(".track").evaluate("track => getComputedStyle(track).scrollBehavior")
        assert (moves, glides) == (("none", "auto") if motion == "reduce" else ("rise", "smooth"))


def test_hosts_are_told_and_may_keep_it_shut(service: Service, browser: Browser) -> None:
    with publisher(service, widget(service, "gallery")) as url, opened(browser, url) as (page, _, _):
        page.evaluate(
            """window.told = [];
            for (const name of ["open", "close"]) addEventListener(`instagram-feed:${name}`,
                event => { told.push([name, event.detail]); if (window.shut) event.preventDefault(); })"""
        )
        page.locator("a.tile").first.click()
        page.get_by_role("button", name="Close").click()
        expect(dialog(page)).to_have_count(0)
        page.evaluate("window.shut = true")
        page.locator("a.tile").first.click()
        first = {"id": "17900000000000001", "permalink": "https://www.instagram.com/p/A1/"}
        assert page.evaluate("told") == [["open", first], ["close", {"id": first["id"]}], ["open", first]]
        expect(dialog(page)).to_have_count(0)


def test_without_the_lightbox_a_click_goes_to_instagram(service: Service, browser: Browser) -> None:
    bodies = (widget(service, "gallery", "link=instagram"), widget(service, "gallery"))
    for body, blocked in zip(bodies, ("", "**/embed/lightbox.js"), strict=True):
        with publisher(service, body) as url, opened(browser, url) as (page, _, _):
            page.context.route("https://www.instagram.com/**", lambda route: route.fulfill(body="there"))
            if blocked:
                page.route(blocked, lambda route: route.abort())
            with page.context.expect_page() as went:
                page.locator("a.tile").first.click()
            assert went.value.url == "https://www.instagram.com/p/A1/"
            went.value.close()


def test_more_of_the_dataset(service: Service, browser: Browser) -> None:
    body = widget(service, "acme.bakery", "page-size=5")
    with publisher(service, body) as url, opened(browser, url) as (page, _, _):
        tiles = page.locator("a.tile")
        expect(tiles).to_have_count(5)
        calls = len(service.standin.calls)
        page.get_by_role("button", name="Show more posts").click()
        expect(tiles).to_have_count(10)
        expect(page.get_by_role("status")).to_have_text("10 of 12 posts shown.")
        assert tiles.nth(5).evaluate("tile => tile.getRootNode().activeElement === tile")
        page.get_by_role("button", name="Show more posts").click()
        expect(tiles).to_have_count(12)
        expect(page.get_by_role("button", name="Show more posts")).to_have_count(0)
        assert len(service.standin.calls) == calls


@pytest.mark.parametrize(("page_is_dark", "theme", "is_dark"), [
    (False, "", False), (True, "", True), (False, "theme=dark", True), (True, "theme=light", False),
])  # fmt: skip
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lightbox_is_as_dark_as_the_page(
    service: Service, browser: Browser, scheme: str, page_is_dark: bool, theme: str, is_dark: bool
) -> None:
    """Whatever the visitor's system is. The attribute wins."""
    ground = "<body bgcolor=black text=white>" if page_is_dark else "<body>"
    with (
        publisher(service, ground + widget(service, "gallery", theme)) as url,
        opened(browser, url, color_scheme=scheme) as (page, _, _),
    ):
        page.locator("a.tile").first.click()
        expect(page.locator("dialog.dark")).to_have_count(1 if is_dark else 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(service: Service, browser: Browser, scheme: str) -> None:
    """On a page whose own background goes with the scheme, as a publisher's would."""
    paper = "#17141b" if scheme == "dark" else "#ffffff"
    ink = "#ffffff" if scheme == "dark" else "#17141b"
    ground = f"<meta name=viewport content='width=device-width'><body bgcolor='{paper}' text='{ink}'><main>"
    body = ground + widget(service, "gallery", "page-size=2") + widget(service, "quiet.account")
    look = {"color_scheme": scheme, "reduced_motion": "reduce"}
    with publisher(service, body) as url, opened(browser, url, **look) as (page, _, _):
        assert problems_at_widths(page) == []
        page.locator("a.tile").nth(1).click()
        expect(page.locator(".place")).to_have_text("1 of 3")
        assert problems_at_widths(page) == []


# --- Whole at every size ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def canned() -> Iterator[Canned]:
    with canned_service() as running:
        yield running


@pytest.fixture(scope="module")
def films(browser: Browser) -> dict[str, bytes]:
    """Short videos of each shape, recorded by the browser."""
    page = browser.new_page()
    recorded = {name: base64.b64decode(page.evaluate(_RECORD, size)) for name, size in SHAPES.items()}
    page.close()
    return recorded


_RECORD = """([width, height]) => new Promise(done => {
    const canvas = Object.assign(document.createElement("canvas"), { width: width / 8, height: height / 8 });
    const pen = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm;codecs=vp8" });
    let drawn = 0;
    recorder.ondataavailable = ({ data }) => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result.split(",")[1]);
        reader.readAsDataURL(data);
    };
    recorder.start();
    const timer = setInterval(() => {
        pen.fillStyle = drawn % 2 ? "#333" : "#aaa";
        pen.fillRect(0, 0, 300, 300);
        if (++drawn === 8) { clearInterval(timer); recorder.stop(); }
    }, 30);
})"""
# What is drawn of the picture or video, by its own size and `object-fit`; and whether it is in the window and on the
# stage, and nothing covers its corners and middle.
_IS_WHOLE = """media => {
    const root = media.getRootNode();
    const box = media.getBoundingClientRect();
    const stage = root.querySelector(".stage").getBoundingClientRect();
    const [width, height] = [media.naturalWidth || media.videoWidth, media.naturalHeight || media.videoHeight];
    const fit = getComputedStyle(media).objectFit;
    if (fit !== "contain" || !width) return `${fit}, ${width} pixels wide`;
    const scale = Math.min(box.width / width, box.height / height);
    const left = box.left + (box.width - width * scale) / 2;
    const top = box.top + (box.height - height * scale) / 2;
    const drawn = { left, top, right: left + width * scale, bottom: top + height * scale };
    const said = JSON.stringify({ drawn, stage, window: [innerWidth, innerHeight] });
    for (const around of [stage, { left: 0, top: 0, right: innerWidth, bottom: innerHeight }]) {
        if (drawn.left < around.left - 1 || drawn.top < around.top - 1 || drawn.right > around.right + 1
            || drawn.bottom > around.bottom + 1) return `cropped: ${said}`;
    }
    if (Math.max((drawn.right - drawn.left) / stage.width, (drawn.bottom - drawn.top) / stage.height) < 0.7)
        return `too small: ${said}`;
    for (const x of [drawn.left + 3, (drawn.left + drawn.right) / 2, drawn.right - 3])
        for (const y of [drawn.top + 3, (drawn.top + drawn.bottom) / 2, drawn.bottom - 3])
            if (root.elementFromPoint(x, y) !== media) return `covered at ${x}, ${y}: ${said}`;
    return "";
}"""


def check_whole(page: Page, selector: str) -> None:
    media = page.locator(f"dialog li:not([inert]) {selector}")
    wait_for(page, lambda: media.evaluate("it => it.naturalWidth || it.videoWidth || 0") > 0)
    assert media.evaluate(_IS_WHOLE) == ""


def motionless(width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce", **more}


def open_first(page: Page) -> None:
    page.locator("a.tile").first.evaluate("tile => tile.click()")
    expect(dialog(page)).to_be_visible()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pictures_are_whole_and_all_controls_in_reach(
    canned: Canned, browser: Browser, width: int, height: int
) -> None:
    pictures = [canned.post(at, *size, caption=LONG_CAPTION) for at, size in enumerate(SHAPES.values())]
    album = canned.post(9, mediaType="CAROUSEL_ALBUM", caption=LONG_CAPTION, children=pictures)
    url = canned.feed_page([album, *pictures])
    with opened(browser, url, **motionless(width, height)) as (page, *_):
        open_first(page)
        for _ in (*pictures, *pictures):
            check_whole(page, "img")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Home")
        for name in ("Close", "Previous picture", "Next picture", "Previous post", "Next post"):
            expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
        expect(page.locator("dialog .foot a")).to_be_in_viewport(ratio=1)
        words = page.locator("dialog .words")
        words.focus()
        page.keyboard.press("End")
        expect(page.locator(".place")).to_have_text("1 of 4")
        wait_for(page, lambda: words.evaluate("it => it.scrollTop + it.clientHeight >= it.scrollHeight - 1"))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_videos_are_whole_with_their_controls(
    canned: Canned, browser: Browser, films: dict[str, bytes], shape: str, width: int, height: int
) -> None:
    """In an album, where the most buttons are."""
    clip = canned.post(1, *SHAPES[shape], mediaType="VIDEO", mediaUrl=f"{canned.base_url}/film/1.webm")
    album = canned.post(9, mediaType="CAROUSEL_ALBUM", caption=LONG_CAPTION, children=[clip, canned.post(2)])
    url = canned.feed_page([album], videoNotice=False)
    with opened(browser, url, **motionless(width, height)) as (page, *_):
        page.route("**/film/*", lambda route: route.fulfill(body=films[shape], content_type="video/webm"))
        open_first(page)
        page.locator("dialog .play").click()
        check_whole(page, "video")
        video = page.locator("dialog video")
        assert video.evaluate("it => it.controls")
        assert video.bounding_box()["height"] > 140  # enough for the native controls


# --- Broken and hanging ----------------------------------------------------------------------------------------------

GONE = "This picture or video can't be loaded."


def expect_gone(page: Page, number: int) -> None:
    gone = page.locator("dialog li:not([inert]) .gone")
    expect(gone.locator("p")).to_have_text(GONE)
    expect(gone.locator("a")).to_have_attribute("href", f"https://www.instagram.com/p/{number}/")
    expect(gone.locator("a")).to_be_in_viewport(ratio=1)
    expect(page.locator("dialog .wait")).to_have_count(0)


def test_a_picture_that_hangs_is_given_up_and_shown_if_it_comes(canned: Canned, browser: Browser) -> None:
    held: list[Route] = []
    url = canned.feed_page([canned.post(1), canned.post(2)])
    with opened(browser, url, **motionless(1280, 720)) as (page, *_):
        page.route("**/p2-1080-1080.*", lambda route: held.append(route))
        page.clock.install()
        open_first(page)
        page.keyboard.press("ArrowRight")
        wait_for(page, lambda: held)
        page.clock.fast_forward(7_900)
        expect(page.locator("dialog .wait")).to_have_count(1)
        expect(page.locator("dialog .gone")).to_have_count(0)
        page.clock.fast_forward(200)
        expect_gone(page, 2)
        assert problems_at_widths(page) == []
        page.locator("dialog .gone a").focus()
        held[0].continue_()
        expect(page.locator("dialog .gone")).to_have_count(0)
        check_whole(page, "img")
        expect(page.get_by_role("button", name="Close")).to_be_focused()


def test_a_broken_picture_of_an_album_says_so(canned: Canned, browser: Browser) -> None:
    children = [canned.post(1), canned.post(2), {"id": "3", "mediaType": "IMAGE"}]
    url = canned.feed_page([canned.post(9, mediaType="CAROUSEL_ALBUM", children=children)])
    with opened(browser, url, **motionless(390, 844)) as (page, *_):
        page.route("**/p2-*", lambda route: route.abort())
        open_first(page)
        page.keyboard.press("ArrowRight")
        expect_gone(page, 9)
        page.keyboard.press("ArrowRight")
        expect_gone(page, 9)
        page.keyboard.press("Home")
        check_whole(page, "img")


def film_page(canned: Canned) -> str:
    film = {"mediaType": "VIDEO", "mediaUrl": f"{canned.base_url}/film/1.webm"}
    return canned.feed_page([canned.post(1, **film), canned.post(2)], videoNotice=False)


def test_a_video_that_hangs_is_given_up_and_shown_if_it_comes(
    canned: Canned, browser: Browser, films: dict[str, bytes]
) -> None:
    held: list[Route] = []
    with opened(browser, film_page(canned), **motionless(1280, 720)) as (page, *_):
        page.route("**/film/*", lambda route: held.append(route))
        page.clock.install()
        open_first(page)
        page.locator("dialog .play").click()
        wait_for(page, lambda: held)
        expect(page.locator("dialog .wait")).to_have_count(1)
        page.clock.fast_forward(8_100)
        expect_gone(page, 1)
        expect(page.locator("dialog .gone a")).to_be_focused()
        held[0].fulfill(body=films["9:16"], content_type="video/webm")
        expect(page.locator("dialog .gone")).to_have_count(0)
        check_whole(page, "video")
        expect(page.locator("dialog video")).to_be_focused()


def test_a_broken_video_says_so(canned: Canned, browser: Browser) -> None:
    with opened(browser, film_page(canned), **motionless(390, 844)) as (page, *_):
        page.route("**/film/*", lambda route: route.fulfill(body="no video", content_type="video/webm"))
        open_first(page)
        page.locator("dialog .play").click()
        expect_gone(page, 1)
        expect(page.locator("dialog .gone a")).to_be_focused()


def test_leaving_a_post_stops_its_video_and_its_timer(canned: Canned, browser: Browser) -> None:
    with opened(browser, film_page(canned), **motionless(1280, 720)) as (page, said, _):
        page.route("**/film/*", lambda _: None)
        page.clock.install()
        open_first(page)
        page.locator("dialog .play").click()
        page.get_by_role("button", name="Next post").click()
        page.clock.fast_forward(20_000)
        check_whole(page, "img")
        expect(page.locator("dialog .gone")).to_have_count(0)
        assert said == []


# --- Keys, swipes, directions ----------------------------------------------------------------------------------------


def mixed_page(canned: Canned, attributes: str = "") -> str:
    """A picture, an album of three, a picture."""
    album = canned.post(9, mediaType="CAROUSEL_ALBUM", children=[canned.post(n) for n in (4, 5, 6)])
    return canned.feed_page([canned.post(1), album, canned.post(2)], attributes=attributes)


def shown(page: Page) -> str:
    """The number of the post, and the picture's place in its album."""
    post = page.locator("dialog .foot a").evaluate("link => link.pathname.split('/')[2]")
    place = page.locator("dialog .place")
    return f"{post}, {place.text_content()}" if place.count() else str(post)


def test_keys(canned: Canned, browser: Browser) -> None:
    steps = [
        ("ArrowLeft", "1"), ("ArrowRight", "9, 1 of 3"), ("End", "9, 3 of 3"), ("Alt+ArrowLeft", "9, 3 of 3"),
        ("ArrowLeft", "9, 2 of 3"), ("Home", "9, 1 of 3"), ("Home", "1"), ("End", "2"),
        ("ArrowLeft", "9, 3 of 3"), ("End", "2"),
    ]  # fmt: skip
    with opened(browser, mixed_page(canned), **motionless(1280, 720)) as (page, *_):
        open_first(page)
        for key, expected in steps:
            page.keyboard.press(key)
            assert (key, shown(page)) == (key, expected)
            assert page.evaluate("document.activeElement !== document.body"), key


_SWIPE = """([from, to, y]) => {
    const stage = document.querySelector("body > div:last-child").shadowRoot.querySelector(".stage");
    const target = stage.querySelector("li:not([inert]) img, li:not([inert]) video");
    const touch = x => new Touch({ identifier: 1, target, clientX: x, clientY: y });
    const event = (name, ...touches) => target.dispatchEvent(new TouchEvent(name,
        { bubbles: true, composed: true, touches, changedTouches: [touch(name === "touchend" ? to : from)] }));
    event("touchstart", touch(from));
    event("touchend");
}"""


def test_swipes(canned: Canned, browser: Browser) -> None:
    look = motionless(390, 844, has_touch=True, is_mobile=True)
    with opened(browser, mixed_page(canned), **look) as (page, *_):
        open_first(page)
        for start, end, expected in [
            (100, 300, "1"), (200, 180, "1"), (300, 100, "9, 1 of 3"), (300, 100, "9, 1 of 3"), (100, 300, "1"),
        ]:  # fmt: skip
            page.evaluate(_SWIPE, [start, end, 300])
            assert shown(page) == expected
        page.keyboard.press("End")
        page.evaluate(_SWIPE, [100, 300, 300])
        assert shown(page) == "9, 3 of 3"
        wait_for(page, lambda: page.locator(".track").evaluate("it => it.scrollLeft === 2 * it.clientWidth"))
        page.evaluate(_SWIPE, [300, 100, 300])
        assert shown(page) == "2"


# --- Texts ------------------------------------------------------------------------------------------------------------

ARABIC = {
    "close": "إغلاق",
    "nextPost": "المنشور التالي",
    "previousPost": "المنشور السابق",
    "pictureOf": "{place} من {count}",
}
_OPEN = """async ([address, posts, tools]) => {
    const { open } = await import(`${address}/embed/lightbox.js`);
    const make = (name, className, ...children) => {
        const element = document.createElement(name);
        element.className = className || "";
        element.append(...children);
        return element;
    };
    const picture = (item, { plain, alt }) => {
        const image = Object.assign(new Image(), { src: plain, alt });
        return { element: image, image };
    };
    const told = { close: () => {} };
    open({ posts, index: 0, isDark: false, told, tools: { make, picture, webAddress: text => text || "",
        altText: post => post.altText, dateWords: () => "date", videoNotice: "", ...tools } });
}"""


def test_right_to_left(canned: Canned, browser: Browser) -> None:
    album = canned.post(9, mediaType="CAROUSEL_ALBUM", children=[canned.post(n) for n in (4, 5, 6)])
    posts = [canned.post(1), album, canned.post(2)]
    with opened(browser, mixed_page(canned), **motionless(1280, 720)) as (page, said, _):
        tools = {"texts": ARABIC, "language": "ar", "direction": "rtl"}
        page.evaluate(_OPEN, [canned.base_url, posts, tools])
        assert page.locator("dialog").evaluate("it => [it.dir, it.lang]") == ["rtl", "ar"]
        for key, expected in [
            ("ArrowRight", "1"), ("ArrowLeft", "9, 1 من 3"), ("ArrowLeft", "9, 2 من 3"), ("ArrowRight", "9, 1 من 3"),
        ]:  # fmt: skip
            page.keyboard.press(key)
            assert shown(page) == expected
        page.keyboard.press("End")
        check_whole(page, "img")
        assert shown(page) == "9, 3 من 3"
        page.evaluate(_SWIPE, [100, 300, 300])
        assert shown(page) == "2"
        before = page.get_by_role("button", name="المنشور السابق").bounding_box()
        after = page.get_by_role("button", name="المنشور التالي").bounding_box()
        assert before["x"] > after["x"]
        assert page.get_by_role("button", name="Previous picture").count() == 0
        assert said == []


def test_texts_that_are_missing_are_english(canned: Canned, browser: Browser) -> None:
    """An older widget.js from a cache hands over no texts at all."""
    album = canned.post(9, mediaType="CAROUSEL_ALBUM", children=[canned.post(4), canned.post(5)])
    with opened(browser, mixed_page(canned), **motionless(1280, 720)) as (page, *_):
        for texts, names in [(None, ("Close", "1 of 2")), ({"close": "Zu"}, ("Zu", "1 of 2"))]:
            page.evaluate(_OPEN, [canned.base_url, [album], {"texts": texts} if texts else {}])
            expect(page.get_by_role("button", name=names[0], exact=True)).to_be_focused()
            expect(page.locator(".place")).to_have_text(names[1])
            page.keyboard.press("Escape")
            expect(dialog(page)).to_have_count(0)
