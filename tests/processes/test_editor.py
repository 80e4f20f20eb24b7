"""The editor and the support desk in a real browser, from a new widget to a plan that lifts a block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.axe import WIDTHS, problems_in_all_looks
from tests.processes.publishing import publisher, wait_for_widgets
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "walk-password-1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # As in production, so that error pages are those that people see.
    with running_service(tmp_path_factory.mktemp("service"), DEBUG="false") as running:
        yield running


def base(service: Service) -> str:
    return f"http://127.0.0.1:{service.web_ports[0]}"


@contextmanager
def signed_in(
    service: Service,
    browser: Browser,
    name: str,
    *,
    start: str = "/editor/",
    by_keyboard: bool = False,
    **look: Any,
) -> Iterator[Page]:
    """The page of a person who has signed in, in a new browser context."""
    context: BrowserContext = browser.new_context(**look)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base(service)}/accounts/login/?next={start}")
    if by_keyboard:
        expect(page.get_by_label("Name")).to_be_focused()
        page.keyboard.type(name)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
    else:
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{base(service)}{start}")
    yield page
    context.close()


def staff(service: Service, name: str) -> None:
    script = (
        "from django.contrib.auth.models import User; "
        f"User.objects.create_superuser({name!r}, password={PASSWORD!r}); print('{{}}')"
    )
    service.manage("shell", "-v", "0", "-c", script)


def set_up_widget(page: Page, account: str, name: str = "Front page") -> None:
    page.get_by_role("link", name="New widget").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Account or hashtag").fill(account)
    page.get_by_role("button", name="Create widget").click()
    expect(page.get_by_text("Your widget was created.")).to_be_visible()


def embed_code(page: Page) -> str:
    """The element of the code that editors copy; the publisher's page brings its own script element."""
    return page.locator("#script-code").inner_text().splitlines()[-1]


def tiles(page: Page) -> Locator:
    return page.locator("instagram-feed li .tile[href]")


def test_set_up_preview_and_publish(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="pat", password=PASSWORD)
    with signed_in(service, browser, "pat") as page:
        expect(page.get_by_text("No widgets yet.")).to_be_visible()
        set_up_widget(page, "https://www.instagram.com/Acme.Bakery/")
        expect(tiles(page).first).to_be_visible()
        expect(page.get_by_text("just now")).to_be_visible()
        expect(page.get_by_text("Not loaded yet")).to_have_count(0)
        page.reload()
        expect(page.get_by_text("Working", exact=True)).to_be_visible()

        page.get_by_label("Account or hashtag").fill("@Tiny.Studio")
        page.get_by_role("button", name="Preview before saving").click()
        expect(page.get_by_text("not saved yet")).to_be_visible()
        expect(page.locator("instagram-feed").get_by_text("@tiny.studio")).to_be_visible()
        expect(tiles(page)).to_have_count(3)

        with publisher(service, embed_code(page)) as shop:
            visitor = page.context.new_page()
            visitor.goto(shop)
            expect(visitor.locator("instagram-feed").get_by_text("@acme.bakery")).to_be_visible()
            expect(tiles(visitor)).to_have_count(12)


def test_a_new_widget_is_checked_and_published_without_javascript(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="nora", password=PASSWORD)
    with signed_in(service, browser, "nora", java_script_enabled=False) as page:
        page.get_by_role("link", name="New widget").click()
        page.get_by_label("Account or hashtag").fill("https://www.instagram.com/p/AbC/")
        page.get_by_role("button", name="Check").click()
        expect(
            page.get_by_text("“https://www.instagram.com/p/AbC/” is the address of a post.")
        ).to_be_visible()
        expect(page.get_by_label("Account or hashtag")).to_be_focused()

        typed = "instagram.com/Acme.Bakery/reels/"
        page.get_by_label("Account or hashtag").fill(typed)
        page.get_by_label("Allowed sites").fill("shop.example")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("the newest 12 posts.")).to_be_visible()
        expect(page.get_by_role("region", name="Preview").get_by_role("img")).to_have_count(12)
        expect(page.get_by_label("Account or hashtag")).to_have_value(typed)
        page.get_by_role("button", name="Create widget").click()
        expect(page.get_by_role("heading", name="@acme.bakery")).to_be_visible()

        page.get_by_role("link", name="Publish").click()
        expect(page.get_by_text("The widget appears only on https://shop.example.")).to_be_visible()
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)
        page.locator("summary", has_text="WordPress").click()
        expect(page.locator("#wordpress-code-1")).to_contain_text('[instagram_feed token="')
        expect(page.locator("#html-code-1")).not_to_be_visible()


