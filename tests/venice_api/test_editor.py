"""The editor's widget page: freshness, refreshes and refusals in words, for those who act and those who look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from entitlements.changes import Actor, set_plan
from entitlements.models import Plan
from paris_integration.errors import ProviderUnavailable
from paris_integration.models import ForcedRefresh
from paris_integration.types import BlockReason, ConnectionState, Warning
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.editor import words
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider) -> WidgetInstance:
    made: WidgetInstance = make_instance()
    return made


def page(client: Client, instance: WidgetInstance) -> str:
    return client.get(f"/editor/{instance.pk}/").content.decode()


def refresh(client: Client, instance: WidgetInstance) -> str:
    response = client.post(f"/editor/{instance.pk}/refresh/", follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_refreshing_until_the_plan_says_no(people: Cast, instance: WidgetInstance) -> None:
    set_plan(people.workspace, Plan.objects.get(key="starter"), actor=Actor("test"))
    assert "never yet" in page(people.editor, instance)

    first = refresh(people.editor, instance)
    assert "The posts are up to date." in first
    assert "2026-11-23 12:20 UTC" in first
    assert "5 left today, 0 of them this hour" in first
    assert "<button disabled" in first
    assert "refreshes are used up for now. The Pro plan would allow it now." in first

    refused = refresh(people.editor, instance)
    assert "Next refresh available at 13:00:00 on 2026-11-23 UTC. The Pro plan would allow it now." in refused
    assert ForcedRefresh.objects.count() == 1
    set_plan(people.workspace, Plan.objects.get(key="pro"), actor=Actor("test"))
    assert "The posts are up to date." in refresh(people.editor, instance)


def test_a_failure_is_told_in_words(people: Cast, instance: WidgetInstance, provider: FakeProvider) -> None:
    provider.raises(ProviderUnavailable(status=503))
    shown = refresh(people.editor, instance)
    assert "Instagram could not be reached the last time." in shown
    assert "data-countdown" in shown


def test_who_may_refresh(people: Cast, instance: WidgetInstance, provider: FakeProvider) -> None:
    url = f"/editor/{instance.pk}/refresh/"
    assert people.viewer.post(url).status_code == 403
    assert people.outsider.post(url).status_code == 404
    assert people.anonymous.post(url).status_code == 302
    assert people.editor.get(url).status_code == 405
    assert provider.calls == []
    assert "Refresh now" not in page(people.viewer, instance)
    assert "24 left today" in page(people.viewer, instance)


def test_looking_at_the_page_calls_nobody(
    people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    page(people.editor, instance)
    assert provider.calls == []


def test_there_are_words_for_everything() -> None:
    assert all(words._WARNINGS[warning] for warning in Warning)
    assert all(words.blocked_words(reason) for reason in BlockReason)
    assert all(words.connection_words(state) for state in ConnectionState)
