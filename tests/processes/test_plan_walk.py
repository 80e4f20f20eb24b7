"""A change of plans in a real browser: reviewed, saved, and undone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.axe import WIDTHS, problems_in_all_looks
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "plans-password-1"
MATRIX = "/admin/entitlements/plan/matrix/"
# Two workspaces with the plan Pro. One has used seven units today, and five on each of the four days before.
RECORD = """
from datetime import timedelta
from django.utils import timezone
from entitlements.models import Plan, Workspace
from paris_integration.models import DailyUsage, QuotaWindow
now = timezone.now()
today = now.replace(hour=0, minute=0, second=0, microsecond=0)
one, two = (Workspace.objects.create(name=name, plan=Plan.objects.get(key="pro")) for name in ("One", "Two"))
for ago in range(5):
    day = today - timedelta(days=ago)
    DailyUsage.objects.create(workspace=one, day=day.date(), automatic_refreshes=24)
    QuotaWindow.objects.create(workspace=one, instance_id="wgt_1", source_type="profile", source_value="acme",
        kind="day", starts_at=day, used=5 if ago else 7)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def page(service: Service, browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(10_000)
    with ThreadPoolExecutor() as pool:
        staff = ("create_staff", "robin", "--password", PASSWORD, "--role", "Plan editors")
        list(
            pool.map(
                lambda arguments: service.manage(*arguments), (staff, ("shell", "-v", "0", "-c", RECORD))
            )
        )
    page.goto(f"http://127.0.0.1:{service.web_ports[0]}/accounts/login/?next={MATRIX}")
    page.get_by_label("Username or email").fill("robin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    yield page
    context.close()


def check(page: Page) -> None:
    """Nothing serious for axe, and the page is never wider than the window."""
    assert problems_in_all_looks(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_a_limit_is_reviewed_saved_and_undone(page: Page) -> None:
    cell = page.get_by_label("Pro: instagram.refresh.forcePerDay.max")
    expect(page.get_by_text("No changes yet.")).to_be_visible()
    cell.fill("4")
    page.get_by_role("button", name="Review changes").click()

    review = page.get_by_role("region", name="What saving changes")
    expect(review).to_contain_text("2 workspaces, 1 of them over the new limit.")
    expect(review.get_by_role("row", name="Refreshes 27 20")).to_be_visible()
    expect(review.get_by_role("row", name="Refused or not made 0 7")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Save plans").click()

    expect(page.get_by_text("Saved. Values changed: 1.")).to_be_visible()
    expect(cell).to_have_value("4")
    history = page.get_by_role("region", name="History")
    expect(history.get_by_role("listitem")).to_have_text(
        ["Pro, instagram.refresh.forcePerDay.max: from 24 to 4"]
    )
    check(page)
    history.get_by_role("link", name="Undo this change").click()

    review = page.get_by_role("region", name="What undoing changes")
    expect(review).to_contain_text("from 4 to 24")
    expect(review.get_by_role("row", name="Refused or not made 0 0")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Undo this change").click()

    expect(page.get_by_text("The last change is undone.")).to_be_visible()
    expect(cell).to_have_value("24")
    expect(history.get_by_role("listitem")).to_have_text(
        [
            "Pro, instagram.refresh.forcePerDay.max: from 4 to 24",
            "Pro, instagram.refresh.forcePerDay.max: from 24 to 4",
        ]
    )
    expect(history).to_contain_text("(undone)")
    check(page)
