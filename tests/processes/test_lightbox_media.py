"""Media in the lightbox: whole in every window, with controls within reach, and honest when they don't load."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.fakes import media, video
from tests.processes.publishing import opened, publisher, widget
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]

SHAPES = {"portrait": (1080, 1350), "landscape": (1080, 608), "reel": (1080, 1920), "square": (900, 900)}
WINDOWS = [(1280, 720), (1920, 1080), (390, 844), (320, 568), (844, 390), (640, 360)]
CAPTION = "A long caption. " * 60


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        files = f"{running.standin.base_url}/media"
        posts = [
            media(number, caption=CAPTION, media_url=f"{files}/shape-{name}.jpg", username="shapes")
            for number, name in enumerate(SHAPES)
        ]
        film = video(
            8, caption=CAPTION, media_url=f"{files}/bread-film.mp4", thumbnail_url=f"{files}/bread-film.jpg"
        )
        children = [
            {"id": "91", "media_type": "IMAGE", "media_url": f"{files}/shape-square.jpg"},
            {
                "id": "92",
                "media_type": "VIDEO",
                "media_url": film["media_url"],
                "thumbnail_url": film["thumbnail_url"],
            },
        ]
        album = media(
            9, media_type="CAROUSEL_ALBUM", children={"data": children}, media_url=f"{files}/shape-square.jpg"
        )
        running.standin.profiles.plant("shapes", [*posts, film, album])
        yield running


def draw(route: Route) -> None:
    name = route.request.url.rpartition("-")[2].removesuffix(".jpg")
    file = io.BytesIO()
    Image.new("RGB", SHAPES[name], "#8a5a2b").save(file, "JPEG")
    route.fulfill(body=file.getvalue(), content_type="image/jpeg")


def open_at(page: Page, place: int) -> None:
    page.locator("instagram-feed a.tile").nth(place).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def feed(service: Service) -> str:
    return widget(service, "shapes", "video-notice=off")


# The rectangle in which the browser draws the picture or film, and the part of the stage that the visitor sees.
DRAWN = """media => {
  const box = media.getBoundingClientRect();
  const [width, height] = [media.naturalWidth || media.videoWidth, media.naturalHeight || media.videoHeight];
  const fit = getComputedStyle(media).objectFit;
  const scale = Math[fit === 'contain' ? 'min' : 'max'](box.width / width, box.height / height);
  const left = box.left + (box.width - width * scale) / 2, top = box.top + (box.height - height * scale) / 2;
  const stage = media.getRootNode().querySelector('.stage').getBoundingClientRect();
  return {
    media: [left, top, left + width * scale, top + height * scale],
    seen: [Math.max(0, stage.left), Math.max(0, stage.top), Math.min(innerWidth, stage.right), Math.min(innerHeight, stage.bottom)],
  };
}"""  # noqa: E501


def is_whole(page: Page, selector: str) -> bool:
    drawn = page.locator(selector).evaluate(DRAWN)
    (left, top, right, bottom), seen = drawn["media"], drawn["seen"]
    assert right - left > 80, drawn
    assert bottom - top > 80, drawn
    return left >= seen[0] - 1 and top >= seen[1] - 1 and right <= seen[2] + 1 and bottom <= seen[3] + 1


@pytest.mark.parametrize("size", WINDOWS, ids=lambda size: f"{size[0]} x {size[1]}")
def test_media_are_whole_and_controls_within_reach(
    service: Service, browser: Browser, size: tuple[int, int]
) -> None:
    window = {"viewport": {"width": size[0], "height": size[1]}}
    with publisher(service, feed(service)) as url:
        page = browser.new_page(**window)
        page.route("**/media/shape-*", draw)
        page.goto(url)
        open_at(page, 0)
        for name in SHAPES:
            page.wait_for_function(
                "name => [...document.querySelectorAll('body > div')].some(host => host.shadowRoot"
                "?.querySelector(`img[src*='${name}']`)?.naturalWidth)",
                arg=f"shape-{name}",
            )
            assert is_whole(page, ".track img"), name
            page.get_by_role("button", name="Next post").click()

        page.get_by_role("button", name="Play video").click()
        page.wait_for_function(
            "() => document.body.lastElementChild.shadowRoot.querySelector('video')?.videoWidth > 0"
        )
        assert is_whole(page, ".track video")
        # The film's own controls are at its bottom: nothing lies over them.
        assert page.locator(".track video").evaluate(
            "film => { const box = film.getBoundingClientRect(), root = film.getRootNode();"
            "return [0.1, 0.5, 0.9].every(share => root.elementFromPoint(box.left + box.width * share, box.bottom - 20)"
            " === film); }"
        )
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)

        open_at(page, 5)
        page.get_by_role("button", name="Next picture").click()
        page.get_by_role("button", name="Play video").click()
        page.wait_for_function(
            "() => document.body.lastElementChild.shadowRoot.querySelector('video')?.videoWidth > 0"
        )
        film, place = page.locator(".track video").bounding_box(), page.locator(".place").bounding_box()
        assert film is not None
        assert place is not None
        assert place["y"] + place["height"] < film["y"] + film["height"] - 48, (
            "the place lies over the controls"
        )
        for name in ("Close", "Previous post", "Next post", "Previous picture"):
            button = page.get_by_role("button", name=name)
            button.scroll_into_view_if_needed()
            expect(button).to_be_in_viewport()
        page.close()


def test_a_picture_that_does_not_come_says_so_until_it_comes(service: Service, browser: Browser) -> None:
    held: list[Route] = []
    with publisher(service, feed(service)) as url:
        page = browser.new_page()
        page.clock.install()
        page.route("**/media/shape-portrait*", held.append)
        page.goto(url)
        open_at(page, 0)
        trouble = page.locator(".trouble")
        expect(trouble).to_be_hidden()
        page.clock.fast_forward(8_100)
        expect(trouble).to_have_text("This picture or video can't be loaded. View on Instagram")
        expect(trouble.get_by_role("link")).to_have_attribute("href", "https://www.instagram.com/p/A0/")
        for route in held:
            draw(route)
        expect(trouble).to_be_hidden()
        page.close()


def test_a_film_that_hangs_or_is_gone_says_so(service: Service, browser: Browser) -> None:
    with publisher(service, feed(service)) as url:
        page = browser.new_page()
        page.clock.install()
        page.route("**/media/bread-film.mp4", lambda _: None)
        page.goto(url)
        open_at(page, 4)
        page.get_by_role("button", name="Play video").click()
        page.clock.fast_forward(8_100)
        expect(page.locator(".trouble")).to_contain_text("can't be loaded")
        page.keyboard.press("Escape")

        page.unroute_all()
        page.route("**/media/bread-film.mp4", lambda route: route.fulfill(status=404))
        open_at(page, 4)
        page.get_by_role("button", name="Play video").click()
        lost = page.locator(".stage .lost")
        expect(lost).to_contain_text("This picture or video can't be loaded.")
        expect(lost).to_contain_text("View on Instagram")
        assert lost.get_attribute("href")
        page.close()


def test_the_first_and_last_post_by_keyboard_and_swipes(service: Service, browser: Browser) -> None:
    look: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with publisher(service, feed(service)) as url, opened(browser, url, **look) as (page, _, _):
        open_at(page, 1)
        page.keyboard.press("End")
        expect(page.get_by_role("button", name="Next post")).to_be_disabled()
        page.keyboard.press("Home")
        expect(page.get_by_role("button", name="Previous post")).to_be_disabled()
        swipe(page, 300, 100)
        expect(page.get_by_role("button", name="Previous post")).to_be_enabled()
        swipe(page, 100, 300)
        expect(page.get_by_role("button", name="Previous post")).to_be_disabled()
        swipe(page, 100, 130)  # too short
        swipe(page, 100, 300)  # there is no post before the first
        expect(page.get_by_role("button", name="Previous post")).to_be_disabled()


def swipe(page: Page, start: int, end: int) -> None:
    fingers = page.context.new_cdp_session(page)
    fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start, "y": 200}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": end, "y": 205}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    fingers.detach()


def test_it_is_mirrored_in_arabic(service: Service, browser: Browser) -> None:
    body = f"<div lang=ar dir=rtl>{feed(service)}</div>"
    with publisher(service, body) as url:
        page = browser.new_page()
        page.goto(url)
        open_at(page, 5)
        assert page.locator("dialog").evaluate("dialog => [dialog.dir, dialog.lang]") == ["rtl", "ar"]
        expect(page.locator(".place")).to_have_text("1 من 2")
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".place")).to_have_text("2 من 2")
        back, stage = page.locator(".step.back").bounding_box(), page.locator(".stage").bounding_box()
        assert back is not None
        assert stage is not None
        assert back["x"] > stage["x"] + stage["width"] / 2
        shown = page.locator(".track > li").nth(1).bounding_box()
        assert shown is not None
        page.wait_for_function(
            "() => Math.abs(document.body.lastElementChild.shadowRoot.querySelector('.track').scrollLeft) > 0"
        )
        page.close()
