"""A workspace's page at the support desk, and the search that leads there."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from entitlements.changes import Actor, set_override
from entitlements.models import Workspace
from paris_integration import public as paris
from paris_integration.models import AuditEvent, Connection, ConnectionLink, DailyUsage, Feed
from paris_integration.support import workspaces
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.instances import from_row
from venice_api.models import PageSighting, WidgetInstance
from venice_api.support import workspace_page
from venice_api.support.finding import Found

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
ROLES = ("First-line support", "Support", "Plan editors")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def role(name: str) -> Client:
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


FIND = "/admin/venice_api/widgetinstance/find/"


def page_of(widget: WidgetInstance) -> str:
    return f"/admin/entitlements/workspace/{widget.workspace_id}/change/"


def words_of(answer: Any) -> str:
    """The text of the page, without tags, its white space as single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def connection(people: Cast, username: str) -> Connection:
    return Connection.objects.create(
        workspace=people.workspace, login="instagram", account_id=username, username=username, obtained_at=NOW,
        state_changed_at=NOW, expires_at=NOW + timedelta(days=30),
    )  # fmt: skip


@pytest.fixture
def widget(people: Cast, make_instance: Any, provider: FakeProvider) -> WidgetInstance:
    make_instance(name="Front page", source_value="pies")
    made: WidgetInstance = make_instance(name="Cakes")
    PageSighting.objects.create(instance=made, host="www.shop.example", last_seen_at=NOW)
    connection(people, "cake.owner")
    DailyUsage.objects.create(workspace=people.workspace, day=NOW.date(), feed_requests=4321)
    AuditEvent.objects.create(
        at=NOW, workspace=people.workspace, actor="ann", action="paused", outcome="done", instance_id=made.pk
    )
    set_override(people.workspace, "instagram.refresh.forcePerDay.max", 77, actor=Actor("billing"))
    User.objects.filter(username="editor").update(email="ed@acme.example")
    feed = Feed.objects.create(
        workspace=made.workspace, instance_id=made.pk, source_type="profile", source_value=made.source_value,
        mode="public", outcome="failed", fault="SOURCE_NOT_FOUND", attempted_at=NOW,
    )  # fmt: skip
    assert feed.key == from_row(made).feed_key()
    return made


@pytest.mark.parametrize("name", ROLES)
def test_the_page_shows_the_whole_workspace(widget: WidgetInstance, name: str) -> None:
    answer = role(name).get(page_of(widget))
    assert answer.status_code == 200
    page = words_of(answer)
    for words in (
        "Front page Not loaded yet @pies",
        "Cakes Action needed @acme.bakery · Instagram has no public business or creator account",
        "@cake.owner working Instagram login · ends 2026-12-23 12:20 UTC",
        "Reads 4,321",
        "Paused (done), widget 2026-11-23 12:20 UTC, ann",
        "Manual refreshes per day (UTC) : from no override to 77 2026-11-23 12:20 UTC, billing",
        "77 override",
        "editor",
    ):
        assert words in page, page


def test_each_link_of_the_page_leads_to_its_rows(widget: WidgetInstance, people: Cast) -> None:
    other = Workspace.objects.create(name="Other", plan=people.workspace.plan)
    for number in range(3):
        WidgetInstance.objects.create(workspace=other, source_value=f"other{number}")
    client = role("First-line support")
    page = client.get(page_of(widget)).content.decode()
    overview = "".join(re.findall(r'<section class="module desk-part".*?</section>', page, re.S))
    links = [html.unescape(href) for href in re.findall(r'href="([^"]+)"', overview)]
    found = {}
    for link in links:
        answer = client.get(link)
        assert answer.status_code == 200, link
        listed = answer.context.get("cl")
        found[link] = listed.result_count if listed else answer.context["original"].workspace_id
    mine = f"?workspace__id__exact={widget.workspace_id}"
    assert {link: number for link, number in found.items() if isinstance(number, int)} == {
        f"/admin/entitlements/entitlementchange/{mine}": 1,
        f"/admin/paris_integration/auditevent/{mine}": 1,
    }
    assert {number for number in found.values() if not isinstance(number, int)} == {widget.workspace_id}


