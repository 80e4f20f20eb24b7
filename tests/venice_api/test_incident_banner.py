"""The banner during an incident: on all pages of the editor whose widgets it concerns, and at the support desk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from paris_integration.connections import vault
from paris_integration.models import Connection, Feed, Incident
from paris_integration.types import Secret
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OURS = "We can't load new posts from Instagram right now."
METAS = "Instagram is having problems right now."
STAY = "Your posts stay up, and updates resume automatically."

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider) -> WidgetInstance:
    return make_instance()


def connect(people: Cast, login: str, name: str = "acme.bakery", **values: Any) -> Connection:
    row = Connection(
        workspace=people.workspace, login=login, account_id=name, username=name, obtained_at=NOW,
        state_changed_at=NOW, **values,
    )  # fmt: skip
    row.token = vault.seal_token(Secret("token"), row_id=row.pk)
    row.save()
    return row


def begin(login: str, cause: str = "refused", **values: Any) -> Incident:
    return Incident.objects.create(
        login=login, cause=cause, began_at=NOW - MINUTE, next_probe_at=NOW + MINUTE, **values
    )


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode().replace("&#x27;", "'")


def pages(instance: WidgetInstance) -> list[str]:
    own = f"/editor/{instance.pk}/"
    return [
        "/editor/",
        own,
        f"{own}design/",
        f"{own}posts/",
        f"{own}publish/",
        f"/editor/new/{instance.workspace_id}/",
    ]


def test_every_page_of_the_editor_has_one_banner(people: Cast, instance: WidgetInstance) -> None:
    connect(people, "instagram")
    assert all(STAY not in text(people.editor, path) for path in pages(instance))
    begin("instagram")
    for path in pages(instance):
        page = text(people.editor, path)
        assert (page.count(OURS), page.count(STAY)) == (1, 1), path
    assert STAY not in text(people.outsider, "/editor/")


def test_the_title_blames_instagram_only_when_it_does_not_answer(
    people: Cast, instance: WidgetInstance
) -> None:
    connect(people, "instagram")
    begin("instagram", "unreachable")
    assert METAS in text(people.viewer, "/editor/")
    Incident.objects.update(cause="throttled")
    assert OURS in text(people.viewer, "/editor/")
    Incident.objects.update(ended_at=NOW)
    assert STAY not in text(people.viewer, "/editor/")


def test_an_incident_of_the_other_login_is_not_shown(people: Cast, instance: WidgetInstance) -> None:
    connect(people, "instagram")
    begin("facebook")
    assert STAY not in text(people.editor, "/editor/")
    Feed.objects.create(
        workspace=people.workspace, instance_id=instance.pk, source_type="profile", source_value="acme.bakery",
        mode="public",
    )  # fmt: skip
    assert STAY in text(people.editor, "/editor/"), "public mode uses the app of Facebook login"


def test_a_narrow_incident_is_shown_only_to_those_who_wait(people: Cast, instance: WidgetInstance) -> None:
    row = connect(people, "instagram")
    begin("instagram", narrowed_at=NOW)
    assert STAY not in text(people.editor, "/editor/")
    row.refused_at = NOW
    row.save()
    assert STAY in text(people.editor, "/editor/")


def test_the_desk_shows_it_on_the_workspaces_that_it_concerns(people: Cast, instance: WidgetInstance) -> None:
    connect(people, "instagram")
    begin("instagram", "unreachable")
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    desk = Client()
    desk.force_login(user)
    words = "Instagram login: Meta doesn't answer, or only with errors of its own servers."
    assert text(desk, f"/admin/entitlements/workspace/{people.workspace.pk}/change/").count(words) == 1
    other = type(people.workspace).objects.exclude(pk=people.workspace.pk).get()
    assert words not in text(desk, f"/admin/entitlements/workspace/{other.pk}/change/")
