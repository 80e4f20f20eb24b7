"""The first page of the support desk: what needs attention, for each staff role."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from paris_integration.models import Connection, DailyUsage, Feed, PictureUse, ProviderWindow
from tests.conftest import Cast
from venice_api.models import PageSighting, WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
ROLES = ("First-line support", "Support", "Plan editors")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def feed(instance: WidgetInstance, **values: Any) -> Feed:
    return Feed.objects.create(
        workspace=instance.workspace,
        instance_id=instance.pk,
        source_type="profile",
        source_value=instance.source_value,
        mode="public",
        **values,
    )


def connection(people: Cast, **values: Any) -> Connection:
    fields = {"username": "acme", "account_id": "1", "state": "active", "login": "instagram"} | values
    return Connection.objects.create(
        workspace=people.workspace, obtained_at=NOW, state_changed_at=NOW - timedelta(hours=1), **fields
    )


@pytest.fixture
def trouble(people: Cast, make_instance: Any) -> WidgetInstance:
    """One of everything that needs attention."""
    widget: WidgetInstance = make_instance()
    failing = feed(
        widget,
        outcome="failed",
        fault="SOURCE_NOT_FOUND",
        attempted_at=NOW - timedelta(hours=2),
        next_refresh_at=NOW - timedelta(hours=1),
        last_read_at=NOW,
    )
    for host in ("shop.example", "blog.example"):
        PageSighting.objects.create(instance=widget, host=host, last_seen_at=NOW)
    connection(people, state="reconnect_required")
    connection(people, username="ends", account_id="2", expires_at=NOW + timedelta(days=3))
    connection(people, username="lasts", account_id="3", expires_at=NOW + timedelta(days=30))
    ProviderWindow.objects.create(
        credential="public", parked_at=NOW, parked_until=NOW + timedelta(minutes=40)
    )
    DailyUsage.objects.create(
        workspace=people.workspace, day=NOW.date(), blocked_refreshes=7, feed_requests=1234
    )
    PictureUse.objects.create(
        feed=failing, item="1", url="https://x.example/1", wanted_since=NOW - timedelta(hours=3)
    )
    return widget


def role(name: str) -> Client:
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", ROLES)
def test_every_staff_role_sees_what_needs_attention(trouble: WidgetInstance, name: str) -> None:
    page = html.unescape(shown(role(name)))
    for words in (
        "1 widget, shown on 2 sites: the profile or hashtag doesn't exist, or isn't public.",
        "1 feed is due for a refresh, but not refreshed.",
        "1 connection: must be reconnected by their owners.",
        "@ends of Acme Bakery ends soon.",
        "until 2026-11-23 13:00 UTC",
        "Acme Bakery: 7 refreshes refused.",
        "1 picture waits for a copy.",
    ):
        assert words in page
    assert "@lasts" not in page


def test_each_line_leads_to_a_page_that_opens(trouble: WidgetInstance) -> None:
    client = role("First-line support")
    groups = "".join(re.findall(r'<section class="attention-group">.*?</section>', shown(client), re.S))
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', groups)]
    assert len(links) == 7
    assert [client.get(link).status_code for link in links] == [200] * 7


def test_people_see_only_what_they_may_view(trouble: WidgetInstance) -> None:
    user = User.objects.create_user("new", password="x", is_staff=True)
    client = Client()
    client.force_login(user)
    assert "What needs attention" not in shown(client)


def test_the_lines_show_fourteen_days(trouble: WidgetInstance) -> None:
    page = shown(role("Support"))
    assert page.count("<polyline") == 4
    assert "2026-11-10 0," in page
    assert "2026-11-23 1234" in page


def test_a_calm_desk_says_so(people: Cast) -> None:
    assert "Nothing needs attention." in shown(role("Support"))


def test_a_feed_that_nobody_reads_is_not_late(people: Cast, make_instance: Any) -> None:
    feed(make_instance(), next_refresh_at=NOW - timedelta(days=2), last_read_at=NOW - timedelta(days=300))
    assert "Nothing needs attention." in shown(role("Support"))


def test_the_number_of_queries_does_not_grow(
    trouble: WidgetInstance, make_instance: Any, django_assert_max_num_queries: Any
) -> None:
    client = role("Support")
    for number in range(5):
        feed(make_instance(source_value=f"more{number}"), outcome="failed", fault="PROVIDER_ERROR")
    with django_assert_max_num_queries(24):
        shown(client)
