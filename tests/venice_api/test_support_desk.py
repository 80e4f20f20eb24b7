"""What support staff see of a widget and do for its owner."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from entitlements.changes import Actor as Staff
from entitlements.changes import set_plan
from entitlements.models import Plan
from paris_integration import public as paris
from paris_integration.errors import ProviderUnavailable
from paris_integration.models import AuditEvent, Connection, ConnectionLink, Feed, ProviderWindow
from paris_integration.public import Actor, RefreshBlocked, force_refresh, refresh_due_now
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from venice_api import embed_tokens
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.support.acts import ACTS

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
EDITOR = Actor(1, "editor")
LIST = "/admin/venice_api/widgetinstance/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def staff(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name, password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def desk(db: None) -> Client:
    return staff("desk", "view_widgetinstance", "act_for_customer", "view_auditevent")


@pytest.fixture
def onlooker(db: None) -> Client:
    return staff("onlooker", "view_widgetinstance", "change_widgetinstance")


def refresh(instance: WidgetInstance) -> Any:
    known = from_row(instance)
    return force_refresh(known.feed_key(), known.selection(), actor=EDITOR, now=NOW)


def force(instance: WidgetInstance) -> Any:
    known = from_row(instance)
    return force_refresh(known.feed_key(), known.selection(), actor=EDITOR, now=timezone.now())


def key(instance: WidgetInstance) -> paris.FeedKey:
    return from_row(instance).feed_key()


def page_of(instance: WidgetInstance, act: str = "change") -> str:
    return f"{LIST}{quote(instance.pk)}/{act}/"


def test_the_page_describes_the_state_in_words(
    desk: Client, onlooker: Client, instance: WidgetInstance
) -> None:
    for _ in range(4):
        refresh(instance)
    with pytest.raises(RefreshBlocked):
        refresh(instance)

    for client in (desk, onlooker):
        page = client.get(page_of(instance)).content.decode()
        assert "Last updated at 2026-11-23 12:20:00 UTC, fresh; 3 posts shown." in page
        assert (
            "Next refresh available at 2026-11-23 13:00:00 UTC. The Business plan would allow it now." in page
        )


def connect(instance: WidgetInstance, state: str = "active") -> Connection:
    row = Connection.objects.create(
        workspace=instance.workspace, login="instagram", account_id="1", username="acme.bakery",
        obtained_at=NOW, state_changed_at=NOW, state=state,
    )  # fmt: skip
    ConnectionLink.objects.create(instance_id=instance.pk, connection=row, linked_at=NOW)
    return row


def state_of(client: Client, instance: WidgetInstance) -> str:
    """The row of the widget's page that says whether it can be refreshed."""
    page = html.unescape(client.get(page_of(instance)).content.decode())
    return page.partition("field-refresh_state")[2].partition('readonly">')[2].partition("</div>")[0]


