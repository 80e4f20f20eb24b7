"""The Design page in a real browser: the preview follows the form, and what is saved reaches pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from tests.axe import RULES_OF_COLOUR, serious_problems
from tests.processes.publishing import wait_for, wait_for_widgets
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "design-password-1"


@dataclass(frozen=True, slots=True)
class Widget:
    service: Service
    instance_id: str
    token: str

    @property
    def path(self) -> str:
        return f"/editor/{self.instance_id}/design/"

    @property
    def appearance(self) -> Any:
        """As visitors get it."""
        return self.service.read(self.token).json.get("appearance")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(service: Service) -> str:
    return service.workspace("pro", editor="dana", password=PASSWORD)


@pytest.fixture(scope="module")
def cookies(service: Service, workspace: str, browser: Browser) -> Any:
    """Of the signed-in editor. Signing in is slow on purpose."""
    page = browser.new_page()
    page.goto(f"{base(service)}/accounts/login/?next=/editor/")
    page.get_by_label("Name").fill("dana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/editor/")
    kept = page.context.cookies()
    page.close()
    return kept


@pytest.fixture
def widget(service: Service, workspace: str) -> Widget:
    return make_widget(service, workspace)


@pytest.fixture(scope="module")
def unchanged(service: Service, workspace: str) -> Widget:
    """For tests that save nothing."""
    return make_widget(service, workspace)


def make_widget(service: Service, workspace: str) -> Widget:
    made = service.instance(workspace, "acme.bakery")
    return Widget(service, made["instanceId"], made["embedToken"])


def base(service: Service) -> str:
    return f"http://127.0.0.1:{service.web_ports[0]}"


@contextmanager
def opened(widget: Widget, browser: Browser, cookies: Any, **look: Any) -> Iterator[Page]:
    context = browser.new_context(**look)
    context.add_cookies(cookies)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base(widget.service)}{widget.path}")
    yield page
    context.close()


def feed(page: Page) -> Locator:
    return page.locator("instagram-feed")


def choose(page: Page, group: str, name: str) -> None:
    page.get_by_role("group", name=group, exact=True).get_by_role("radio", name=name).check()


def number(page: Page, name: str) -> Locator:
    return page.get_by_role("spinbutton", name=name, exact=True)


def is_wider_than_window(page: Page) -> bool:
    found: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return found


def test_the_preview_follows_the_form_without_loading_the_page(
    unchanged: Widget, browser: Browser, cookies: Any
) -> None:
    with opened(unchanged, browser, cookies) as page:
        page.evaluate("window.isSamePage = true")
        posts: list[str] = []
        page.on("request", lambda request: posts.append(request.url) if request.method != "GET" else None)
        shown = feed(page)
        expect(shown).to_have_attribute("gap", "10")

        number(page, "Gap").fill("100")
        expect(page.get_by_text("Enter a whole number from 0 to 60.")).to_be_visible()
        number(page, "Gap").fill("24")
        expect(page.get_by_text("Enter a whole number from 0 to 60.")).to_have_count(0)
        expect(shown).to_have_attribute("gap", "24")
        page.locator("[data-slides=id_radius]").fill("33")
        expect(number(page, "Corner radius")).to_have_value("33")
        expect(shown).to_have_attribute("radius", "33")
        page.get_by_label("Text", exact=True).press_sequentially("Baked")
        expect(shown).to_have_attribute("header-text", "Baked")
        page.get_by_role("switch", name="Follow button").check()
        expect(shown).to_have_attribute("follow-button", "on")
        number(page, "Columns, wide").fill("3")
        expect(shown).to_have_attribute("columns", "3")
        number(page, "Columns, narrow").fill("1")
        expect(shown).to_have_attribute("columns-narrow", "1")
        number(page, "Posts per page").fill("6")
        expect(shown).to_have_attribute("page-size", "6")
        number(page, "Length").fill("40")
        expect(shown).to_have_attribute("caption-length", "40")
        page.get_by_role("switch", name="Show the date").check()
        expect(shown).to_have_attribute("show-date", "on")
        for group, choice, attribute, value in (
            ("Shape", "Portrait", "tile-ratio", "4:5"),
            ("Captions", "Below", "captions", "below"),
            ("A click on a post opens", "Nothing", "click", "none"),
            ("Colours", "Dark", "theme", "dark"),
            ("Layout", "Masonry", "layout", "masonry"),
        ):
            choose(page, group, choice)
            expect(shown).to_have_attribute(attribute, value)

        assert page.evaluate("window.isSamePage")
        assert posts == []
        assert unchanged.appearance is None


def test_fields_that_do_not_apply_are_hidden(unchanged: Widget, browser: Browser, cookies: Any) -> None:
    with opened(unchanged, browser, cookies) as page:
        shape = page.get_by_role("group", name="Shape")
        expect(shape).to_be_visible()
        choose(page, "Layout", "Masonry")
        expect(shape).to_be_hidden()
        choose(page, "Layout", "Carousel")
        expect(shape).to_be_visible()
        expect(number(page, "Posts per page")).to_be_hidden()
        choose(page, "Captions", "Off")
        expect(number(page, "Length")).to_be_hidden()
        page.get_by_role("switch", name="Show the header").uncheck()
        expect(page.get_by_label("Text", exact=True)).to_be_hidden()
        expect(page.get_by_role("switch", name="Follow button")).to_be_hidden()


def test_looks_are_saved_reset_and_restored(widget: Widget, browser: Browser, cookies: Any) -> None:
    with opened(widget, browser, cookies) as page:
        choose(page, "Layout", "Carousel")
        number(page, "Gap").fill("99")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was saved. Correct Gap")
        expect(number(page, "Gap")).to_have_value("99")
        expect(page.get_by_role("radio", name="Carousel")).to_be_checked()
        assert widget.appearance is None

        number(page, "Gap").fill("4")
        number(page, "Gap").press("Enter")
        expect(
            page.get_by_text("Saved. Pages that show the widget update within two minutes.")
        ).to_be_visible()
        expect(feed(page)).to_have_attribute("gap", "4")
        wait_for(page, lambda: widget.appearance is not None)
        saved = widget.appearance
        assert (saved["layout"], saved["gap"], saved["radius"]) == ("carousel", 4, 10)

        page.get_by_role("button", name="Reset to defaults").click()
        expect(page.get_by_text("The design is back to the defaults.")).to_be_visible()
        expect(feed(page)).to_have_attribute("layout", "grid")
        wait_for(page, lambda: widget.appearance is None)
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Your former design is back.")).to_be_visible()
        wait_for(page, lambda: widget.appearance == saved)


def test_the_preview_is_a_phone_or_a_desktop_on_a_light_or_a_dark_page(
    unchanged: Widget, browser: Browser, cookies: Any
) -> None:
    with opened(unchanged, browser, cookies, color_scheme="dark") as page:

        def stage() -> Any:
            return page.evaluate(
                """() => {
                    const [stage, screen] = [".stage", ".screen"].map(name => document.querySelector(name));
                    const { width } = stage.getBoundingClientRect();
                    const room = screen.parentElement.clientWidth;
                    const isCutOff = screen.scrollWidth > screen.clientWidth || width > room + 1;
                    const { colorScheme, backgroundColor } = getComputedStyle(screen);
                    const laidOut = stage.offsetWidth;
                    return { laidOut, width: Math.round(width), isCutOff, colorScheme, backgroundColor };
                }"""
            )

        wait_for_widgets(page)
        for window, width in ((1900, 1100), (1280, None), (360, None)):
            page.set_viewport_size({"width": window, "height": 900})
            choose(page, "Width of the preview", "Desktop")
            wait_for(page, lambda width=width: stage()["laidOut"] == 1100 and not stage()["isCutOff"])
            assert stage()["width"] == width or stage()["width"] < 1100
            choose(page, "Width of the preview", "Phone")
            wait_for(page, lambda: stage()["laidOut"] == 390 and not stage()["isCutOff"])
            assert not is_wider_than_window(page)
        assert (stage()["colorScheme"], stage()["backgroundColor"]) == ("light", "rgb(255, 255, 255)")
        choose(page, "Page around the preview", "Dark")
        assert stage()["colorScheme"] == "dark"
        assert stage()["backgroundColor"] != "rgb(255, 255, 255)"
        page.emulate_media(color_scheme="light")
        assert stage()["colorScheme"] == "dark"
        page.reload()
        expect(page.get_by_role("radio", name="Phone")).to_be_checked()
        assert (stage()["laidOut"], stage()["colorScheme"]) == (390, "dark")


def test_posts_do_not_overlap_in_a_scaled_preview(unchanged: Widget, browser: Browser, cookies: Any) -> None:
    with opened(unchanged, browser, cookies, viewport={"width": 1024, "height": 900}) as page:
        choose(page, "Layout", "Masonry")
        choose(page, "Captions", "Below")
        expect(feed(page)).to_have_attribute("captions", "below")
        wait_for_widgets(page)
        assert page.evaluate(_OVERLAPS) == []


# The posts, by number, that cover one another by more than a pixel.
_OVERLAPS = """() => {
    const posts = [...document.querySelector("instagram-feed").shadowRoot.querySelectorAll("li")];
    const places = posts.map(post => post.getBoundingClientRect());
    const cross = (a, b, start, end) => a[end] > b[start] + 1 && b[end] > a[start] + 1;
    const pairs = places.flatMap((a, at) => places.slice(at + 1).map((b, after) => [a, b, at, at + 1 + after]));
    return pairs.filter(([a, b]) => cross(a, b, "left", "right") && cross(a, b, "top", "bottom"))
        .map(([, , one, other]) => [one, other]);
}"""


def test_leaving_asks_only_when_something_is_unsaved(widget: Widget, browser: Browser, cookies: Any) -> None:
    with opened(widget, browser, cookies) as page:
        asked: list[str] = []

        def answer(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        page.on("dialog", answer)
        gap = number(page, "Gap")
        gap.fill("12")
        expect(page.get_by_text("Not saved", exact=True)).to_be_visible()
        gap.fill("10")
        expect(page.get_by_text("Not saved", exact=True)).to_have_count(0)
        page.reload()
        assert asked == []

        gap.fill("12")
        page.reload()
        assert asked == ["beforeunload"]
        expect(gap).to_have_value("10")
        gap.fill("12")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        gap.fill("99")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_text("Not saved", exact=True)).to_be_visible()
        page.wait_for_load_state("domcontentloaded")  # both come from the server, before the script
        assert asked == ["beforeunload"]
        page.goto(f"{base(widget.service)}/editor/")
        assert asked == ["beforeunload"] * 2


def test_the_form_works_without_scripts(widget: Widget, browser: Browser, cookies: Any) -> None:
    with opened(widget, browser, cookies, java_script_enabled=False) as page:
        choose(page, "Layout", "Masonry")
        number(page, "Gap").fill("3")
        page.get_by_role("button", name="Preview", exact=True).click()
        expect(page.get_by_text("Not saved", exact=True)).to_be_visible()
        expect(feed(page)).to_have_attribute("layout", "masonry")
        expect(feed(page)).to_have_attribute("gap", "3")
        assert widget.appearance is None
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        wait_for(page, lambda: (widget.appearance or {}).get("layout") == "masonry")


def test_the_form_by_keyboard_alone(widget: Widget, browser: Browser, cookies: Any) -> None:
    with opened(widget, browser, cookies, viewport={"width": 360, "height": 800}) as page:

        def reach(target: Locator) -> None:
            for _ in range(60):
                page.keyboard.press("Tab")
                if target.evaluate("element => element === document.activeElement"):
                    assert target.evaluate(_IS_SEEN), "the focus is covered"
                    return
            raise AssertionError("the element cannot be reached by keyboard")

        reach(page.get_by_role("radio", name="Grid"))
        page.keyboard.press("ArrowRight")
        expect(feed(page)).to_have_attribute("layout", "carousel")
        reach(number(page, "Gap"))
        page.keyboard.press("ArrowUp")
        expect(feed(page)).to_have_attribute("gap", "11")
        reach(page.get_by_role("switch", name="Show the date"))
        page.keyboard.press("Space")
        expect(feed(page)).to_have_attribute("show-date", "on")
        reach(page.get_by_role("button", name="Save", exact=True))
        page.keyboard.press("Enter")
        expect(page.get_by_text("Saved.")).to_be_visible()


# The middle of the element is not behind the preview or the buttons, which stay in view.
_IS_SEEN = """element => {
    const { left, top, width, height } = element.getBoundingClientRect();
    const there = document.elementFromPoint(left + width / 2, top + height / 2);
    return there === element || Boolean(element.labels?.[0]?.contains(there));
}"""


def test_the_page_shuts_nobody_out(unchanged: Widget, browser: Browser, cookies: Any) -> None:
    found: list[str] = []
    with opened(unchanged, browser, cookies) as page:
        number(page, "Gap").fill("99")
        wait_for_widgets(page)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme, rules in (("light", ()), ("dark", RULES_OF_COLOUR)):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.locator(f"[name=page][value={scheme}]").check()
                found += [f"{scheme}, {width} pixels: {each}" for each in serious_problems(page, rules)]
            if is_wider_than_window(page):
                found.append(f"wider than {width} pixels")
    assert found == []