def test_times_are_shown_in_the_readers_zone(service: Service, browser: Browser) -> None:
    workspace = service.workspace("pro", editor="tia", password=PASSWORD)
    widget = service.instance(workspace, "tiny.studio")
    assert service.read(widget["embedToken"]).status == 200
    path = f"/editor/{widget['instanceId']}/"
    look: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Asia/Kolkata"}
    with signed_in(service, browser, "tia", java_script_enabled=False, **look) as page:
        page.goto(f"{base(service)}{path}")
        utc = page.locator("dd time").first.inner_text()
    with signed_in(service, browser, "tia", **look) as page:
        page.goto(f"{base(service)}{path}")
        shown = page.locator("dd time").first
        expect(shown).to_have_attribute("title", utc)
        there = datetime.fromisoformat(utc.replace(" UTC", "+00:00")).astimezone(ZoneInfo("Asia/Kolkata"))
        expect(shown).to_have_text(re.compile(f"^{there.day} {there:%b}[a-z]* {there:%Y, %H:%M}$"))


def test_a_block_names_its_end_and_the_plan_and_staff_lift_it(service: Service, browser: Browser) -> None:
    staff(service, "desk")
    workspace = service.workspace("free", editor="fred", password=PASSWORD)
    with signed_in(service, browser, "fred") as page:
        set_up_widget(page, "acme.bakery")
        # A refresh that joins the first fill costs nothing, and would leave the one of the day.
        expect(tiles(page).first).to_be_visible()
        refresh = page.get_by_role("button", name="Refresh now")
        refresh.click()
        expect(page.get_by_text("The posts are up to date.")).to_be_visible()
        expect(refresh).to_be_disabled()
        # Pro in the hour of the refresh, Starter should the hour have turned meanwhile.
        hint = re.compile(
            r"You've used all the refreshes in your plan for now\..* Upgrade to (Pro|Starter) to refresh now"
        )
        expect(page.get_by_text(hint)).to_be_visible()
        countdown = page.locator("time[data-countdown]")
        expect(countdown).to_contain_text("in ")
        expect(countdown).to_have_attribute("title", re.compile("00:00:00 UTC"))
        expect(countdown).not_to_contain_text("UTC")
        expect(page.get_by_text("Your Free plan doesn't include connected accounts.")).to_have_count(1)

        left_open = page.context.new_page()
        left_open.clock.install()
        left_open.goto(page.url)
        button = left_open.get_by_role("button", name="Refresh now")
        expect(button).to_be_disabled()
        left_open.clock.fast_forward("24:00:00")
        expect(button).to_be_enabled()
        expect(left_open.get_by_text(hint)).to_have_count(0)

        with signed_in(service, browser, "desk", start="/admin/") as desk:
            desk.goto(f"{base(service)}/admin/entitlements/workspace/{workspace}/change/")
            desk.get_by_label("Plan:").select_option(label="Pro")
            desk.get_by_role("button", name="Save", exact=True).click()
            expect(desk.get_by_text("was changed successfully")).to_be_visible()

        page.reload()
        expect(refresh).to_be_enabled()
        refresh.click()
        expect(page.get_by_text("The posts are up to date.")).to_be_visible()


