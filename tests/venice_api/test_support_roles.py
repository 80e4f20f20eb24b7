"""Each staff role opens each page of the support desk, also while Redis and Instagram are away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.test import Client

from outbox.models import Mail
from paris_integration.errors import ProviderUnavailable
from paris_integration.models import AuditEvent, Connection, ConnectionLink, Feed
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
ROLES = ("First-line support", "Support", "Plan editors")
REDIS_AWAY = {
    "default": {
        "BACKEND": "foundation.cache.ResilientRedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
        "OPTIONS": {"socket_connect_timeout": 0.1, "socket_timeout": 0.1},
    }
}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def pages(people: Cast, make_instance: Any, provider: FakeProvider) -> dict[str, str]:
    """The pages, by name."""
    widget: WidgetInstance = make_instance(name="Cakes")
    workspace = people.workspace
    account = Connection.objects.create(
        workspace=workspace, login="instagram", account_id="1", username="acme", obtained_at=NOW,
        state_changed_at=NOW, state="reconnect_required",
    )  # fmt: skip
    ConnectionLink.objects.create(
        instance_id=widget.pk, connection=account, workspace=workspace, linked_at=NOW
    )
    feed = Feed.objects.create(
        workspace=workspace, instance_id=widget.pk, source_type="profile", source_value="acme.bakery",
        mode="public", outcome="failed", fault="PROVIDER_ERROR", attempted_at=NOW, last_read_at=NOW,
        next_refresh_at=NOW - timedelta(hours=1),
    )  # fmt: skip
    AuditEvent.objects.create(at=NOW, workspace=workspace, actor="ann", action="paused", outcome="done")
    Mail.objects.create(kind="invitation", recipient="a@shop.example", queued_at=NOW, expires_at=NOW)
    addresses = {
        "first page": "",
        "search": "venice_api/widgetinstance/find/?q=acme",
        "workspaces": "entitlements/workspace/",
        "workspace": f"entitlements/workspace/{workspace.pk}/change/",
        "history of changes": "entitlements/entitlementchange/",
        "plans": "entitlements/plan/",
        "matrix": "entitlements/plan/matrix/",
        "widgets": "venice_api/widgetinstance/?attention=failing-PROVIDER_ERROR",
        "widget": f"venice_api/widgetinstance/{quote(widget.pk)}/change/",
        "connections": "paris_integration/connection/",
        "connection": f"paris_integration/connection/{account.pk}/change/",
        "feeds": "paris_integration/feed/",
        "feed": f"paris_integration/feed/{feed.pk}/change/",
        "rate limits": "paris_integration/providerwindow/",
        "manual refreshes": "paris_integration/forcedrefresh/",
        "audit trail": "paris_integration/auditevent/",
        "usage": "paris_integration/dailyusage/",
        "mails": "outbox/mail/",
        "an act": f"venice_api/widgetinstance/{quote(widget.pk)}/pause/",
        "people": "auth/user/",
        "new workspace": "entitlements/workspace/add/",
    }
    return {name: f"/admin/{address}" for name, address in addresses.items()}


# The pages that a role may not open. It may open all others.
REFUSED = {
    "First-line support": {"an act", "people", "new workspace"},
    "Support": {"people", "new workspace"},
    "Plan editors": {"an act", "people", "new workspace"},
}


def member_of(role: str) -> Client:
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def statuses(client: Client, pages: dict[str, str]) -> dict[str, int]:
    return {name: client.get(address).status_code for name, address in pages.items()}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_opens_its_pages(pages: dict[str, str], role: str) -> None:
    expected = {name: 403 if name in REFUSED[role] else 200 for name in pages}
    assert statuses(member_of(role), pages) == expected


def test_others_open_none(pages: dict[str, str], people: Cast) -> None:
    for client in (people.owner, people.anonymous):
        assert set(statuses(client, pages).values()) <= {302, 403}
    new = User.objects.create_user("new", password="x", is_staff=True)
    client = Client()
    client.force_login(new)
    found = statuses(client, pages)
    assert {name for name, status in found.items() if status == 200} == {"first page", "search"}
    assert "Cakes" not in client.get(pages["search"]).content.decode()


def test_all_pages_work_while_redis_and_instagram_are_away(
    pages: dict[str, str], provider: FakeProvider, settings: Any
) -> None:
    provider.raises(ProviderUnavailable("away"))
    settings.CACHES = REDIS_AWAY
    expected = {name: 403 if name in REFUSED["Support"] else 200 for name in pages}
    client = member_of("Support")
    assert statuses(client, pages) == expected
    assert "1 widget on 0 sites" in client.get(pages["first page"]).content.decode()
