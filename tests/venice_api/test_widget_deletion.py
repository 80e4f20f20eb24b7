"""Every way to delete a widget deletes all its data. A widget that moves leaves its account behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from entitlements.models import Membership, Workspace
from paris_integration import public as paris
from paris_integration.models import (
    AuditEvent,
    Connection,
    ConnectionLink,
    ErasedInstance,
    Feed,
    ForcedRefresh,
    LoginAttempt,
    Pause,
    QuotaWindow,
    RefreshReceipt,
)
from paris_integration.quota import receipts
from paris_integration.retention import expiry
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from tests.marks import needs_postgres
from tests.venice_api.test_connect import come_back, connect, state_of
from venice_api import embed_tokens
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
FEED = "/v1/integrations/instagram/feed"
REFRESH = "/v1/integrations/instagram/refresh"
LIST = "/admin/venice_api/widgetinstance/"
HELD = (Connection, ConnectionLink, Feed, LoginAttempt, Pause, QuotaWindow, RefreshReceipt)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def connected(
    people: Cast, make_instance: Any, provider: FakeProvider, logins: FakeLogins, act: Any
) -> Callable[..., WidgetInstance]:
    """A connected widget with every kind of data: posts, receipt, pause, pending login."""

    def make(code: str = "1", **values: Any) -> WidgetInstance:
        instance: WidgetInstance = make_instance(**values)
        act(come_back, people.editor, code=code, state=state_of(connect(people.editor, instance)))
        body = {"instanceId": instance.pk}
        asked = people.editor.post(
            REFRESH, body, content_type="application/json", headers={"Idempotency-Key": "click-1"}
        )
        assert len(asked.json()["posts"]) == 3
        state_of(connect(people.editor, instance))
        paris.pause(
            from_row(instance).feed_key(),
            until=NOW + timedelta(hours=1),
            actor=paris.Actor(None, "test"),
            now=NOW,
            note="",
        )
        assert public(instance).status_code == 200
        for model in HELD:
            assert model.objects.exists(), model
        return instance

    return make


def public(instance: WidgetInstance) -> Any:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    return Client().get(f"{FEED}?token={token}")


def events(instance_id: str) -> list[tuple[str, str]]:
    found = AuditEvent.objects.filter(instance_id=instance_id).order_by("id").values_list("actor", "action")
    return [
        (actor, action)
        for actor, action in found
        if action not in ("connected", "forced_refresh", "paused", "revoked")
    ]


def by_editor(people: Cast, desk: Client, instance: WidgetInstance) -> None:
    assert people.owner.post(f"/editor/{instance.pk}/delete/").status_code == 302


def by_admin(people: Cast, desk: Client, instance: WidgetInstance) -> None:
    asked = desk.get(f"{LIST}{quote(instance.pk)}/delete/")
    assert asked.status_code == 200
    assert desk.post(f"{LIST}{quote(instance.pk)}/delete/", {"post": "yes"}).status_code == 302


def by_admin_in_bulk(people: Cast, desk: Client, instance: WidgetInstance) -> None:
    typed = {"action": "delete_selected", "_selected_action": [instance.pk], "post": "yes"}
    assert desk.post(LIST, typed).status_code == 302


def by_workspace(people: Cast, desk: Client, instance: WidgetInstance) -> None:
    url = reverse("admin:entitlements_workspace_delete", args=[instance.workspace_id])
    assert desk.post(url, {"post": "yes"}).status_code == 302
    assert not Workspace.objects.filter(pk=instance.workspace_id).exists()


def by_queryset(people: Cast, desk: Client, instance: WidgetInstance) -> None:
    WidgetInstance.objects.filter(pk=instance.pk).delete()


WAYS = [
    pytest.param(by_editor, "owner", id="editor"),
    pytest.param(by_admin, "desk", id="admin"),
    pytest.param(by_admin_in_bulk, "desk", id="admin in bulk"),
    pytest.param(by_workspace, "desk", id="workspace"),
    pytest.param(by_queryset, "service", id="queryset"),
]


@pytest.mark.parametrize(("way", "actor"), WAYS)
def test_a_deleted_widget_leaves_nothing(
    people: Cast,
    desk: Client,
    connected: Callable[..., WidgetInstance],
    act: Any,
    revoked: list[str],
    way: Callable[..., None],
    actor: str,
) -> None:
    instance = connected()
    instance_id = instance.pk

    act(way, people, desk, instance)

    assert not WidgetInstance.objects.exists()
    assert [model for model in HELD if model.objects.exists()] == []
    assert revoked == ["token-for-1"]
    instance.pk = instance_id
    assert public(instance).status_code == 401
    assert events(instance_id) == [(actor, "disconnected"), (actor, "widget_deleted")]


@pytest.mark.parametrize(("way", "actor"), WAYS)
def test_a_widget_that_was_never_connected_is_deleted_completely(
    people: Cast, desk: Client, make_instance: Any, provider: FakeProvider, act: Any, way: Any, actor: str
) -> None:
    instance = make_instance()
    instance_id = instance.pk
    assert len(public(instance).json()["posts"]) == 3

    act(way, people, desk, instance)

    instance.pk = instance_id
    assert public(instance).status_code == 401
    assert not Feed.objects.exists()
    assert events(instance_id) == [(actor, "widget_deleted")]


def test_a_connection_stays_while_another_widget_uses_it(
    people: Cast, desk: Client, connected: Callable[..., WidgetInstance], act: Any, revoked: list[str]
) -> None:
    first, second = connected("1"), connected("2", name="Twin")

    act(by_admin, people, desk, first)
    assert Connection.objects.get().token is not None
    assert ConnectionLink.objects.get().instance_id == second.pk
    assert public(second).status_code == 200
    assert revoked == []

    third = connected("3", name="Third")
    typed = {"action": "delete_selected", "_selected_action": [second.pk, third.pk], "post": "yes"}
    assert act(desk.post, LIST, typed).status_code == 302
    assert not Connection.objects.exists()
    assert revoked == ["token-for-3"]


def test_a_deletion_that_is_rolled_back_erases_nothing(
    connected: Callable[..., WidgetInstance], monkeypatch: pytest.MonkeyPatch, revoked: list[str]
) -> None:
    from paris_integration.observing import audit

    instance = connected()
    instance_id = instance.pk
    monkeypatch.setattr(audit, "note", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        instance.delete()

    assert WidgetInstance.objects.filter(pk=instance_id).exists()
    assert [model for model in HELD if not model.objects.exists()] == []
    assert revoked == []


def test_a_running_read_does_not_restore_a_deleted_feed(
    make_instance: Any, provider: FakeProvider, act: Any
) -> None:
    """Two readers that found the widget before it was deleted: one is refreshing, one hasn't started."""
    instance = make_instance()
    known = from_row(instance)
    provider.during_call = lambda: act(instance.delete)

    paris.read_feed(known.feed_key(), known.selection(), now=NOW)

    assert not Feed.objects.exists()
    provider.during_call = lambda: None
    view = paris.read_feed(known.feed_key(), known.selection(), now=NOW)
    assert view.posts == ()
    assert not Feed.objects.exists()
    assert len(provider.calls) == 1


