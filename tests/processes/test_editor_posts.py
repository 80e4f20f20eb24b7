"""Moderating a widget's posts in a real browser: without loading the page again, by keyboard, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.axe import problems_in_all_looks
from tests.processes.publishing import publisher
from tests.processes.service import Service, running_service
from tests.processes.test_editor import PASSWORD, embed_code, press, set_up_widget, signed_in, tiles

pytestmark = [pytest.mark.processes, pytest.mark.browser]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), DEBUG="false") as running:
        yield running


def open_posts(page: Page, account: str, number: int) -> str:
    """The Posts page of a new widget that shows `number` posts; returns the widget's embed code."""
    set_up_widget(page, account)
    expect(tiles(page)).to_have_count(number)
    code = embed_code(page)
    page.get_by_role("link", name="Posts", exact=True).click()
    expect(page.get_by_role("heading", name="What visitors see")).to_be_visible()
    expect(tiles(page)).to_have_count(number)
    page.evaluate("window.isSamePage = true")
    return code


def links(page: Page) -> list[str]:
    return [link.get_attribute("href") or "" for link in tiles(page).all()]


def test_posts_are_moderated_without_loading_the_page_again(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="mod", password=PASSWORD)
    with signed_in(service, browser, "mod") as page:
        code = open_posts(page, "tiny.studio", 3)
        first, second, third = links(page)

        page.get_by_role("button", name="Hide:").first.click()
        expect(page.get_by_text("1 post hidden.").first).to_be_visible()
        expect(page.locator("#announcement")).to_have_text("1 post hidden.")
        expect(tiles(page)).to_have_count(2)
        assert links(page) == [second, third]
        page.get_by_role("button", name="Undo").click()
        expect(tiles(page)).to_have_count(3)

        page.get_by_role("button", name="Pin to the front:").last.click()
        expect(tiles(page).first).to_have_attribute("href", third)
        page.get_by_role("button", name="Select all").click()
        page.get_by_role("button", name="Hide", exact=True).click()
        expect(page.get_by_text("3 posts hidden.").first).to_be_visible()
        expect(
            page.locator("instagram-feed").get_by_text("There are no posts to show yet.").first
        ).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(tiles(page)).to_have_count(3)

        with publisher(service, code) as shop:
            visitor = page.context.new_page()
            visitor.goto(shop)
            expect(tiles(visitor)).to_have_count(3)
            assert links(visitor) == [third, first, second]

        word = re.sub(r"\W+.*", "", page.locator(".post-words").first.inner_text())
        page.locator("summary", has_text="Filter by words").click()
        page.get_by_label("Leave out posts with").fill(word)
        page.get_by_role("button", name="Save words").click()
        expect(page.get_by_text("hidden by your word filter").first).to_be_visible()
        expect(tiles(page)).not_to_have_count(3)
        page.get_by_role("link", name=re.compile("^Pinned")).click()
        expect(page.locator(".post-card")).to_have_count(1)

        page.locator(".describe summary").first.click()
        page.get_by_label("What the picture shows").fill("Three vases on a shelf")
        page.get_by_role("button", name="Save description").click()
        expect(page.get_by_text("Your description").first).to_be_visible()
        assert page.evaluate("window.isSamePage"), "the page was loaded again"
        assert problems_in_all_looks(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_the_page_stays_where_it_is_after_an_act(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="low", password=PASSWORD)
    with signed_in(service, browser, "low", viewport={"width": 360, "height": 600}) as page:
        open_posts(page, "acme.bakery", 12)
        button = page.get_by_role("button", name="Hide:").nth(4)
        button.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        assert before > 200
        button.click()
        expect(page.get_by_text("1 post hidden.").first).to_be_visible()
        assert page.evaluate("scrollY") == before


def test_posts_are_moderated_by_keyboard(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="kay", password=PASSWORD)
    with signed_in(service, browser, "kay") as page:
        open_posts(page, "tiny.studio", 3)
        press(page, page.get_by_role("button", name="Hide:").first, "Space")
        expect(tiles(page)).to_have_count(2)
        # The focus stays on the button, which now does the opposite.
        assert page.evaluate("document.activeElement.textContent") == "Show"
        page.keyboard.press("Space")
        expect(tiles(page)).to_have_count(3)
        press(page, page.locator("input[type=checkbox][form=bulk]").last, "Space")
        press(page, page.get_by_role("button", name="Pin to front", exact=True))
        expect(page.get_by_text("1 post pinned to the front.").first).to_be_visible()
        press(page, page.get_by_role("button", name="Undo"))
        expect(page.get_by_text("Undone.").first).to_be_visible()


def test_a_failed_act_says_so_and_changes_nothing(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="far", password=PASSWORD)
    with signed_in(service, browser, "far") as page:
        open_posts(page, "tiny.studio", 3)
        page.route(
            "**/posts/**",
            lambda route: route.abort() if route.request.method == "POST" else route.continue_(),
        )
        page.get_by_role("button", name="Hide:").first.click()
        expect(page.locator("#said")).to_contain_text("That didn't work, and nothing was changed.")
        page.unroute_all()
        page.get_by_role("button", name="Hide:").first.click()
        expect(page.get_by_text("1 post hidden.").first).to_be_visible()


def test_posts_are_moderated_without_scripts(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="non", password=PASSWORD)
    with signed_in(service, browser, "non") as page:
        open_posts(page, "tiny.studio", 3)
        address, cookies = page.url, page.context.cookies()
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    plain = context.new_page()
    plain.goto(address)
    plain.get_by_role("button", name="Hide:").first.click()
    expect(plain.get_by_text("1 post hidden.")).to_be_visible()
    expect(plain.get_by_role("button", name="Show:")).to_have_count(1)
    plain.get_by_role("button", name="Undo").click()
    expect(plain.get_by_text("Undone.")).to_be_visible()
    plain.reload()
    expect(plain.get_by_text("Undone.")).to_have_count(0)
    context.close()
