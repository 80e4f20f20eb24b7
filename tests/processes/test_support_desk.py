"""The support desk in a real browser: from a page's address to a mended widget, and the accessibility of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.axe import serious_problems
from tests.processes.service import Service, get, running_service, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "support-password-1"
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (360, "dark"))
PAGE = "https://www.cakes.example/shop/cakes?from=mail#top"

# One of everything that the first page lists.
TROUBLE = """
from datetime import timedelta
from django.utils import timezone
from entitlements.models import Workspace
from outbox.models import Mail
from paris_integration.models import *
from venice_api.models import WidgetInstance
now = timezone.now()
workspace = Workspace.objects.get(pk="{workspace}")
widget = WidgetInstance.objects.get(pk="{widget}")
def connection(name, **values):
    return Connection.objects.create(workspace=workspace, login="instagram", account_id=name, username=name,
        obtained_at=now, state_changed_at=now, **values)
dead = connection("dead.account.with.a.long.name", state="reconnect_required")
ConnectionLink.objects.create(instance_id=widget.pk, connection=dead, workspace=workspace, linked_at=now)
connection("ends", expires_at=now + timedelta(days=2))
Feed.objects.create(workspace=workspace, instance_id=widget.pk, source_type="profile", source_value="dead",
    mode="public", outcome="failed", fault="PROVIDER_ERROR", attempted_at=now, last_read_at=now)
ProviderWindow.objects.filter(credential="public").delete()
ProviderWindow.objects.create(credential="public", parked_at=now, parked_until=now + timedelta(minutes=5))
Incident.objects.create(login="facebook", began_at=now, next_probe_at=now)
Mail.objects.create(kind="invitation", recipient="a@shop.example", queued_at=now, expires_at=now)
AuditEvent.objects.create(at=now, workspace=workspace, instance_id=widget.pk, actor="ed", action="forced_refresh",
    outcome="refused", reason="QUOTA_EXCEEDED")
DailyUsage.objects.create(workspace=workspace, day=now.date(), feed_requests=1234)
print(dead.pk)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        running.start_worker()
        yield running


def signed_in(service: Service, browser: Browser, name: str) -> Page:
    """A staff member's page, at the front page of the desk."""
    page = browser.new_context(base_url=f"http://127.0.0.1:{service.web_ports[0]}").new_page()
    page.set_default_timeout(15_000)
    page.goto("/accounts/login/?next=/admin/")
    page.get_by_label("Username or email").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Search", exact=True)).to_be_visible()
    return page


def test_from_a_pages_address_to_a_mended_widget_in_three_clicks(service: Service, browser: Browser) -> None:
    service.manage("create_staff", "lena", "--role", "Support", "--password", PASSWORD)
    widget = service.instance(service.workspace(), "acme.bakery", "--name", "Cakes")
    address = service.feed_url(widget["embedToken"])

    def is_delayed() -> bool:
        """As a visitor of the page sees it."""
        answer = get(address, headers={"Origin": "https://www.cakes.example"})
        assert answer.status == 200
        return "PROVIDER_UNAVAILABLE" in answer.json["warnings"]

    assert not is_delayed()
    service.standin.faults.add("status", status=503, username="acme.bakery")
    service.age("acme.bakery")
    wait_until(is_delayed, 20)
    service.standin.faults.clear()

    page = signed_in(service, browser, "lena")

    def finds_it() -> bool:
        page.get_by_label("Search", exact=True).fill(PAGE)
        page.keyboard.press("Enter")
        page.wait_for_url("**/find/?*")
        return page.get_by_role("link", name="Cakes", exact=True).count() == 1

    wait_until(finds_it, 20)  # on which pages a widget is shown is written every few seconds
    expect(page.locator(".lines li")).to_contain_text("Delayed")

    page.get_by_role("link", name="Cakes", exact=True).click()
    expect(page.locator(".field-why")).to_contain_text("Instagram didn't answer, or only with an error.")
    page.get_by_role("link", name="Retry now", exact=True).click()
    page.locator("[name=note]").fill("The owner asked by phone.")
    page.locator(".submit-row input").click()

    expect(page.get_by_text("The wait was removed.")).to_be_visible()
    wait_until(lambda: not is_delayed(), 20)
    page.reload()
    expect(page.locator(".field-feed_state")).to_contain_text(", fresh; ")
    page.context.close()


def test_every_page_is_accessible_and_fits(service: Service, browser: Browser) -> None:
    service.manage("create_staff", "root", "--superuser", "--password", PASSWORD)
    workspace = service.workspace(editor="ed", password=PASSWORD)
    widget = service.instance(workspace, "northern.trails", "--name", "Trails")["instanceId"]
    made = service.manage("shell", "-v", "0", "-c", TROUBLE.format(workspace=workspace, widget=widget))
    page = signed_in(service, browser, "root")
    assert page.locator(".attention-group").count() == 6
    assert page.locator(".incidents p").count() == 1
    problems = {"first page": problems_of(page)}
    for name, address in {
        "search": f"venice_api/widgetinstance/find/?q={quote('Tra')}",
        "search for nothing": "venice_api/widgetinstance/find/?q=nothing",
        "workspace": f"entitlements/workspace/{workspace}/change/",
        "widget": f"venice_api/widgetinstance/{widget.replace('_', '_5F')}/change/",
        "connections": "paris_integration/connection/",
        "connection": f"paris_integration/connection/{made.strip()}/change/",
        "feeds": "paris_integration/feed/",
        "matrix": "entitlements/plan/matrix/",
    }.items():
        page.goto(f"/admin/{address}")
        problems[name] = problems_of(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.locator(".matrix input[type=text]").first.fill("720")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_text("Nothing is saved yet.")).to_be_visible()
    problems["review"] = problems_of(page)
    page.context.close()
    assert {name: found for name, found in problems.items() if found} == {}


def problems_of(page: Page) -> list[str]:
    """Serious accessibility problems in a wide light and a narrow dark window, and whether the page doesn't fit."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}, {width} pixels: {problem}" for problem in serious_problems(page)]
        surplus = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{surplus} pixels wider than {width}"] if surplus > 0 else []
    return found
