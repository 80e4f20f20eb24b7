"""A new editor's way from an address to a moderated, designed widget on a published page, by mouse and by keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.processes.publishing import publisher
from tests.processes.service import Service, running_service
from tests.processes.test_editor import PASSWORD, embed_code, press, signed_in, tiles
from tests.processes.test_editor_posts import links

pytestmark = [pytest.mark.processes, pytest.mark.browser]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), DEBUG="false") as running:
        yield running


def visit(browser: Browser, shop: str) -> Page:
    """Somebody's first visit to the page."""
    page = browser.new_context().new_page()
    page.goto(shop)
    expect(tiles(page).first).to_be_visible()
    return page


@pytest.mark.parametrize("by_keyboard", [False, True], ids=["by mouse", "by keyboard"])
def test_from_an_address_to_a_published_page(service: Service, browser: Browser, by_keyboard: bool) -> None:
    name = "key" if by_keyboard else "mouse"
    service.workspace("pro", editor=name, password=PASSWORD)
    with signed_in(service, browser, name) as page:

        def use(target: Locator, key: str = "Enter") -> None:
            press(page, target, key) if by_keyboard else target.click()

        def fill(target: Locator, text: str) -> None:
            if by_keyboard:
                press(page, target, "End")
                page.keyboard.press("Control+A")
                page.keyboard.type(text)
            else:
                target.fill(text)

        check_and_create(page, use, fill)
        code = embed_code(page)
        choose_a_layout(page, use, by_keyboard)
        with publisher(service, code) as shop:
            visitor = visit(browser, shop)
            expect(visitor.locator("instagram-feed ul")).to_have_class("posts masonry")
            first, second, third = links(visitor)
            is_live(page, use)

            moderate(page, use, fill)
            visitor = visit(browser, shop)
            assert links(visitor) == [third, second]

            # Looks saved now show on pages that were published before, without new code.
            use(page.get_by_role("link", name="Design", exact=True))
            fill(page.get_by_role("textbox", name="Text", exact=True), "Two hands, one kiln.")
            use(page.get_by_role("button", name="Save", exact=True))
            expect(page.get_by_text("Pages that show the widget update within two minutes.")).to_be_visible()
            follows(visitor, "Two hands, one kiln.")
        assert first != third


def follows(visitor: Page, words: str) -> None:
    """The same visitor's browser may use its copy of the feed for a few seconds; two minutes are promised."""
    give_up_at = time.monotonic() + 120
    while time.monotonic() < give_up_at:
        visitor.reload()
        expect(tiles(visitor).first).to_be_visible()
        if visitor.get_by_text(words).count():
            return
        visitor.wait_for_timeout(1_000)
    pytest.fail(f"the published page doesn't show {words!r}")


def check_and_create(page: Page, use: Callable[..., None], fill: Callable[[Locator, str], None]) -> None:
    use(page.get_by_role("link", name="New widget"))
    expect(page.get_by_role("heading", name="New widget")).to_be_visible()
    fill(page.get_by_label("Account or hashtag"), "instagram.com/tiny.studio/?igsh=abc")
    use(page.get_by_role("button", name="Check"))
    expect(page.get_by_text("the newest 3 posts.")).to_be_visible()
    use(page.get_by_role("button", name="Create widget"))
    expect(page.get_by_text("Your widget was created.")).to_be_visible()
    expect(tiles(page)).to_have_count(3)


def choose_a_layout(page: Page, use: Callable[..., None], by_keyboard: bool) -> None:
    use(page.get_by_role("link", name="Design", exact=True))
    preview = page.locator("instagram-feed ul")
    if by_keyboard:
        use(page.get_by_label("Grid"), "ArrowRight")
        page.keyboard.press("ArrowRight")
    else:
        page.get_by_label("Masonry").check()
    expect(preview).to_have_class("posts masonry")
    use(page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_text("Pages that show the widget update within two minutes.")).to_be_visible()


def is_live(page: Page, use: Callable[..., None]) -> None:
    use(page.get_by_role("link", name="Publish", exact=True))
    for _ in range(20):  # reads are written every few seconds
        if page.get_by_role("cell", name="localhost").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.get_by_text("Live on 1 site.")).to_be_visible()
    expect(page.get_by_role("cell", name="localhost")).to_be_visible()


def moderate(page: Page, use: Callable[..., None], fill: Callable[[Locator, str], None]) -> None:
    """Pin the last post, hide the first, and leave out nothing else; without loading the page again."""
    use(page.get_by_role("link", name="Posts", exact=True))
    expect(tiles(page)).to_have_count(3)
    page.evaluate("window.isSamePage = true")
    use(page.get_by_role("button", name="Pin to the front:").last)
    expect(page.get_by_text("1 post pinned to the front.").first).to_be_visible()
    use(page.get_by_role("button", name="Hide:").nth(1))
    expect(page.get_by_text("1 post hidden.").first).to_be_visible()
    expect(tiles(page)).to_have_count(2)
    use(page.locator("summary", has_text="Filter by words"))
    word = page.locator(".post-words").first.inner_text().split()[0].strip(".,:")
    fill(page.get_by_label("Show only posts with"), word)
    use(page.get_by_role("button", name="Save words"))
    expect(tiles(page)).to_have_count(1)
    use(page.get_by_role("button", name="Undo"))
    expect(tiles(page)).to_have_count(2)
    assert page.evaluate("window.isSamePage"), "the page was loaded again"
