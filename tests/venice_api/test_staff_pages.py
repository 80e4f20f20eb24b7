"""The admin's lists and acts: every page with every role, codes in words, kinds of acts, and what can be withdrawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from entitlements.changes import Actor as Staff
from entitlements.changes import set_override
from entitlements.members import find_invitation, invite
from entitlements.memberships import Role
from entitlements.models import EntitlementChange, Invitation
from outbox.models import Mail
from paris_integration import public as paris
from paris_integration.models import (
    AuditEvent,
    Connection,
    ConnectLink,
    DailyUsage,
    Feed,
    ForcedRefresh,
    GraphVersion,
    Incident,
    ProviderWindow,
)
from tests.conftest import Cast, signed_in
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.support.acts import ACTS, KINDS, Kind

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LATER = "A_CODE_OF_A_LATER_RELEASE"
ODD = "\u202eשלום‮ <b>مرحبا</b> "  # changes the direction of letters
ROLES = ("First-line support", "Support", "Plan editors")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def with_role(role: str) -> Client:
    """Staff with this role; "" is staff without one, "all" a superuser."""
    user = User.objects.create(username=f"staff {role}", is_staff=True, is_superuser=role == "all")
    user.groups.set(Group.objects.filter(name=role))
    return signed_in(user)[0]


@pytest.fixture
def odd_rows(people: Cast, make_instance: Any) -> WidgetInstance:
    """A row of each model, with long names, bidirectional text, empty JSON and codes that this release doesn't know."""
    workspace = people.workspace
    workspace.name = (ODD * 20)[:200]
    workspace.save()
    widget: WidgetInstance = make_instance(
        name=(ODD * 20)[:200], source_type="hashtag", source_value="b" * 100, appearance={}, alt_texts={}
    )
    of_widget: dict[str, Any] = {"workspace": workspace, "instance_id": widget.pk}
    of_source = of_widget | {"source_type": "hashtag", "source_value": "b" * 100}
    connection = Connection.objects.create(
        workspace=workspace, login="facebook", account_id="1", username="u" * 60, obtained_at=NOW,
        state_changed_at=NOW, state="later_state", cause="c" * 200, scopes={},
    )  # fmt: skip
    Feed.objects.create(
        **of_source, mode="connected", outcome="failed", fault=LATER, data_warnings=["PARTIAL_DATA", LATER],
        profile={}, blocked_until=NOW + timedelta(hours=2), paused_until=NOW + timedelta(hours=1),
    )  # fmt: skip
    ProviderWindow.objects.create(credential=str(connection.pk), parked_until=NOW + timedelta(minutes=5))
    ProviderWindow.objects.create(credential="no connection")
    Incident.objects.create(login="facebook", began_at=NOW, next_probe_at=NOW)
    GraphVersion.objects.create(login="facebook", version="v26.0", since=NOW, checked_at=NOW)
    ForcedRefresh.objects.create(
        **of_source, fence=1, username=(ODD * 9)[:150], reserved_at=NOW, day_starts_at=NOW, hour_starts_at=NOW,
        state="later", fault=LATER,
    )  # fmt: skip
    AuditEvent.objects.create(
        at=NOW, **of_widget, actor=(ODD * 9)[:150], action="later_action", outcome="refused", reason=LATER,
        note=ODD * 20,
    )  # fmt: skip
    AuditEvent.objects.create(at=NOW, actor="x", action="connected", outcome="done")
    DailyUsage.objects.create(workspace=workspace, day=NOW.date(), feed_requests=10**15)
    EntitlementChange.objects.create(
        actor="x", workspace=workspace, subject=ODD * 9, key="later.key", old_value="1", new_value="2" * 200
    )
    owner = User.objects.get(username="owner")
    invite(workspace.pk, "new@shop.example", Role.EDITOR, actor=Staff("owner", owner), now=NOW)
    paris.make_link(from_row(widget).feed_key(), actor=paris.Actor(owner.pk, ODD * 9), now=NOW)
    Mail.objects.create(
        kind="later_kind", recipient="x@y.example", queued_at=NOW, expires_at=NOW, fault="Odd 550"
    )
    return widget


def pages() -> Iterator[tuple[str, str, str]]:
    """Each list and each row's page, with the model's label and the permission to view it."""
    for model, _ in admin.site._registry.items():
        meta = model._meta
        seen = f"{meta.app_label}.view_{meta.model_name}"
        base = f"admin:{meta.app_label}_{meta.model_name}"
        yield meta.label, reverse(f"{base}_changelist"), seen
        row = model._base_manager.first()
        assert row is not None, f"{meta.label} has no row: add one to odd_rows"
        for page in ("change", "history", "delete"):
            yield meta.label, reverse(f"{base}_{page}", args=[quote(row.pk)]), seen


