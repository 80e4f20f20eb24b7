"""Fixtures for a widget, and for deleting widgets and connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from foundation import threads
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
    """Run a callable and its on-commit callbacks, which a test's transaction never reaches."""

    def run(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return work(*args, **kwargs)

    return run


@pytest.fixture
def revoked(monkeypatch: pytest.MonkeyPatch, logins: FakeLogins) -> list[str]:
    """The tokens to be revoked at Meta. Revoking runs in the test's thread."""
    monkeypatch.setattr(threads, "start", lambda work, *args: work(*args))
    return logins.revoked
