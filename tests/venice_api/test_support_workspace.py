"""A workspace's page at the support desk, and the search that leads there."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from entitlements.changes import Actor, set_override
from paris_integration.models import AuditEvent, Connection, DailyUsage
from tests.conftest import Cast
from venice_api.models import PageSighting, WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
ROLES = ("First-line support", "Support", "Plan editors")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def role(name: str) -> Client:
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def widget(people: Cast, make_instance: Any) -> WidgetInstance:
    made: WidgetInstance = make_instance(name="Cakes")
    PageSighting.objects.create(instance=made, host="www.shop.example", last_seen_at=NOW)
    Connection.objects.create(
        workspace=people.workspace, login="instagram", account_id="1", username="cake.owner",
        obtained_at=NOW, state_changed_at=NOW,
    )  # fmt: skip
    DailyUsage.objects.create(workspace=people.workspace, day=NOW.date(), feed_requests=4321)
    AuditEvent.objects.create(
        at=NOW, workspace=people.workspace, actor="ann", action="paused", outcome="done"
    )
    set_override(people.workspace, "instagram.refresh.forcePerDay.max", 77, actor=Actor("billing"))
    User.objects.filter(username="editor").update(email="ed@acme.example")
    return made


@pytest.mark.parametrize("name", ROLES)
def test_the_page_shows_the_whole_workspace(widget: WidgetInstance, name: str) -> None:
    answer = role(name).get(f"/admin/entitlements/workspace/{widget.workspace_id}/change/")
    assert answer.status_code == 200
    page = html.unescape(answer.content.decode())
    for words in (
        "Cakes",
        "Action needed",
        "@cake.owner",
        "4321",
        "ann: paused (done)",
        "billing:",
        "to 77",
    ):
        assert words in page


@pytest.mark.parametrize(
    "typed",
    ["https://www.shop.example/pages/cakes?a=1#top", "www.shop.example/x", "@acme.bakery", "Cakes", "ID"],
)
def test_a_widget_is_found(widget: WidgetInstance, typed: str) -> None:
    typed = widget.pk if typed == "ID" else typed
    page = role("First-line support").get("/admin/venice_api/widgetinstance/find/", {"q": typed})
    assert [row.pk for row in page.context["found"].widgets] == [widget.pk]


@pytest.mark.parametrize("typed", ["acme bak", "editor", "ED@acme.example", "ID"])
def test_a_workspace_is_found(widget: WidgetInstance, typed: str) -> None:
    typed = str(widget.workspace_id) if typed == "ID" else typed
    page = role("First-line support").get("/admin/venice_api/widgetinstance/find/", {"q": typed})
    assert [row.pk for row in page.context["found"].workspaces] == [widget.workspace_id]


@pytest.mark.parametrize("typed", ["", " ", "http://[", "x" * 5_000, "<b>bold", "nowhere.example"])
def test_odd_input_finds_nothing(widget: WidgetInstance, typed: str) -> None:
    page = role("Support").get("/admin/venice_api/widgetinstance/find/", {"q": typed})
    assert page.status_code == 200
    assert not page.context["found"].widgets
    assert "<b>bold" not in page.content.decode()


def test_search_shows_only_what_a_person_may_view(widget: WidgetInstance) -> None:
    client = Client()
    client.force_login(User.objects.create_user("new", password="x", is_staff=True))
    page = client.get("/admin/venice_api/widgetinstance/find/", {"q": "acme"})
    assert not page.context["found"].widgets
    assert not page.context["found"].workspaces