def test_a_paused_widget_shows_until_when(
    desk: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    refresh(instance)
    desk.post(page_of(instance, "pause"), {"hours": 2, "note": "legal"})

    assert state_of(desk, instance) == (
        "Paused by staff until 2026-11-23 14:20:00 UTC. Manual refreshes left: 23 today, 3 this hour."
    )
    assert ">Paused<" in desk.get(LIST).content.decode()
    shelf = people.viewer.get("/editor/").context["shelves"][0]
    ((_, health),) = shelf["widgets"]
    assert health.because == "Our support team paused this widget until 14:20:00 on 2026-11-23 UTC."
    tried = desk.post(page_of(instance, "refresh"), {"note": "x"}, follow=True).content.decode()
    assert "Not refreshed. Paused by staff until 2026-11-23 14:20:00 UTC." in tried
    assert len(provider.calls) == 1

    ended = desk.post(page_of(instance, "clear-backoff"), {"note": "over"}, follow=True).content.decode()
    assert "The wait was removed. Can be refreshed now." in ended
    assert ">Working<" in desk.get(LIST).content.decode()


def test_a_new_widget_has_no_state_yet(admin_client: Client, instance: WidgetInstance) -> None:
    assert "field-refresh_state" in admin_client.get(page_of(instance)).content.decode()
    added = admin_client.get(f"{LIST}add/")
    assert added.status_code == 200
    assert "field-refresh_state" not in added.content.decode()


def test_a_pause_is_shown_beside_a_longer_reason(desk: Client, instance: WidgetInstance) -> None:
    for _ in range(4):
        refresh(instance)
    paris.pause(key(instance), until=NOW + timedelta(minutes=5), actor=EDITOR, now=NOW, note="x")
    assert state_of(desk, instance) == (
        "Paused by staff until 2026-11-23 12:25:00 UTC. Cannot be refreshed now: all refreshes in the plan "
        "are used up. Next refresh available at 2026-11-23 13:00:00 UTC."
    )


def test_a_pause_before_any_feed_can_be_ended(desk: Client, instance: WidgetInstance) -> None:
    desk.post(page_of(instance, "pause"), {"hours": 2, "note": "x"})
    ended = desk.post(page_of(instance, "clear-backoff"), {"note": "x"}, follow=True).content.decode()
    assert "The wait was removed. Can be refreshed now." in ended
    again = desk.post(page_of(instance, "clear-backoff"), {"note": "x"}, follow=True).content.decode()
    assert "There was no wait to remove. Can be refreshed now." in again


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("reconnect_required", "Instagram no longer accepts it"),
        ("permission_missing", "a permission is missing"),
        ("deauthorised", "access was revoked at Instagram"),
    ],
)
def test_a_broken_connection_is_named_as_the_cause(
    desk: Client, instance: WidgetInstance, provider: FakeProvider, settings: Any, state: str, why: str
) -> None:
    connect(instance, state)
    cause = f"the connection of @acme.bakery does not work ({why}). An editor must reconnect it."
    assert state_of(desk, instance) == (
        f"Cannot be refreshed now: {cause} If the account is disconnected, the profile is read in public mode."
    )
    settings.PUBLIC_MODE_ACCESS_TOKEN = ""
    assert state_of(desk, instance) == f"Cannot be refreshed now: {cause}"
    tried = desk.post(page_of(instance, "refresh"), {"note": "x"}, follow=True).content.decode()
    assert f"Not refreshed. Cannot be refreshed now: {cause}" in html.unescape(tried)
    assert provider.calls == []


def test_a_connection_outside_the_plan_is_named_as_the_cause(desk: Client, instance: WidgetInstance) -> None:
    connect(instance)
    set_plan(instance.workspace, Plan.objects.get(key="free"), actor=Staff("test"))
    assert state_of(desk, instance) == (
        "Cannot be refreshed now: the plan does not include connected accounts, but one is connected. "
        "The Pro plan would allow it now. If the account is disconnected, the profile is read in public mode."
    )


def test_a_rate_limit_and_a_back_off_have_different_texts(
    desk: Client, instance: WidgetInstance, provider: FakeProvider
) -> None:
    provider.raises(ProviderUnavailable(status=503))
    refresh(instance)
    assert (
        "the last attempt failed, and the next retry is not due yet. Next refresh available at 2026-11-23 12:2"
        in (state_of(desk, instance))
    )
    ProviderWindow.objects.create(credential="public", parked_until=NOW + timedelta(minutes=40), throttles=1)
    limited = (
        'Cannot be refreshed now: Instagram\'s rate limit was reached; "Retry now" does not lift it. '
        "Next refresh available at 2026-11-23 13:00:00 UTC. Manual refreshes left: 24 today, 4 this hour."
    )
    assert state_of(desk, instance) == limited
    cleared = desk.post(page_of(instance, "clear-backoff"), {"note": "x"}, follow=True).content.decode()
    assert f"The wait was removed. {limited}" in html.unescape(cleared)