def test_a_row_created_during_the_deletion_is_deleted(
    make_instance: Any, provider: FakeProvider, django_capture_on_commit_callbacks: Any
) -> None:
    instance = make_instance()
    key = from_row(instance).feed_key()
    with django_capture_on_commit_callbacks(execute=True):
        instance.delete()
        late = Feed.objects.create(
            workspace_id=key.workspace_id, instance_id=key.instance_id, source_type="profile",
            source_value="acme.bakery", mode="public",
        )  # fmt: skip
    assert not Feed.objects.filter(pk=late.pk).exists()


def test_leftover_rows_are_deleted_by_the_next_clean_up(
    make_instance: Any, provider: FakeProvider, act: Any
) -> None:
    instance = make_instance()
    key = from_row(instance).feed_key()
    act(instance.delete)
    Feed.objects.create(
        workspace_id=key.workspace_id, instance_id=key.instance_id, source_type="profile",
        source_value="acme.bakery", mode="public",
    )  # fmt: skip

    expiry.remove_expired(now=NOW)
    assert not Feed.objects.exists()
    assert ErasedInstance.objects.exists()
    expiry.remove_expired(now=NOW + timedelta(days=1, seconds=1))
    assert not ErasedInstance.objects.exists()


def test_refreshing_a_widget_that_is_deleted_meanwhile(
    people: Cast, make_instance: Any, provider: FakeProvider, act: Any
) -> None:
    instance = make_instance()
    instance_id = instance.pk
    provider.during_call = lambda: act(WidgetInstance.objects.filter(pk=instance_id).delete)

    answer = people.editor.post(
        REFRESH, {"instanceId": instance_id}, content_type="application/json",
        headers={"Idempotency-Key": "click-1"},
    )  # fmt: skip

    assert (answer.status_code, answer.json()["posts"]) == (200, [])
    assert not Feed.objects.exists()
    expiry.remove_expired(now=NOW)
    assert not RefreshReceipt.objects.exists()