def expect_copied(page: Page) -> None:
    expect(
        page.get_by_role("button", name="Copied").or_(page.get_by_text("Copy it with the keyboard"))
    ).to_be_visible()


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    """Reach the element by Tab alone, as somebody without a mouse does, and press a key there."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            outline = target.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none", "the focus cannot be seen"
            page.keyboard.press(key)
            return
    raise AssertionError("the element cannot be reached by keyboard")


def test_everything_by_keyboard_alone(service: Service, browser: Browser) -> None:
    service.workspace("pro", editor="kim", password=PASSWORD)
    with signed_in(service, browser, "kim", by_keyboard=True) as page:
        press(page, page.get_by_role("link", name="New widget"))
        page.wait_for_url("**/editor/new/**")
        press(page, page.get_by_label("Account or hashtag"), "t")
        page.keyboard.type("iny.studio")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Your widget was created.")).to_be_visible()
        expect(tiles(page)).to_have_count(3)

        press(page, page.get_by_role("button", name="Refresh now"))
        expect(page.get_by_text("The posts are up to date.")).to_be_visible()
        press(page, page.get_by_role("button", name="Preview before saving"))
        expect(page.get_by_text("not saved yet")).to_be_visible()
        press(page, page.get_by_role("button", name="Save"))
        expect(page.get_by_text("Saved.")).to_be_visible()
        press(page, page.get_by_role("button", name="Copy embed code"), "Space")
        expect_copied(page)
        press(page, page.get_by_role("link", name="Publish"))
        press(page, page.locator("summary", has_text="Shopify"))
        press(page, page.get_by_role("button", name="Copy Custom Liquid code"), "Space")
        expect_copied(page)
        press(page, page.locator("summary", has_text="Replace embed code"))
        press(page, page.get_by_role("button", name="Replace embed code"))
        expect(page.get_by_text("The old embed code no longer works.")).to_be_visible()
        press(page, page.get_by_role("link", name="Overview"))
        press(page, page.get_by_role("link", name="Connect with Instagram"))
        expect(page.get_by_role("button", name="Approve")).to_be_visible()
        page.get_by_label("@tiny.studio").check()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("@tiny.studio, through Instagram login")).to_be_visible()
        press(page, page.locator("summary", has_text="Disconnect"))
        press(page, page.get_by_role("button", name="Disconnect @"))
        expect(page.get_by_text("No account is connected")).to_be_visible()
        press(page, page.get_by_role("button", name="Sign out"))
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_no_page_shuts_anybody_out(service: Service, browser: Browser) -> None:
    staff(service, "desk-amy")
    workspace = service.workspace("free", editor="amy", password=PASSWORD)
    found: list[str] = []
    with signed_in(service, browser, "amy") as page:
        found += problems(page, "empty list")
        page.get_by_role("link", name="New widget").click()
        page.get_by_role("button", name="Create widget").click()
        found += problems(page, "new widget, refused")
        page.get_by_label("Account or hashtag").fill("tiny.studio")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("the newest 3 posts.")).to_be_visible()
        found += problems(page, "new widget, checked")
        page.get_by_role("button", name="Create widget").click()
        expect(tiles(page)).to_have_count(3)
        page.locator("summary", has_text="Delete widget").click()
        found += problems(page, "new widget's page")
        page.get_by_role("link", name="Publish").click()
        for name in ("Wix", "Replace embed code"):  # the longest of the steps
            page.locator("summary", has_text=name).click()
        found += problems(page, "publish page")
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("button", name="Refresh now").click()
        found += problems(page, "blocked")
        page.goto(f"{base(service)}/editor/")
        found += problems(page, "list")
        for address in ("/nothing/here", "/accounts/login/", "/deletion/unknown"):
            page.goto(f"{base(service)}{address}")
            found += problems(page, address)
        page.goto(f"{base(service)}/api/docs/")
        for kind in ("get", "post"):
            page.locator(f".opblock-{kind} .opblock-summary-control").last.click()
            page.get_by_role("button", name="Try it out").last.click()
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html.dark-mode")).to_have_count(1)
        page.emulate_media(color_scheme="light")
        expect(page.locator("html.dark-mode")).to_have_count(0)
        found += problems(page, "API docs")
    with signed_in(service, browser, "desk-amy", start="/admin/") as desk:
        for address in (
            "", "entitlements/plan/", "entitlements/workspace/", f"entitlements/workspace/{workspace}/change/",
            "venice_api/widgetinstance/", "paris_integration/feed/", "paris_integration/auditevent/",
        ):  # fmt: skip
            desk.goto(f"{base(service)}/admin/{address}")
            found += problems(desk, f"admin {address}")
        desk.goto(f"{base(service)}/admin/venice_api/widgetinstance/")
        desk.locator("#result_list tbody th a").first.click()
        found += problems(desk, "admin widget")
        desk.get_by_role("link", name="Pause").click()
        found += problems(desk, "admin pause")
    assert found == []


# Meta doesn't answer the login of the workspace's account.
INCIDENT = """
from datetime import timedelta
from django.utils import timezone
from paris_integration.models import Connection, Incident
now = timezone.now()
Connection.objects.create(workspace_id="{workspace}", login="instagram", account_id="1", username="acme.bakery",
    obtained_at=now, state_changed_at=now)
Incident.objects.create(login="instagram", cause="unreachable", began_at=now, next_probe_at=now + timedelta(hours=1))
"""
END_OF_INCIDENT = "from paris_integration.models import Incident; Incident.objects.all().delete()"


def test_the_banner_of_an_incident_is_accessible_and_aligned(service: Service, browser: Browser) -> None:
    workspace = service.workspace("pro", editor="ida", password=PASSWORD)
    widget = service.instance(workspace, "tiny.studio", "--name", "Studio")["instanceId"]
    service.manage("shell", "-v", "0", "-c", INCIDENT.format(workspace=workspace))
    found: list[str] = []
    with signed_in(service, browser, "ida") as page:
        for path in ("", f"{widget}/", f"{widget}/posts/", f"{widget}/publish/", f"{widget}/design/"):
            page.goto(f"{base(service)}/editor/{path}")
            banner = page.get_by_role("region", name="Notice")
            expect(banner).to_contain_text("Instagram is having problems right now. Your posts stay up")
            # axe doesn't see the white page under the preview of the Design page, which has a test of its colours.
            found += problems(page, f"/editor/{path}") if "design" not in path else []
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert left_of(page, ".banner p") == left_of(page, ".brand") == left_of(page, "h1"), path
    service.manage("shell", "-v", "0", "-c", END_OF_INCIDENT)
    assert found == []


def left_of(page: Page, selector: str) -> int:
    return int(
        page.locator(selector).first.evaluate("element => Math.round(element.getBoundingClientRect().left)")
    )


def problems(page: Page, what: str) -> list[str]:
    """In all looks; the last of them is a narrow window."""
    page.wait_for_load_state()
    wait_for_widgets(page)
    found = [f"{what}: {problem}" for problem in problems_in_all_looks(page)]
    if "/admin/" not in page.url and page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{what} is wider than its window")
    page.set_viewport_size({"width": 1280, "height": 900})
    return found
