"""Fixtures for all tests: a clean environment, a fake provider, and users of every role."""

from __future__ import annotations

import gc
import os
import string
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import CacheHandler, cache
from django.db.models import DateTimeField, Value
from django.test import Client
from django.utils import timezone
from django.utils.crypto import get_random_string

from foundation.cache import database_breaker, doubts, redis_breaker
from foundation.counters import memory_counters
from foundation.counters import reads as read_counters
from foundation.postgresql.base import server_breaker
from outbox import sending
from paris_integration import clock, registry
from paris_integration.feeds import reading, refreshing
from paris_integration.media import copying, sweeping
from paris_integration.quota import forcing
from tests.fakes import FakeLogins, FakeProvider, InlineBoard, RecordingDispatcher
from tests.legs import pytest_addoption, pytest_collection_modifyitems, uses_cache
from tests.pictures import FakePictureHost, jpeg
from tests.processes import forking
from venice_api.accounts import freshness
from venice_api.api.repeats import repeats

__all__ = ["pytest_addoption", "pytest_collection_modifyitems"]

OPERATOR_ID = "17841400000000001"

# With thousands of collected tests in memory, Python's default of 700 spends a sixth of the time looking for garbage.
gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end, so the garbage collector needn't look at them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(name="clock")
def frozen_clock(time_machine: Any, request: pytest.FixtureRequest) -> Any:
    """Time is frozen at the module's NOW until the test moves it."""
    time_machine.move_to(request.module.NOW, tick=False)
    return time_machine


@pytest.fixture(autouse=True)
def _clean_hints() -> None:
    """Breakers and counters are per process. Reset them, so that tests don't affect each other."""
    memory_counters.clear()
    read_counters.clear()
    repeats.clear()
    doubts.clear()
    redis_breaker.success()
    database_breaker.success()
    server_breaker.success()


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty the cache before and after a test. A test that runs in one leg only may not use the cache."""
    if uses_cache(request.node):
        cache.clear()
        yield
        cache.clear()
        return

    def refuse(*_: object) -> None:
        pytest.fail("This test uses the cache: mark it `cached`.")

    monkeypatch.setattr(CacheHandler, "__getitem__", refuse)
    yield


@pytest.fixture(autouse=True)
def _database_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's clock follows the process's, so that a test moves both."""
    monkeypatch.setattr(clock, "database_now", timezone.now)
    monkeypatch.setattr(clock, "moment", lambda: Value(timezone.now(), output_field=DateTimeField()))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, settings: Any) -> FakeProvider:
    """Public mode with a fake provider."""
    settings.PUBLIC_MODE_IG_USER_ID = OPERATOR_ID
    settings.PUBLIC_MODE_ACCESS_TOKEN = "operator-token-for-tests"
    fake = FakeProvider()
    monkeypatch.setattr(registry, "provider", lambda: fake)
    return fake


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> FakeLogins:
    """Fakes of both logins, which grant everything."""
    fake = FakeLogins()
    monkeypatch.setattr(registry, "logins", lambda: fake)
    return fake


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> InlineBoard:
    """Run first fills in the reader's thread, as other threads don't see the test's transaction."""
    inline = InlineBoard()
    monkeypatch.setattr(reading, "board", inline)
    monkeypatch.setattr(forcing, "board", inline)
    return inline


@pytest.fixture(autouse=True)
def dispatched(monkeypatch: pytest.MonkeyPatch) -> RecordingDispatcher:
    """Records the feeds that the worker was asked to refresh, or whose pictures to copy."""
    recorder = RecordingDispatcher()
    for module in (reading, refreshing, copying, sweeping):
        monkeypatch.setattr(module, "dispatcher", recorder)
    return recorder


@pytest.fixture(autouse=True)
def _no_worker_for_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests deliver queued mails themselves."""
    monkeypatch.setattr(sending, "_wake_worker", lambda mail_id: None)


@pytest.fixture
def mail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mail is delivered as soon as it is queued."""
    queue = sending.queue

    def queue_and_deliver(*args: Any) -> None:
        assert sending.deliver(queue(*args).pk)

    monkeypatch.setattr(sending, "queue", queue_and_deliver)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakePictureHost:
    """Serves /v/0.jpg to /v/59.jpg, and /v/me.jpg."""
    fake = FakePictureHost()
    fake.files = {f"/v/{number}.jpg": jpeg(number) for number in range(60)} | {"/v/me.jpg": jpeg(200)}
    monkeypatch.setattr(registry, "file_client", lambda: fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Copies are on, and stored here."""
    settings.MEDIA_COPIES = True
    settings.MEDIA_STORAGE = "file"
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@dataclass(frozen=True, slots=True)
class Cast:
    """A workspace with a client per role, a member of another workspace, and an anonymous client."""

    workspace: Any
    owner: Client
    editor: Client
    viewer: Client
    outsider: Client
    anonymous: Client


@pytest.fixture
def people(db: None) -> Cast:
    from entitlements.models import Membership, Plan, Workspace

    plans = {plan.key: plan for plan in Plan.objects.all()}
    workspace = Workspace.objects.create(name="Acme Bakery", plan=plans["pro"])
    elsewhere = Workspace.objects.create(name="Other Studio", plan=plans["business"])
    names = ("owner", "editor", "viewer", "outsider")
    password = make_password("x")
    users = User.objects.bulk_create(User(username=name, password=password) for name in names)
    Membership.objects.bulk_create(
        Membership(workspace=elsewhere, user=user, role="owner")
        if user.username == "outsider"
        else Membership(workspace=workspace, user=user, role=user.username)
        for user in users
    )
    clients = dict(zip(names, signed_in(*users), strict=True))
    return Cast(workspace=workspace, anonymous=Client(), **clients)


def signed_in(*users: User) -> list[Client]:
    """A client for each, with the session that signing in leaves, at the cost of one query for all."""
    backend = next(
        path for path in settings.AUTHENTICATION_BACKENDS if hasattr(load_backend(path), "get_user")
    )
    store = SessionStore()
    sessions, clients = [], []
    for user in users:
        held = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: backend,
            HASH_SESSION_KEY: user.get_session_auth_hash(),
            freshness.SESSION_KEY: time.time(),
        }
        session = store.create_model_instance(held)
        session.session_key = get_random_string(32, string.ascii_lowercase + string.digits)
        sessions.append(session)
        client = Client()
        client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
        clients.append(client)
    type(sessions[0]).objects.bulk_create(sessions)
    return clients


@pytest.fixture
def make_instance(people: Cast) -> Callable[..., Any]:
    from venice_api.models import WidgetInstance

    def make(**values: Any) -> WidgetInstance:
        values = {
            "workspace": people.workspace,
            "source_type": "profile",
            "source_value": "acme.bakery",
        } | values
        # bulk_create sends no signal, so the audit trail stays empty.
        return WidgetInstance.objects.bulk_create([WidgetInstance(**values)])[0]

    return make


def needs(service: str, is_there: bool) -> None:
    """Skip the test when the service is missing. In CI, fail instead."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{service} is missing, but required in CI.")
    pytest.skip(f"{service} is missing.")


def run_python(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with the service's real settings and a clean environment: only PATH and `env`."""
    return forking.run(*arguments, env={"PATH": os.environ["PATH"], **(env or {})})