@pytest.mark.parametrize("seconds", [0, 59])
def test_a_free_receipt_written_after_the_deletion_is_swept(
    make_instance: Any, act: Any, clock: Any, seconds: int
) -> None:
    """The request found the widget before. A receipt without a unit doesn't tell its workspace."""
    instance = make_instance()
    request = receipts.Repeatable(7, instance.pk, "click-1")
    act(instance.delete)
    receipts.keep(request, now=NOW + timedelta(seconds=seconds))

    expiry.remove_expired(now=NOW + timedelta(hours=1))

    assert not RefreshReceipt.objects.exists()


@pytest.mark.parametrize("forced", [True, False])
def test_a_workspace_deleted_while_a_reader_waits(
    people: Cast, desk: Client, make_instance: Any, provider: FakeProvider, act: Any, forced: bool
) -> None:
    instance = make_instance()
    provider.during_call = lambda: act(by_workspace, people, desk, instance)
    body = {"instanceId": instance.pk}

    if forced:
        answer = people.editor.post(REFRESH, body, content_type="application/json")
    else:
        answer = people.editor.get(FEED, body)

    assert (answer.status_code, answer.json()["error"]) == (404, "INSTANCE_NOT_FOUND")
    page = people.editor.get(f"/editor/{instance.pk}/")
    assert page.status_code == 404


# A widget in another workspace


@pytest.fixture
def elsewhere(people: Cast) -> Workspace:
    """The outsider's workspace; the editor is a member there, too."""
    workspace = Workspace.objects.get(name="Other Studio")
    Membership.objects.create(workspace=workspace, user=User.objects.get(username="editor"), role="editor")
    return workspace


def test_a_moved_widget_leaves_its_account_behind(
    people: Cast,
    desk: Client,
    elsewhere: Workspace,
    connected: Callable[..., WidgetInstance],
    provider: FakeProvider,
    settings: Any,
    act: Any,
    revoked: list[str],
) -> None:
    settings.PUBLIC_MODE_ACCESS_TOKEN = ""
    instance = connected()
    calls = len(provider.requests)
    form = desk.get(f"{LIST}{quote(instance.pk)}/change/").context["adminform"].form
    typed = {name: form[name].value() for name in form.fields} | {"workspace": str(elsewhere.pk)}

    assert act(desk.post, f"{LIST}{quote(instance.pk)}/change/", typed).status_code == 302

    instance.refresh_from_db()
    assert instance.workspace_id == elsewhere.pk
    for model in (Connection, ConnectionLink, Feed, LoginAttempt, RefreshReceipt):
        assert not model.objects.exists(), model
    assert revoked == ["token-for-1"]
    answer = public(instance).json()
    assert (answer["posts"], answer["warnings"]) == ([], ["CONNECT_REQUIRED"])
    assert len(provider.requests) == calls
    assert events(instance.pk) == [("desk", "disconnected"), ("desk", "widget_moved")]
    assert Pause.objects.get().workspace_id == elsewhere.pk