@pytest.mark.parametrize("role", [*ROLES, "", "all"])
def test_every_page_with_every_role(odd_rows: WidgetInstance, role: str) -> None:
    client = with_role(role)
    user = User.objects.get(username=f"staff {role}")
    statuses = {}
    for label, page, permission in pages():
        may_see = user.has_perm(permission)
        status = client.get(page).status_code
        statuses[page] = status
        if page.endswith("/delete/"):
            assert status in {200, 403}, page
            assert role == "all" or status == 403, page
        else:
            assert status == (200 if may_see else 403), page
        assert may_see or status == 403, label
    assert len(statuses) == 4 * len(admin.site._registry)
    assert client.get("/admin/").status_code == 200


def test_roles_see_the_same_lists_as_before_and_what_can_be_withdrawn() -> None:
    for role in ROLES:
        granted = set(Group.objects.get(name=role).permissions.values_list("codename", flat=True))
        assert {
            "view_widgetinstance",
            "view_feed",
            "view_mail",
            "view_invitation",
            "view_connectlink",
        } <= granted
        assert not granted & {"view_user", "change_widgetinstance", "delete_widgetinstance", "view_incident"}
        assert ("act_for_customer" in granted) is (role == "Support")


def test_codes_are_words_with_the_code_on_hover(odd_rows: WidgetInstance) -> None:
    client = with_role("Support")
    expected = {
        "paris_integration/feed": '<abbr title="A_CODE_OF_A_LATER_RELEASE">a code of a later release</abbr>',
        "paris_integration/connection": '<abbr title="later_state">later state</abbr>',
        "paris_integration/auditevent": '<abbr title="connected">connected</abbr>',
        "paris_integration/forcedrefresh": '<abbr title="later">later</abbr>: <abbr title="A_CODE',
        "entitlements/plan": '<abbr title="pro">Pro</abbr>',
        "outbox/mail": '<abbr title="later_kind">later kind</abbr>',
        "venice_api/widgetinstance": f'title="{odd_rows.pk}">…{odd_rows.pk[-12:]}</bdi>',
    }
    for name, cell in expected.items():
        assert cell in client.get(f"/admin/{name}/").content.decode(), name
    page = client.get("/admin/paris_integration/providerwindow/").content.decode()
    assert f">@{'u' * 60}</abbr>" in page
    assert "a deleted connection" in page
    feed = Feed.objects.get()
    page = client.get(f"/admin/paris_integration/feed/{feed.pk}/change/").content.decode()
    assert "not all posts could be loaded, a code of a later release" in page
    assert "2026-11-23 14:20</time> (back-off)" in page


def test_filters_are_named_in_words(odd_rows: WidgetInstance) -> None:
    client = with_role("Support")
    feeds = client.get("/admin/paris_integration/feed/").content.decode()
    assert re.search(r'href="\?fault__exact=PROVIDER_RATE_LIMITED">\s*Instagram&#x27;s rate limit', feeds)
    trail = client.get("/admin/paris_integration/auditevent/").content.decode()
    assert re.search(r'href="\?reason=A_CODE_OF_A_LATER_RELEASE">\s*a code of a later release', trail)
    assert re.search(r'href="\?reason=">\s*none', trail)
    connections = client.get("/admin/paris_integration/connection/?_facets=True").content.decode()
    assert re.search(r"must be reconnected\s*<", connections)  # counting would read the whole table
    for state, number in (("open", 1), ("used", 0), ("withdrawn", 0), ("expired", 0), ("nonsense", 1)):
        found = client.get(f"/admin/paris_integration/connectlink/?state={state}").context["cl"]
        assert found.queryset.count() == number, state


def test_every_act_has_a_kind() -> None:
    plain = re.compile(
        r"_(changelist|add|history|delete|change|password_change)$|^(index|login|logout|password_change|"
        r"password_change_done|autocomplete|jsi18n|view_on_site|app_list|desk_find|entitlements_plan_matrix.*)$"
    )
    names = {pattern.name for pattern in own_patterns() if pattern.name and not plain.search(pattern.name)}
    assert names == set(KINDS)
    assert {act.name: act.kind for act in ACTS} == {
        "refresh": Kind.COSTS,
        "grant": Kind.HARMLESS,
        "clear-backoff": Kind.HARMLESS,
        "open-window": Kind.COSTS,
        "pause": Kind.COSTS,
        "purge": Kind.DESTRUCTIVE,
        "rotate-token": Kind.DESTRUCTIVE,
        "ask-reconnect": Kind.HARMLESS,
    }


def own_patterns() -> Iterator[Any]:
    for entry in admin.site.get_urls():
        yield from getattr(entry, "url_patterns", [entry])


