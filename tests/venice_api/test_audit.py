"""The audit trail of widget changes names the act and the person, but no account or post."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from paris_integration.models import AuditEvent
from tests.conftest import Cast
from tests.venice_api.test_editor import SETTINGS
from venice_api.models import WidgetInstance
from venice_api.moderation import Act, moderate

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LIST = "/admin/venice_api/widgetinstance/"
POST = "17900000000000001"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "provider")]


def trail(instance_id: str) -> list[tuple[str, str, str]]:
    found = AuditEvent.objects.filter(instance_id=instance_id).order_by("id")
    assert {event.at for event in found} <= {NOW}
    return [(event.actor, event.action, event.note) for event in found]


def test_changes_by_editors_are_audited(people: Cast, instance: WidgetInstance) -> None:
    page = f"/editor/{instance.pk}/"
    people.editor.post(f"{page}settings/", SETTINGS | {"source_value": "tiny.studio"})
    people.editor.post(f"{page}settings/", SETTINGS | {"source_value": "tiny.studio"})
    people.owner.post(f"{page}posts/", {"post": POST, "act": "hide"})
    people.owner.post(f"{page}posts/", {"post": POST, "act": "hide"})
    people.owner.post(f"{page}posts/", {"post": POST, "act": "show"})
    people.editor.post(f"{page}new-token/")
    people.owner.post(f"{page}delete/")

    assert trail(instance.pk) == [
        ("editor", "settings_changed", "allowed sites, kinds of posts, name, posts shown, source"),
        ("owner", "post_hidden", ""),
        ("owner", "post_shown", ""),
        ("editor", "token_rotated", ""),
        ("owner", "widget_deleted", ""),
    ]
    ids = User.objects.in_bulk(["editor", "owner"], field_name="username")
    assert all(event.user_id == ids[event.actor].pk for event in AuditEvent.objects.all())


def test_an_unchanged_save_writes_no_event(people: Cast, instance: WidgetInstance) -> None:
    people.editor.post(f"/editor/{instance.pk}/settings/", SETTINGS | {"source_value": "two words"})
    people.editor.post(f"/editor/{instance.pk}/settings/", SETTINGS | {"preview": "yes"})
    people.viewer.post(f"/editor/{instance.pk}/new-token/")
    instance.refresh_from_db()
    instance.save()
    assert trail(instance.pk) == []


def test_changes_by_support_staff_are_audited(desk: Client, instance: WidgetInstance) -> None:
    url = f"{LIST}{quote(instance.pk)}/change/"
    form = desk.get(url).context["adminform"].form
    typed = {name: form[name].value() for name in form.fields}
    moderate(instance.pk, Act.HIDE, [POST])
    desk.post(url, typed | {"max_posts": 3})
    desk.post(url, typed | {"max_posts": 3, "allowed_origins": "https://shop.example"})
    desk.post(f"{LIST}{quote(instance.pk)}/posts/", {"show": POST})
    desk.post(f"{LIST}{quote(instance.pk)}/rotate-token/", {"note": "stolen"})

    assert trail(instance.pk) == [
        ("service", "post_hidden", ""),
        ("desk", "settings_changed", "posts shown"),
        ("desk", "settings_changed", "allowed sites"),
        ("desk", "post_shown", ""),
        ("desk", "token_rotated", "stolen"),
    ]


def test_a_new_widget(people: Cast, desk: Client) -> None:
    people.editor.post(reverse("editor-new", args=[people.workspace.pk]), SETTINGS)
    by_editor = WidgetInstance.objects.get()
    typed = SETTINGS | {"workspace": people.workspace.pk}
    assert desk.post(f"{LIST}add/", typed).status_code == 302
    by_desk = WidgetInstance.objects.exclude(pk=by_editor.pk).get()
    out = StringIO()
    call_command("create_instance", workspace=str(people.workspace.pk), profile="acme.bakery", stdout=out)
    by_command = json.loads(out.getvalue())["instanceId"]
    call_command("rotate_embed_token", by_command, stdout=StringIO())

    assert trail(by_editor.pk) == [("editor", "widget_created", "")]
    assert trail(by_desk.pk) == [("desk", "widget_created", "")]
    assert trail(by_command) == [
        ("create_instance", "widget_created", ""),
        ("rotate_embed_token", "token_rotated", ""),
    ]


def test_a_change_and_its_event_are_saved_in_one_transaction(
    people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paris_integration.observing import audit

    monkeypatch.setattr(audit.AuditEvent.objects, "create", lambda **_: 1 / 0)
    people.editor.raise_request_exception = False
    page = f"/editor/{instance.pk}/"
    for url, typed in (
        (f"{page}settings/", SETTINGS | {"max_posts": 3}),
        (f"{page}posts/", {"post": POST, "act": "hide"}),
        (f"{page}new-token/", {}),
        (f"{page}delete/", {}),
    ):
        with transaction.atomic():  # simulates the request's transaction
            assert people.editor.post(url, typed).status_code == 500
    saved = WidgetInstance.objects.get(pk=instance.pk)
    assert (saved.max_posts, saved.hidden_post_ids, saved.token_version) == (12, [], 1)


def test_the_user_of_one_request_does_not_leak_into_the_next(people: Cast, instance: WidgetInstance) -> None:
    people.editor.post(f"/editor/{instance.pk}/new-token/")
    instance.refresh_from_db()
    instance.max_posts = 5
    instance.save()
    assert [actor for actor, _, _ in trail(instance.pk)] == ["editor", "service"]
