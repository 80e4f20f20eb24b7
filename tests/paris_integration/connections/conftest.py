from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from config.celery import app
from tests.fakes import FakeLogins, FakeProvider
from tests.paris_integration.connections.world import World


@pytest.fixture
def world(
    db: None,
    clock: Any,
    provider: FakeProvider,
    logins: FakeLogins,
    django_capture_on_commit_callbacks: Any,
) -> Iterator[World]:
    app.conf.task_always_eager = True
    yield World(clock, provider, django_capture_on_commit_callbacks)
    app.conf.task_always_eager = False