def test_a_widget_can_move_back(
    elsewhere: Workspace, make_instance: Any, provider: FakeProvider, act: Any
) -> None:
    instance = make_instance()
    home = instance.workspace
    for workspace in (elsewhere, home):
        instance.workspace = workspace
        act(instance.save)
        assert len(public(instance).json()["posts"]) == 3
        assert Feed.objects.get().workspace_id == workspace.pk


@pytest.mark.parametrize(("operator_token", "units"), [("operator", 1), ("", 0)], ids=["charged", "free"])
def test_a_receipt_of_a_moved_widget_outlives_clean_ups(
    people: Cast, elsewhere: Workspace, make_instance: Any, provider: FakeProvider, act: Any, clock: Any,
    settings: Any, operator_token: str, units: int,
) -> None:  # fmt: skip
    settings.PUBLIC_MODE_ACCESS_TOKEN = operator_token
    instance = make_instance()
    instance.workspace = elsewhere
    act(instance.save)
    clock.move_to(NOW + timedelta(minutes=1, seconds=1), tick=False)
    body, click = {"instanceId": instance.pk}, {"Idempotency-Key": "click-1"}

    for _ in range(2):
        asked = people.editor.post(REFRESH, body, content_type="application/json", headers=click)
        assert asked.status_code == 200
        expiry.remove_expired(now=NOW + timedelta(minutes=2))
        settings.PUBLIC_MODE_ACCESS_TOKEN = "operator"

    assert len(provider.requests) == ForcedRefresh.objects.count() == units


def test_no_path_reads_with_another_workspaces_account(
    people: Cast,
    desk: Client,
    elsewhere: Workspace,
    connected: Callable[..., WidgetInstance],
    provider: FakeProvider,
    settings: Any,
) -> None:
    """The row's workspace was changed without the model: the link still exists but has no effect."""
    settings.PUBLIC_MODE_ACCESS_TOKEN = ""
    instance = connected()
    Pause.objects.all().delete()
    calls = len(provider.requests)
    WidgetInstance.objects.filter(pk=instance.pk).update(workspace=elsewhere)
    moved = from_row(WidgetInstance.objects.get(pk=instance.pk))

    for read in (paris.read_feed, paris.read_feed_as_member):
        view = read(moved.feed_key(), moved.selection(), now=NOW)
        assert (view.posts, view.warnings) == ((), {paris.Warning.CONNECT_REQUIRED})
    body = {"instanceId": instance.pk}
    forced = people.editor.post(REFRESH, body, content_type="application/json").json()
    assert (forced["posts"], forced["warnings"]) == ([], ["CONNECT_REQUIRED"])
    assert paris.glance_at([moved.feed_key()], now=NOW)[instance.pk].warnings == view.warnings
    assert paris.look_at_feed(moved.feed_key(), moved.selection(), now=NOW).connection is None
    page = people.editor.get(f"/editor/{instance.pk}/").content.decode()
    assert "No account is connected" in page
    assert paris.ask_to_reconnect(moved.feed_key(), actor=paris.Actor(None, "x"), now=NOW, note="x") == 0
    assert len(provider.requests) == calls


@needs_postgres
def test_the_database_refuses_a_link_between_workspaces(
    elsewhere: Workspace, connected: Callable[..., WidgetInstance]
) -> None:
    instance = connected()
    assert ConnectionLink.objects.get().workspace_id == instance.workspace_id
    ConnectionLink.objects.update(workspace=elsewhere)
    with pytest.raises(IntegrityError, match="link_within_workspace"), transaction.atomic():
        connection.check_constraints()
    ConnectionLink.objects.update(workspace=instance.workspace)