# Django's admin reads "_22" in a link as a quotation mark, "_40" as an at sign.
@pytest.mark.parametrize("start", ["22", "23", "24", "25", "26", "40"])
def test_links_lead_to_the_right_widget(desk: Client, make_instance: Any, start: str) -> None:
    widget = make_instance(id=f"wgt_instagramfeed_u_{start}mhisjvrmg")
    (link,) = re.findall(r'href="(/admin/venice_api/widgetinstance/[^"/]+/change/[^"]*)"', get(desk, LIST))
    page = get(desk, link)
    for act in ACTS:
        (link,) = re.findall(rf'href="([^"]+/{act.name}/)"', page)
        asked = get(desk, link)
        (back,) = set(re.findall(r'href="(/admin/venice_api/widgetinstance/[^"/]+/change/)"', asked))
        assert widget.pk in get(desk, back)
    done = desk.post(link, {"note": "x"})
    assert widget.pk in get(desk, done["Location"])
    (trail,) = re.findall(r'href="([^"]+auditevent/\?q=[^"]+)"', page)
    assert widget.pk in get(desk, trail)


def get(client: Client, address: str) -> str:
    response = client.get(html.unescape(address))
    assert response.status_code == 200, address
    return response.content.decode()


def test_granted_units_can_be_used_today(
    desk: Client, instance: WidgetInstance, provider: FakeProvider
) -> None:
    for _ in range(4):
        refresh(instance)

    response = desk.post(page_of(instance, "grant"), {"units": 2, "note": "Lost posts on Monday"})

    assert response.status_code == 302
    refresh(instance)
    refresh(instance)
    with pytest.raises(RefreshBlocked):
        refresh(instance)
    granted = AuditEvent.objects.get(action="units_granted")
    assert (granted.actor, granted.instance_id, granted.note) == (
        "desk",
        instance.pk,
        "2: Lost posts on Monday",
    )


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"units": 0, "note": "x"}, "units"),
        ({"units": 101, "note": "x"}, "units"),
        ({"units": "many", "note": "x"}, "units"),
        ({"units": 1, "note": " "}, "note"),
        ({"units": 1, "note": "a\0b"}, "note"),
    ],
)
def test_a_grant_needs_a_number_and_a_reason(
    desk: Client, instance: WidgetInstance, typed: dict[str, Any], field: str
) -> None:
    response = desk.post(page_of(instance, "grant"), typed)

    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert AuditEvent.objects.count() == 0


def test_a_cleared_back_off_lets_the_next_refresh_through(
    desk: Client, instance: WidgetInstance, provider: FakeProvider
) -> None:
    provider.raises(ProviderUnavailable(status=503))
    refresh(instance)
    provider.recovers()
    assert refresh(instance).warnings

    assert desk.post(page_of(instance, "clear-backoff"), {"note": "Instagram is back"}).status_code == 302

    assert Feed.objects.get().failures == 0
    assert not refresh(instance).warnings
    assert AuditEvent.objects.get(action="backoff_cleared").note == "Instagram is back"


def test_lifting_a_rate_limit_applies_to_every_widget_of_the_credential(
    desk: Client, instance: WidgetInstance, make_instance: Any, provider: FakeProvider
) -> None:
    provider.accounts["other.shop"] = provider.accounts["acme.bakery"]
    twin = make_instance(source_value="other.shop")
    provider.rate_limits(7_200)
    refresh(instance)
    provider.recovers()
    assert refresh(twin).warnings == {"PROVIDER_RATE_LIMITED"}
    provider.calls.clear()

    assert desk.post(page_of(instance, "open-window"), {"note": "Meta says so"}).status_code == 302

    assert refresh_due_now(now=NOW)["succeeded"] == 2
    assert refresh(twin).warnings == set()
    assert ProviderWindow.objects.get().throttles == 0
    event = AuditEvent.objects.get(action="window_opened")
    assert (event.actor, event.instance_id, event.note) == ("desk", instance.pk, "Meta says so")


def test_lifting_a_rate_limit_affects_one_credential_and_no_other_back_offs(
    desk: Client, instance: WidgetInstance, make_instance: Any, provider: FakeProvider
) -> None:
    unknown = make_instance(source_value="no.such.one")
    refresh(unknown)
    provider.rate_limits(7_200)
    refresh(instance)
    ProviderWindow.objects.create(credential="another", parked_at=NOW, parked_until=NOW + timedelta(hours=1))

    desk.post(page_of(instance, "open-window"), {"note": "x"})

    held_back = Feed.objects.filter(blocked_until__gt=NOW)
    assert [row.instance_id for row in held_back] == [unknown.pk]
    assert [row.credential for row in ProviderWindow.objects.filter(parked_until__gt=NOW)] == ["another"]


