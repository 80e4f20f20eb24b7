"""A workspace with many connected widgets, and a simulation of beat and the workers, minute by minute."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from entitlements.models import Membership, Plan, Workspace
from paris_integration import tasks
from paris_integration.connections import lifecycle, links
from paris_integration.connections.lifecycle import Grant
from paris_integration.errors import ProviderError, TokenRejected
from paris_integration.models import Connection, Incident
from paris_integration.public import (
    FeedKey,
    Selection,
    Source,
    SourceType,
    force_refresh,
    read_feed,
    read_feed_as_member,
)
from paris_integration.types import Actor, ConnectionFacts, FeedView, Login, Secret
from tests.fakes import FakeProvider, media

MINUTE = timedelta(minutes=1)
EDITOR = Actor(7, "editor")
TWELVE = Selection(max_posts=12)
DEAD = TokenRejected(code=190, subcode=460)
ALIVE_STATES = ["active", "expiring"]


def key_of(workspace: Workspace, number: int, value: str | None = None) -> FeedKey:
    source = Source(SourceType.PROFILE, value or f"shop.{number}")
    return FeedKey(workspace.pk, f"wgt_{number}", source)


def grant_of(number: int, login: Login = Login.INSTAGRAM, *, now: datetime) -> Grant:
    return Grant(
        login=login,
        account_id=str(17841400000000000 + number),
        app_user_id=str(28970000000000000 + number),
        username=f"shop.{number}",
        scopes=("instagram_business_basic",),
        token=Secret(f"token-{number}"),
        expires_at=now + timedelta(days=60),
    )


def incident_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged about incidents, as a warning or worse."""
    found = [record for record in caplog.records if record.getMessage().startswith("incident")]
    assert all(record.levelno >= logging.WARNING for record in found)
    return found


def incident_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The same in two words each, such as "incident begins"."""
    return [" ".join(record.getMessage().split()[:2]).rstrip(":") for record in incident_records(caplog)]


class World:
    """A workspace with connected widgets, and a simulation of beat and the workers."""

    def __init__(
        self, clock: Any, provider: FakeProvider, commit: Callable[..., AbstractContextManager[Any]]
    ) -> None:
        self.clock = clock
        self.provider = provider
        self.commit = commit
        self.workspace = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))
        owner = User.objects.create_user("olga", email="olga@shop.example")
        Membership.objects.create(workspace=self.workspace, user=owner, role="owner")

    def connect(self, *numbers: int, login: Login = Login.INSTAGRAM) -> None:
        for number in numbers:
            self.provider.accounts[f"shop.{number}"] = [media(n) for n in range(3)]
            key = key_of(self.workspace, number)
            with self.commit(execute=True):
                lifecycle.store_grant(
                    key, grant_of(number, login, now=timezone.now()), actor=EDITOR, now=timezone.now()
                )

    def read(self, number: int) -> FeedView:
        with self.commit(execute=True):
            return read_feed(key_of(self.workspace, number), TWELVE, now=timezone.now())

    def read_as_member(self, number: int) -> FeedView:
        with self.commit(execute=True):
            return read_feed_as_member(key_of(self.workspace, number), TWELVE, now=timezone.now())

    def force(self, number: int) -> FeedView:
        with self.commit(execute=True):
            key = key_of(self.workspace, number)
            return force_refresh(key, TWELVE, actor=EDITOR, now=timezone.now())

    def fill(self, *numbers: int) -> None:
        """Read these widgets for the first time, then move to shortly before their TTL ends."""
        self.connect(*numbers)
        for number in numbers:
            self.read(number)
        self.pass_time(58 * MINUTE)

    def pass_time(self, time: timedelta) -> None:
        self.clock.move_to(timezone.now() + time, tick=False)

    def work(self, minutes: int = 1, *, step: timedelta = MINUTE) -> None:
        """Do the work of beat and the workers, minute by minute."""
        for _ in range(minutes):
            self.pass_time(step)
            with self.commit(execute=True):
                tasks.look_after_connections()
                tasks.enqueue_due_refreshes()

    def refuse(self, *numbers: int, fault: ProviderError = DEAD) -> None:
        """Meta refuses every call with these tokens."""
        tokens = {f"token-{number}" for number in numbers}
        self.provider.fault_for = lambda asked: fault if asked.token.reveal() in tokens else None

    def begin_incident(self, *numbers: int, fault: ProviderError = DEAD) -> None:
        """Fill these widgets, and let all their calls fail until an incident has begun."""
        self.fill(*numbers)
        self.refuse(*numbers, fault=fault)
        self.work(10)
        assert Incident.objects.filter(ended_at=None).exists()

    def recover(self) -> None:
        self.provider.fault_for = lambda _: None

    def states(self) -> dict[str, str]:
        return dict(Connection.objects.values_list("username", "state"))

    def dead(self) -> list[str]:
        return sorted(name for name, state in self.states().items() if state not in ALIVE_STATES)

    def connection(self, number: int) -> Connection:
        return Connection.objects.get(username=f"shop.{number}")

    def facts(self, number: int) -> ConnectionFacts:
        return links.facts_of(self.connection(number))
