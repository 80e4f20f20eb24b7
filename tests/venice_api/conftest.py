"""Fixtures for tests of a widget, and of what ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from paris_integration import oauth_pipeline
from tests.fakes import FakeLogins, FakeProvider
from venice_api.models import WidgetInstance


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider) -> WidgetInstance:
    made: WidgetInstance = make_instance()
    return made


@pytest.fixture
def desk(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("desk", password="x"))
    return client


@pytest.fixture
def act(django_capture_on_commit_callbacks: Any) -> Callable[..., Any]:
    """Run something and what it left for the commit, which a test's transaction never comes to."""

    def run(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return work(*args, **kwargs)

    return run


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch, logins: FakeLogins) -> list[str]:
    """The tokens that were to be revoked at Meta; revoking runs in the test's own thread."""

    monkeypatch.setattr(oauth_pipeline.threads, "start", lambda work, *args: work(*args))
    return logins.revoked