def test_lifting_a_rate_limit_that_is_not_active_changes_nothing(
    desk: Client, instance: WidgetInstance
) -> None:
    page = desk.post(page_of(instance, "open-window"), {"note": "x"}, follow=True).content.decode()

    assert "No rate limit was active." in page


def test_the_rate_limit_of_a_connection_is_lifted(
    desk: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider, logins: FakeLogins
) -> None:
    connect = people.editor.get(f"/v1/integrations/instagram/connect?instanceId={instance.pk}")
    state = parse_qs(urlsplit(connect["Location"]).query)["state"][0]
    people.editor.get("/v1/integrations/instagram/callback", {"code": "good", "state": state})
    provider.rate_limits(7_200)
    refresh(instance)
    provider.recovers()
    assert refresh(instance).warnings == {"PROVIDER_RATE_LIMITED"}

    desk.post(page_of(instance, "open-window"), {"note": "x"})

    assert refresh(instance).warnings == set()


@pytest.mark.parametrize("act", [act.name for act in ACTS])
def test_who_can_act_for_customers(
    onlooker: Client, desk: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider, act: str
) -> None:
    url = page_of(instance, act)
    typed = {"units": 1, "hours": 1, "note": "x"}

    for method in ("get", "post"):
        assert getattr(onlooker, method)(url, typed).status_code == 403
        for client in (people.owner, people.outsider, people.anonymous):
            response = getattr(client, method)(url, typed)
            assert response.status_code == 302
            assert "/login/" in response["Location"]
    assert AuditEvent.objects.count() == 0
    assert provider.calls == []
    assert f'href="{url}"' not in onlooker.get(page_of(instance)).content.decode()

    assert f'href="{url}"' in desk.get(page_of(instance)).content.decode()
    asked = desk.get(url)
    assert asked.status_code == 200
    assert AuditEvent.objects.count() == 0
    assert desk.post(url, typed | {"note": ""}).status_code == 200
    assert AuditEvent.objects.count() == 0
    assert desk.post(f"{LIST}wgt_nobody/{act}/", typed).status_code == 404
    assert desk.post(url, typed).status_code == 302
    event = AuditEvent.objects.exclude(action="forced_refresh").get()
    assert (event.actor, event.instance_id) == ("desk", instance.pk)
    assert event.note.endswith("x")


def test_a_refresh_by_staff_uses_the_customers_quota(
    desk: Client, instance: WidgetInstance, provider: FakeProvider
) -> None:
    for _ in range(5):
        last = desk.post(page_of(instance, "refresh"), {"note": "asked by mail"}, follow=True)
    assert len(provider.calls) == 4
    assert (
        "Not refreshed: all refreshes in the plan are used up. Next refresh available at 2026-11-23 13:00"
        in (html.unescape(last.content.decode()))
    )


def test_a_pause_stops_all_refreshes_and_ends_on_time(
    desk: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider, time_machine: Any
) -> None:
    refresh(instance)
    assert desk.post(page_of(instance, "pause"), {"hours": 2, "note": "legal"}).status_code == 302

    time_machine.move_to(NOW + timedelta(hours=1, minutes=59), tick=False)
    cache.clear()
    assert refresh_due_now(now=timezone.now())["due"] == 0
    view = force(instance)
    assert (len(view.posts), view.next_refresh_allowed_at) == (3, NOW + timedelta(hours=2))
    page = people.editor.post(f"/editor/{instance.pk}/refresh/", follow=True).content.decode()
    assert page.count("14:20:00 on 2026-11-23 UTC</time>") == 1
    assert len(provider.calls) == 1

    time_machine.move_to(NOW + timedelta(hours=2, seconds=1), tick=False)
    force(instance)
    assert len(provider.calls) == 2


