"""The frame page on a publisher's site: sized by its script, and the lightbox where the visitor looks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes.publishing import publisher
from tests.processes.service import Service, running_service
from venice_api.frame_code import frame_code

pytestmark = [pytest.mark.processes, pytest.mark.browser]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


def code(service: Service, account: str = "acme.bakery") -> str:
    made = service.shared_instance(account)
    base_url = f"http://127.0.0.1:{service.web_ports[0]}"
    return frame_code(base_url, made["instanceId"], made["embedToken"])


def policy(service: Service) -> str:
    """Lets the code's script run, as on a site without a policy."""
    return f"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-src http://127.0.0.1:{service.web_ports[0]}"


def height(page: Page, frame: int = 0) -> int:
    return int(page.locator("iframe").nth(frame).evaluate("frame => frame.offsetHeight"))


def content_height(page: Page, frame: int = 0) -> int:
    body = page.frame_locator("iframe").nth(frame).locator("body")
    return int(body.evaluate("body => Math.ceil(body.getBoundingClientRect().height)"))


def wait_until_sized(page: Page, frame: int = 0) -> None:
    page.frame_locator("iframe").nth(frame).locator("li a.tile").first.wait_for()
    for _ in range(100):
        if height(page, frame) == content_height(page, frame):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"the frame is {height(page, frame)} high, its content {content_height(page, frame)}")


def test_frames_are_as_high_as_their_content(service: Service, browser: Browser) -> None:
    body = f"{code(service)}{code(service, 'tiny.studio')}"
    with publisher(service, body, policy(service)) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(url)
        for frame in (0, 1):
            wait_until_sized(page, frame)
        wide = height(page)
        assert height(page, 1) < wide, "one frame was sized by the other"
        page.set_viewport_size({"width": 390, "height": 720})
        wait_until_sized(page)
        assert height(page) > wide
        page.set_viewport_size({"width": 1280, "height": 720})
        wait_until_sized(page)
        assert height(page) == wide
        page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_frame_as_high_as_its_content_does_not_scroll(
    service: Service, browser: Browser, width: int
) -> None:
    with publisher(service, code(service), policy(service)) as url:
        page = browser.new_page(viewport={"width": width, "height": 720})
        page.goto(url)
        wait_until_sized(page)
        html = page.frame_locator("iframe").locator("html")
        assert html.evaluate("page => page.scrollHeight - innerHeight") == 0
        page.close()


def test_other_senders_cannot_size_a_frame(service: Service, browser: Browser) -> None:
    with publisher(service, f"{code(service)}<iframe srcdoc='x'></iframe>", policy(service)) as url:
        page = browser.new_page()
        page.goto(url)
        wait_until_sized(page)
        before = height(page)
        forged = "{ type: 'instagram-feed:height', height: 7 }"
        page.evaluate(f"postMessage({forged}, '*')")
        page.frames[-1].evaluate(f"parent.postMessage({forged}, '*')")
        page.evaluate("postMessage(null, '*')")
        page.evaluate("new Promise(done => setTimeout(done, 100))")
        assert height(page) == before
        page.close()


def test_the_lightbox_opens_where_the_visitor_looks(service: Service, browser: Browser) -> None:
    body = f"<div style='height: 900px'></div>{code(service)}<div style='height: 2000px'></div>"
    with publisher(service, body, policy(service)) as url:
        page = browser.new_page(viewport={"width": 390, "height": 700})
        page.goto(url)
        page.evaluate("scrollTo(0, 700)")  # Chromium may not draw a frame out of sight, so it isn't measured
        wait_until_sized(page)
        assert height(page) > 1_000
        frame = page.frame_locator("iframe")
        tile = frame.locator("li a.tile").nth(8)
        page.evaluate("scrollTo(0, 1500)")
        tile.click()
        dialog = frame.get_by_role("dialog")
        expect(dialog).to_be_visible()
        expect(frame.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
        box = dialog.bounding_box()
        assert box is not None
        assert box["y"] >= -13  # it rises by 12 pixels
        assert box["y"] + box["height"] <= 713
        assert box["height"] > 360
        frame.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
        page.close()


def test_a_post_opens_on_instagram_where_too_little_of_the_frame_is_seen(
    service: Service, browser: Browser
) -> None:
    body = code(service).replace('height="600"', 'height="250"').partition("<script>")[0]
    with publisher(service, body, policy(service)) as url:
        context = browser.new_context()
        context.route("https://www.instagram.com/**", lambda route: route.fulfill(body="instagram"))
        page = context.new_page()
        page.goto(url)
        tile = page.frame_locator("iframe").locator("li a.tile").first
        tile.wait_for()
        with context.expect_page() as opened:
            tile.click()
        opened.value.wait_for_url("https://www.instagram.com/p/**")
        assert page.frame_locator("iframe").get_by_role("dialog").count() == 0
        context.close()


def test_the_lightbox_stays_in_view_when_the_window_is_turned(service: Service, browser: Browser) -> None:
    body = f"{code(service)}<div style='height: 2000px'></div>"
    meta = "<meta name=viewport content='width=device-width'>"
    with publisher(service, meta + body, policy(service)) as url:
        page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
        page.goto(url)
        wait_until_sized(page)
        frame = page.frame_locator("iframe")
        frame.locator("li a.tile").first.click()
        dialog = frame.get_by_role("dialog")
        expect(dialog).to_be_in_viewport(ratio=0.98)
        page.set_viewport_size({"width": 844, "height": 390})
        expect(dialog).to_be_in_viewport(ratio=0.98)
        expect(frame.get_by_role("button", name="Next post")).to_be_in_viewport(ratio=1)
        page.close()


def test_a_frame_that_is_higher_than_its_feed_has_the_lightbox(service: Service, browser: Browser) -> None:
    body = code(service, "tiny.studio").replace('width="100%" height="600"', 'width="1000" height="690"')
    with publisher(service, body.partition("<script>")[0], policy(service)) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(url)
        frame = page.frame_locator("iframe")
        frame.locator("li a.tile").first.wait_for()
        assert content_height(page) < 360
        frame.locator("li a.tile").first.click()
        expect(frame.get_by_role("dialog")).to_be_in_viewport(ratio=0.98)
        page.close()


def test_the_frame_speaks_the_language_of_its_address(service: Service, browser: Browser) -> None:
    made = service.shared_instance("tiny.studio")
    address = f"http://127.0.0.1:{service.web_ports[0]}/embed/{made['instanceId']}?token={made['embedToken']}"
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    for lang, word in (("&lang=de", "Schließen"), ("&lang=ar", "إغلاق"), ("", "Close")):
        page.goto(address + lang)
        page.locator("li a.tile").first.click()
        expect(page.get_by_role("button", name=word, exact=True)).to_be_focused()
    page.close()