def test_more_widgets_and_connections_than_are_listed(
    widget: WidgetInstance, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace_page, "MOST_WIDGETS", 1)
    monkeypatch.setattr(workspaces, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(paris, "MOST_CONNECTIONS", 1)
    connection(people, "second")
    client = role("Support")
    page = client.get(page_of(widget)).content.decode()
    for words, number in (("All widgets (1 more)", 2), ("All connections (1 more)", 2)):
        href = re.findall(rf'href="([^"]+)">{re.escape(words)}', page)[0]
        assert client.get(html.unescape(href)).context["cl"].result_count == number


def test_acts_on_deleted_widgets_have_no_link(widget: WidgetInstance) -> None:
    AuditEvent.objects.update(instance_id="wgt_instagramfeed_u_gone")
    assert "Paused (done) 2026-11-23" in words_of(role("Support").get(page_of(widget)))


def test_people_see_only_the_parts_they_may_view(widget: WidgetInstance) -> None:
    user = User.objects.create_user("new", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_workspace"]))
    client = Client()
    client.force_login(user)
    answer = client.get(page_of(widget))
    assert answer.status_code == 200
    assert "desk-part" not in answer.content.decode()
    assert client.get("/admin/entitlements/workspace/add/").status_code == 403


def test_a_connection_shows_its_widgets(widget: WidgetInstance) -> None:
    account = Connection.objects.get()
    ConnectionLink.objects.create(
        instance_id=widget.pk, connection=account, workspace=widget.workspace, linked_at=NOW
    )
    client = role("First-line support")
    answer = client.get(f"/admin/paris_integration/connection/{account.pk}/change/")
    assert "Widgets that use it Cakes" in words_of(answer)
    href = re.findall(r'href="([^"]+)"><bdi>Cakes', answer.content.decode())[0]
    assert client.get(href).context["original"] == widget

    onlooker = User.objects.create_user("new", password="x", is_staff=True)
    onlooker.user_permissions.set(Permission.objects.filter(codename="view_connection"))
    client.force_login(onlooker)
    assert "Widgets that use it" not in words_of(
        client.get(f"/admin/paris_integration/connection/{account.pk}/change/")
    )


def search(client: Client, typed: str) -> Found:
    answer = client.get(FIND, {"q": typed})
    assert answer.status_code == 200
    found: Found = answer.context["found"]
    return found


def test_a_widget_is_found(widget: WidgetInstance, people: Cast) -> None:
    account = Connection.objects.get()
    ConnectionLink.objects.create(
        instance_id=widget.pk, connection=account, workspace=widget.workspace, linked_at=NOW
    )
    WidgetInstance.objects.filter(pk=widget.pk).update(source_value="cake.shop")
    PageSighting.objects.create(instance=widget, host="xn--bckerei-5wa.example", last_seen_at=NOW)
    client = role("First-line support")
    for typed in (
        "https://www.shop.example/pages/cakes?a=1#top",
        "http://ann@www.shop.example:8080/",
        "HTTPS://SHOP.EXAMPLE/",
        "shop.example",
        " www.shop.example/x ",
        "https://Bäckerei.example/",
        "@cake.shop",
        "Cake.Shop",
        "@cake.owner",
        "cakes",
        widget.pk,
        f"https://feeds.example/editor/{widget.pk}/posts/",
    ):
        assert [found.row.pk for found in search(client, typed).widgets] == [widget.pk], typed


def test_a_workspace_is_found(widget: WidgetInstance) -> None:
    client = role("First-line support")
    for typed in ("acme bak", "editor", "@editor", "ED@acme.example", str(widget.workspace_id)):
        assert [row.pk for row in search(client, typed).workspaces] == [widget.workspace_id], typed


def test_what_matches_exactly_comes_first(widget: WidgetInstance, make_instance: Any) -> None:
    for number in range(30):
        make_instance(name=f"Not acme.bakery {number}", source_value=f"other{number}")
    found = search(role("Support"), "acme.bakery")
    assert found.widgets[0].row == widget
    assert (len(found.widgets), found.more_widgets) == (25, True)
    assert (found.workspaces, found.more_workspaces) == ((), False)


ODD = (
    "", " ", "http://[", "http://[::1", "x" * 5_000, "<b>bold", "nowhere.example", "https://" + "a." * 900, "%",
    "a\\'\"", "\U0001f600", "https://\u2603..example", "9" * 400, "wgt_instagramfeed_u_", "@", "#", "://",
)  # fmt: skip


def test_odd_input_finds_nothing(widget: WidgetInstance) -> None:
    client = role("Support")
    for typed in ODD:
        answer = client.get(FIND, {"q": typed})
        assert answer.status_code == 200, typed
        assert answer.context["found"] == Found((), False, (), False), typed
        assert "<b>bold" not in answer.content.decode()
    assert client.get(FIND).status_code == 200


def test_search_shows_only_what_a_person_may_view(widget: WidgetInstance) -> None:
    user = User.objects.create_user("new", password="x", is_staff=True)
    client = Client()
    client.force_login(user)
    assert search(client, "acme") == Found((), False, (), False)
    user.user_permissions.set(Permission.objects.filter(codename="view_workspace"))
    assert [row.pk for row in search(client, "acme bakery").workspaces] == [widget.workspace_id]
    assert search(client, "ED@acme.example").workspaces == ()
    assert search(client, "cakes").widgets == ()
    client.logout()
    assert client.get(FIND, {"q": "acme"}).status_code == 302
