"""The admin's lists in a real browser: they fit 1,280 pixels with the longest rows. And a widget's page by axe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.axe import problems_in_all_looks
from tests.processes.service import Service, running_service

pytestmark = [pytest.mark.processes, pytest.mark.browser]
PASSWORD = "lists-password-1"
# Long values in the columns of the widest lists.
LONG_ROWS = f"""
import datetime
from django.contrib.auth.models import User
from django.utils import timezone
from entitlements.models import EntitlementChange, Invitation, Plan, Workspace
from paris_integration.models import AuditEvent, Connection, ConnectLink, DailyUsage, Feed, ForcedRefresh
from venice_api.models import WidgetInstance
User.objects.create_superuser("lister", password="{PASSWORD}")
now = timezone.now()
later = now + datetime.timedelta(hours=5)
long = "Wwwwwwww" * 25
workspace = Workspace.objects.create(name=long[:200], plan=Plan.objects.get(key="pro"))
widget = WidgetInstance.objects.create(
    workspace=workspace, name=long[:200], source_value="m" * 30, hidden_post_ids=["17900000000000001"])
of = dict(workspace=workspace, instance_id=widget.pk)
source = dict(of, source_type="hashtag", source_value="m" * 100)
Feed.objects.create(**source, mode="connected", outcome="failed", fault="HASHTAG_QUOTA_EXHAUSTED", fetched_at=now,
    blocked_until=later, next_refresh_at=later)
ForcedRefresh.objects.create(**source, fence=1, username=long[:150], reserved_at=now, day_starts_at=now,
    hour_starts_at=now, state="in_doubt", fault="M" * 40)
AuditEvent.objects.create(**of, at=now, actor=long[:150], action="link_opened", outcome="refused",
    reason="QUOTA_EXCEEDED", note=long)
Connection.objects.create(workspace=workspace, login="facebook", account_id="1", username="m" * 60, obtained_at=now,
    state_changed_at=now, state="reconnect_required", cause=long[:200], next_renewal_at=later)
DailyUsage.objects.create(workspace=workspace, day=now.date(), **dict.fromkeys(
    ("feed_requests", "automatic_refreshes", "forced_refreshes", "blocked_refreshes", "provider_errors"), 10**12))
EntitlementChange.objects.create(actor=long[:150], workspace=workspace, subject=long[:200], key="m" * 80,
    old_value=long[:200], new_value=long[:200], note=long)
Invitation.objects.create(workspace=workspace, email="m" * 60 + "@example.com", role="editor", secret_hash="x",
    inviter=long[:150], sent_at=now, expires_at=later)
ConnectLink.objects.create(**of, code_hash="x", user_id=1, creator=long[:150], created_at=now, expires_at=later)
print("{{}}")
"""
IS_TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".results")]
    .some(part => part.scrollWidth > part.clientWidth)"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), DEBUG="false") as running:
        running.manage("shell", "-v", "0", "-c", LONG_ROWS)
        yield running


def test_lists_fit_and_a_widgets_page_has_no_serious_problem(service: Service, browser: Browser) -> None:
    base = f"http://127.0.0.1:{service.web_ports[0]}"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base}/admin/login/")
    page.get_by_label("Username or email").fill("lister")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{base}/admin/")
    lists = page.locator("th[scope=row] a").evaluate_all("links => links.map(link => link.href)")
    too_wide = []
    for address in lists:
        page.goto(address)
        if page.evaluate(IS_TOO_WIDE):
            too_wide.append(address)
    assert len(lists) >= 16
    assert too_wide == []

    page.goto(f"{base}/admin/venice_api/widgetinstance/")
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_role("button", name="Show again 17900000000000001")).to_be_visible()
    assert problems_in_all_looks(page) == []
    context.close()
