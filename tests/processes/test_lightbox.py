"""A post opened large: albums and video, by mouse, keyboard and touch, on a page with a strict policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.axe import problems_at_widths
from tests.fakes import media, video
from tests.processes.publishing import opened, publisher, wait_for_widgets, widget
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]


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
