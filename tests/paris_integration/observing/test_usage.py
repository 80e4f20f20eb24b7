"""Daily usage of a workspace: buffered, added atomically, shown to staff, and cleaned up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.utils import timezone

from paris_integration.models import DailyUsage
from paris_integration.observing import usage
from paris_integration.retention import expiry
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.embed_tokens import issue

FEED = "/v1/integrations/instagram/feed"
LIST = "/admin/paris_integration/dailyusage/"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "buffer", usage.new_buffer())


def test_reads_are_counted_without_a_write_per_read(
    make_instance: Callable[..., Any], provider: FakeProvider, django_assert_num_queries: Any
) -> None:
    row = make_instance()
    token = issue(row.pk, row.token_version)
    Client().get(FEED, {"token": token})
    with django_assert_num_queries(0):
        for _ in range(4):
            Client().get(FEED, {"token": token})
    assert not DailyUsage.objects.exists()
    usage.buffer.flush()
    usage.buffer.flush()
    found = DailyUsage.objects.get()
    assert (found.workspace_id, found.day) == (row.workspace_id, timezone.now().date())
    assert (found.feed_requests, found.automatic_refreshes, found.forced_refreshes) == (5, 1, 0)


def test_processes_add_to_one_row(people: Cast) -> None:
    row = (str(people.workspace.pk), timezone.now().date())
    for buffer, times in ((usage.new_buffer(), 3), (usage.new_buffer(), 2)):
        for _ in range(times):
            buffer.note(row, Counter({"blocked_refreshes": 1}))
        buffer.flush()
    assert DailyUsage.objects.get().blocked_refreshes == 5


def test_counts_of_a_deleted_workspace_do_not_block_the_others(people: Cast) -> None:
    usage.note(uuid4(), "feed_requests")
    usage.note(people.workspace.pk, "feed_requests")
    usage.buffer.flush()
    assert DailyUsage.objects.get().workspace_id == people.workspace.pk


def test_counts_that_cannot_be_written_are_kept(people: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    usage.note(people.workspace.pk, "provider_errors")

    def away(*_: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", away)
        usage.buffer.flush()
    usage.buffer.flush()
    assert DailyUsage.objects.get().provider_errors == 1


def test_staff_can_view_days_with_totals_but_not_change_them(people: Cast, django_user_model: Any) -> None:
    today = timezone.now().date()
    for days, number in ((0, 30), (1, 12)):
        DailyUsage.objects.create(
            workspace=people.workspace, day=today - timedelta(days=days), feed_requests=number
        )
    row = DailyUsage.objects.first()
    assert row is not None
    clerk = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    staff = Client()
    staff.force_login(clerk)
    assert staff.get(LIST).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_dailyusage"))
    page = staff.get(LIST, {"workspace__id__exact": str(people.workspace.pk)})
    assert page.status_code == 200
    assert "42 feed requests" in page.content.decode()
    assert "30 feed requests" in staff.get(LIST, {"day": str(today)}).content.decode()
    assert "42 feed requests" in staff.get(LIST, {"q": "Acme"}).content.decode()
    assert "0 feed requests" in staff.get(LIST, {"q": "Nobody"}).content.decode()
    assert staff.get(f"{LIST}add/").status_code == 403
    assert staff.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert people.editor.get(LIST).status_code == 302


def test_the_workspace_page_links_to_its_usage(people: Cast, admin_client: Client) -> None:
    page = admin_client.get(f"/admin/entitlements/workspace/{people.workspace.pk}/change/")
    link = f"{LIST}?workspace__id__exact={people.workspace.pk}"
    assert link in page.content.decode()
    assert admin_client.get(link).status_code == 200


def test_old_days_are_cleaned_up(people: Cast, settings: Any) -> None:
    settings.USAGE_RETENTION_DAYS = 30
    now = timezone.now()
    for days in (29, 30, 31):
        DailyUsage.objects.create(workspace=people.workspace, day=(now - timedelta(days=days)).date())
    assert expiry.remove_expired(now=now)["dailyUsage"] == 1
    assert DailyUsage.objects.count() == 2