def test_acts_look_like_their_kind_and_destructive_ones_ask_first(
    odd_rows: WidgetInstance, instance: WidgetInstance
) -> None:
    client = with_role("all")
    page = client.get(reverse("admin:venice_api_widgetinstance_change", args=[quote(instance.pk)]))
    for act in ACTS:
        assert f'class="act act-{act.kind}"' in page.content.decode()
    rows = {
        "venice_api_widgetinstance": quote(instance.pk),
        "auth_user": User.objects.get(username="owner").pk,
        "entitlements_invitation": Invitation.objects.get().pk,
        "paris_integration_connectlink": ConnectLink.objects.get().pk,
    }
    before = AuditEvent.objects.count()
    asked = 0
    for name, kind in KINDS.items():
        if kind is not Kind.DESTRUCTIVE:
            continue
        pk = next(pk for model, pk in rows.items() if name.startswith(model))
        text = client.get(reverse(f"admin:{name}", args=[pk])).content.decode()
        if name == "auth_user_remove_factor":
            assert "It is already off." in text
        else:
            assert "This removes" in text, name
            assert 'class="act act-destructive"' in text, name
            assert "Can&#x27;t be undone" in text, name
        asked += 1
    assert asked == 5
    assert AuditEvent.objects.count() == before
    assert Invitation.objects.get().withdrawn_at is None
    assert ConnectLink.objects.get().withdrawn_at is None


def test_an_invitation_can_be_seen_and_withdrawn(people: Cast) -> None:
    owner = Staff("owner", User.objects.get(username="owner"))
    made, code = invite(people.workspace.pk, "new@shop.example", Role.EDITOR, actor=owner, now=NOW)
    support, first_line, nobody = with_role("Support"), with_role("First-line support"), with_role("")
    page, act = (
        reverse(f"admin:entitlements_invitation_{name}", args=[made.pk]) for name in ("change", "withdraw")
    )

    listed = support.get("/admin/entitlements/invitation/").content.decode()
    for words in ("new@shop.example", "Editor", "Acme Bakery", "owner", "2026-11-30 12:20", "open"):
        assert words in listed
    for client in (support, first_line):
        text = client.get(page).content.decode()
        assert made.secret_hash not in text
        assert code not in text
        assert (act in text) is (client is support)
    for client in (first_line, nobody, people.owner):
        assert client.get(act).status_code in {302, 403}
        assert client.post(act).status_code in {302, 403}
    assert "they can&#x27;t join Acme Bakery" in support.get(act).content.decode()
    made.refresh_from_db()
    assert made.withdrawn_at is None

    assert "The invitation is withdrawn." in support.post(act, follow=True).content.decode()
    assert "no longer open" in support.post(act, follow=True).content.decode()
    found = find_invitation(code)
    assert found is not None
    assert found.withdrawn_at == NOW
    assert act not in support.get(page).content.decode()
    last = EntitlementChange.objects.first()
    assert last is not None
    assert (last.actor, last.new_value, last.note) == (
        "staff Support",
        "withdrawn",
        "new@shop.example, by staff",
    )
    for wrong in ("0", "9" * 30, "nonsense"):
        assert support.post(f"/admin/entitlements/invitation/{wrong}/withdraw/").status_code in {302, 404}


def test_a_connect_link_can_be_seen_and_withdrawn(people: Cast, instance: WidgetInstance) -> None:
    owner = paris.Actor(User.objects.get(username="owner").pk, "owner")
    code = paris.make_link(from_row(instance).feed_key(), actor=owner, now=NOW)
    link = ConnectLink.objects.get()
    support, first_line, nobody = with_role("Support"), with_role("First-line support"), with_role("")
    page, act = (
        reverse(f"admin:paris_integration_connectlink_{name}", args=[link.pk])
        for name in ("change", "withdraw")
    )

    listed = support.get("/admin/paris_integration/connectlink/").content.decode()
    for words in (instance.pk, "owner", "Acme Bakery", "2026-11-26 12:20", "open"):
        assert words in listed
    for client in (support, first_line):
        text = client.get(page).content.decode()
        assert link.code_hash not in text
        assert code not in text
        assert (act in text) is (client is support)
    for client in (first_line, nobody, people.owner):
        assert client.get(act).status_code in {302, 403}
        assert client.post(act).status_code in {302, 403}
    assert "it stops working" in support.get(act).content.decode()
    assert paris.find_link(code, now=NOW).state is paris.LinkState.OPEN  # type: ignore[union-attr]

    assert "The link is withdrawn." in support.post(act, follow=True).content.decode()
    assert "no longer open" in support.post(act, follow=True).content.decode()
    assert paris.find_link(code, now=NOW).state is paris.LinkState.WITHDRAWN  # type: ignore[union-attr]
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.actor, event.action, event.instance_id) == ("staff Support", "link_withdrawn", instance.pk)
    assert support.post("/admin/paris_integration/connectlink/nonsense/withdraw/").status_code == 404


def test_an_override_is_chosen_by_words(people: Cast) -> None:
    actor = Staff("x", User.objects.get(username="owner"))
    set_override(people.workspace, "instagram.hashtag.enabled", True, actor=actor)
    page = (
        with_role("all").get(f"/admin/entitlements/workspace/{people.workspace.pk}/change/").content.decode()
    )
    assert '<option value="instagram.hashtag.enabled" selected>Allow hashtags as sources</option>' in page
    assert Permission.objects.filter(codename="view_invitation").exists()
