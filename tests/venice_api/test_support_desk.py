"""What support staff see of a widget, and do for its owner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from paris_integration.errors import ProviderUnavailable
from paris_integration.models import AuditEvent, Feed
from paris_integration.public import Actor, RefreshBlocked, force_refresh
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
EDITOR = Actor(1, "editor")
LIST = "/admin/venice_api/widgetinstance/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider) -> WidgetInstance:
    made: WidgetInstance = make_instance()
    return made


def staff(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name, password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def desk(db: None) -> Client:
    return staff("desk", "view_widgetinstance", "change_widgetinstance", "view_auditevent")


@pytest.fixture
def onlooker(db: None) -> Client:
    return staff("onlooker", "view_widgetinstance")


def refresh(instance: WidgetInstance) -> Any:
    known = from_row(instance)
    return force_refresh(known.feed_key(), known.selection(), actor=EDITOR, now=NOW)


def page_of(instance: WidgetInstance, act: str = "change") -> str:
    return f"{LIST}{instance.pk}/{act}/"


def test_the_state_stands_there_in_words(desk: Client, onlooker: Client, instance: WidgetInstance) -> None:
    for _ in range(4):
        refresh(instance)
    with pytest.raises(RefreshBlocked):
        refresh(instance)

    for client in (desk, onlooker):
        page = client.get(page_of(instance)).content.decode()
        assert "Last updated at 2026-11-23 12:20:00 UTC, fresh; 3 posts shown." in page
        assert "Possible again at 2026-11-23 13:00:00 UTC. The Business plan would allow it now." in page


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


@pytest.mark.parametrize("act", ["grant", "clear-backoff"])
def test_who_may_act(onlooker: Client, people: Cast, instance: WidgetInstance, act: str) -> None:
    url = page_of(instance, act)
    typed = {"units": 1, "note": "x"}

    assert onlooker.post(url, typed).status_code == 403
    for client in (people.owner, people.outsider, people.anonymous):
        assert client.post(url, typed).status_code == 302  # to the sign-in page of the admin
    assert AuditEvent.objects.count() == 0
    assert staff("other", "change_widgetinstance").post(f"{LIST}wgt_nobody/{act}/", typed).status_code == 404


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
    from paris_integration.retention import clean_up

    settings.AUDIT_RETENTION_DAYS, settings.LEDGER_RETENTION_DAYS = 30, 10
    refresh(instance)

    assert set(clean_up(now=NOW + timedelta(days=9)).values()) == {0}
    clean_up(now=NOW + timedelta(days=11))
    assert (ForcedRefresh.objects.count(), QuotaWindow.objects.count()) == (0, 0)
    assert AuditEvent.objects.count() == 1
    clean_up(now=NOW + timedelta(days=31))
    assert AuditEvent.objects.count() == 0