def test_a_pause_before_the_first_fill_and_its_early_end(
    desk: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    desk.post(page_of(instance, "pause"), {"hours": 720, "note": "not yet"})
    feed = people.editor.get(f"/v1/integrations/instagram/feed?instanceId={instance.pk}")
    assert (feed.status_code, feed.json()["posts"], provider.calls) == (200, [], [])
    assert "FEED_WARMING" not in desk.get(page_of(instance)).content.decode()

    desk.post(page_of(instance, "clear-backoff"), {"note": "now"})
    cache.clear()
    feed = people.editor.get(f"/v1/integrations/instagram/feed?instanceId={instance.pk}")
    assert len(feed.json()["posts"]) == 3


def test_no_other_path_bypasses_a_pause(
    desk: Client,
    people: Cast,
    instance: WidgetInstance,
    provider: FakeProvider,
    logins: FakeLogins,
    settings: Any,
) -> None:
    def read() -> Any:
        cache.clear()
        return people.editor.get(f"/v1/integrations/instagram/feed?instanceId={instance.pk}").json()

    settings.PUBLIC_MODE_ACCESS_TOKEN = ""
    desk.post(page_of(instance, "pause"), {"hours": 5, "note": "before it was ever connected"})
    connect = people.editor.get(f"/v1/integrations/instagram/connect?instanceId={instance.pk}")
    state = parse_qs(urlsplit(connect["Location"]).query)["state"][0]
    people.editor.get("/v1/integrations/instagram/callback", {"code": "good", "state": state})
    assert ConnectionLink.objects.filter(pk=instance.pk).exists()
    assert read()["nextRefreshAllowedAt"] == "2026-11-23T17:20:00Z"

    people.editor.post(f"/editor/{instance.pk}/disconnect/")
    settings.PUBLIC_MODE_ACCESS_TOKEN = "operator-token-for-tests"
    assert read()["nextRefreshAllowedAt"] == "2026-11-23T17:20:00Z"
    desk.post(page_of(instance, "purge"), {"note": "x"})
    assert read()["posts"] == []
    instance.source_value = "another.shop"
    instance.save()
    assert read()["posts"] == []
    assert provider.calls == []
    desk.post(page_of(instance, "clear-backoff"), {"note": "over"})
    instance.source_value = "acme.bakery"
    instance.save()
    assert len(read()["posts"]) == 3


def test_a_running_refresh_neither_ends_a_pause_nor_restores_purged_posts(
    desk: Client, instance: WidgetInstance, provider: FakeProvider
) -> None:
    refresh(instance)
    provider.during_call = lambda: paris.purge(key(instance), actor=EDITOR, now=NOW, note="x")
    force(instance)
    assert not Feed.objects.exists()

    provider.during_call = lambda: paris.pause(
        key(instance), until=NOW + timedelta(hours=1), actor=EDITOR, now=NOW, note="x"
    )
    force(instance)
    assert Feed.objects.get().paused_until == NOW + timedelta(hours=1)


def test_purged_posts_are_deleted_and_fetched_again(
    desk: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    refresh(instance)
    assert desk.post(page_of(instance, "purge"), {"note": "wrong account"}).status_code == 302
    assert not Feed.objects.exists()
    cache.clear()
    feed = people.editor.get(f"/v1/integrations/instagram/feed?instanceId={instance.pk}")
    assert len(feed.json()["posts"]) == 3
    assert len(provider.calls) == 2


def test_a_rotated_token_is_refused(desk: Client, instance: WidgetInstance) -> None:
    old = embed_tokens.issue(instance.pk, instance.token_version)
    desk.post(page_of(instance, "rotate-token"), {"note": "stolen"})
    assert Client().get(f"/v1/integrations/instagram/feed?token={old}").status_code == 401
    assert AuditEvent.objects.get().action == "token_rotated"


@pytest.mark.usefixtures("mail_at_once")
def test_the_reconnect_email(
    desk: Client, people: Cast, instance: WidgetInstance, mailoutbox: list[Any]
) -> None:
    none = desk.post(page_of(instance, "ask-reconnect"), {"note": "x"}, follow=True)
    assert "No email was sent" in none.content.decode()
    User.objects.filter(username__in=["owner", "editor", "viewer", "outsider"]).update(
        email="people@shop.example"
    )
    row = Connection.objects.create(
        workspace=people.workspace, login="instagram", account_id="1", username="acme.bakery",
        obtained_at=NOW, state_changed_at=NOW,
    )  # fmt: skip
    ConnectionLink.objects.create(instance_id=instance.pk, connection=row, linked_at=NOW)

    sent = desk.post(page_of(instance, "ask-reconnect"), {"note": "x"}, follow=True)

    assert "Sent to 1 person." in sent.content.decode()
    (mail,) = mailoutbox
    assert mail.to == ["people@shop.example"]
    assert mail.subject == "@acme.bakery: please reconnect Instagram"
    assert f"instanceId%3D{instance.pk}" in mail.body
    assert "owner of the workspace Acme Bakery" in mail.body


@pytest.mark.parametrize(
    ("role", "acts", "plans"),
    [("First-line support", False, False), ("Support", True, False), ("Plan editors", False, True)],
)
def test_roles(instance: WidgetInstance, role: str, acts: bool, plans: bool) -> None:
    client = staff(role)
    User.objects.get(username=role).groups.add(Group.objects.get(name=role))
    lists = (
        "venice_api/widgetinstance", "entitlements/plan", "entitlements/workspace", "paris_integration/feed",
        "paris_integration/connection", "paris_integration/auditevent", "paris_integration/forcedrefresh",
        "paris_integration/providerwindow", "paris_integration/dailyusage",
    )  # fmt: skip
    assert {name: client.get(f"/admin/{name}/").status_code for name in lists} == dict.fromkeys(lists, 200)
    assert client.get("/admin/auth/user/").status_code == 403
    assert client.get(page_of(instance)).status_code == 200
    assert client.post(page_of(instance), {"source_value": "other"}).status_code == 403
    assert (client.get(page_of(instance, "purge")).status_code == 200) is acts
    workspace = f"/admin/entitlements/workspace/{instance.workspace_id}/change/"
    assert ('name="_save"' in client.get(workspace).content.decode()) is plans


def test_the_list_shows_widget_health_and_can_be_searched(
    desk: Client, instance: WidgetInstance, make_instance: Any
) -> None:
    make_instance(source_type="hashtag", source_value="bread", name="Second")
    refresh(instance)
    page = desk.get(LIST).content.decode()
    assert "Working" in page
    assert "Action needed" in page
    row = Connection.objects.create(
        workspace=instance.workspace, login="instagram", account_id="1", username="the.baker",
        obtained_at=NOW, state_changed_at=NOW,
    )  # fmt: skip
    ConnectionLink.objects.create(instance_id=instance.pk, connection=row, linked_at=NOW)
    for words in (instance.pk, str(instance.workspace_id), "Acme", "acme.bakery", "@The.Baker"):
        found = desk.get(LIST, {"q": words}).context["cl"].result_list
        assert instance.pk in [row.pk for row in found]


def test_the_audit_trail_can_be_read_and_searched_but_not_altered(
    desk: Client, instance: WidgetInstance
) -> None:
    refresh(instance)
    event = AuditEvent.objects.get()
    trail = "/admin/paris_integration/auditevent/"

    found = desk.get(f"{trail}?q={instance.pk}&outcome__exact=done")
    assert found.status_code == 200
    assert list(found.context["cl"].queryset) == [event]
    assert list(desk.get(f"{trail}?at__gte=2026-11-24+00:00:00%2B00:00").context["cl"].queryset) == []
    assert desk.post(f"{trail}{event.pk}/change/", {"outcome": "refused"}).status_code == 403
    assert desk.post(f"{trail}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.get(f"{trail}add/").status_code == 403


def test_old_events_and_lines_are_cleaned_up(instance: WidgetInstance, settings: Any) -> None:
    from paris_integration.models import ForcedRefresh, QuotaWindow
    from paris_integration.retention.expiry import remove_expired

    settings.AUDIT_RETENTION_DAYS, settings.LEDGER_RETENTION_DAYS = 30, 10
    refresh(instance)

    assert set(remove_expired(now=NOW + timedelta(days=9)).values()) == {0}
    remove_expired(now=NOW + timedelta(days=11))
    assert (ForcedRefresh.objects.count(), QuotaWindow.objects.count()) == (0, 0)
    assert AuditEvent.objects.count() == 1
    remove_expired(now=NOW + timedelta(days=31))
    assert AuditEvent.objects.count() == 0
