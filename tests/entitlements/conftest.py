"""A workspace, and users with every level of access to the admin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from entitlements.changes import Actor
from entitlements.models import Plan, Workspace

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ACTOR = Actor("test")

PROFILE = "instagram.profile.enabled"
HASHTAG = "instagram.hashtag.enabled"
OAUTH = "instagram.oauth.enabled"
TTL = "instagram.refresh.ttlMinutes.min"
DAY = "instagram.refresh.forcePerDay.max"
HOUR = "instagram.refresh.forcePerHour.max"
CACHE = "instagram.cache.ttlMinutes.default"
COPIES = "instagram.media.copies.enabled"


@dataclass(frozen=True, slots=True)
class Staff:
    """`owner`: a superuser. `support`: staff who may look at everything and change nothing. `clerk`: staff who may
    change plans and workspaces, but no value of the matrix. `outsider`: a user who is not staff."""

    owner: Client
    support: Client
    clerk: Client
    outsider: Client
    anonymous: Client


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(name="Acme Bakery", plan=Plan.objects.get(key="starter"))


@pytest.fixture
def neighbour(db: None) -> Workspace:
    return Workspace.objects.create(name="Other Studio", plan=Plan.objects.get(key="starter"))


@pytest.fixture
def staff(db: None) -> Staff:
    User.objects.create_superuser("owner", password="x")
    support = User.objects.create_user("support", password="x", is_staff=True)
    support.user_permissions.set(
        Permission.objects.filter(content_type__app_label="entitlements", codename__startswith="view_")
    )
    clerk = User.objects.create_user("clerk", password="x", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["change_plan", "change_workspace"]))
    User.objects.create_user("outsider", password="x")
    return Staff(anonymous=Client(), **{name: _signed_in(name) for name in _NAMES})


_NAMES = ("owner", "support", "clerk", "outsider")


def _signed_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def plan(key: str) -> Plan:
    return Plan.objects.get(key=key)


def errors_of(response: Any, formset: str) -> list[dict[str, list[str]]]:
    """The errors shown at an inline's rows."""
    shown = {each.formset.prefix: each.formset for each in response.context["inline_admin_formsets"]}
    return [dict(row) for row in shown[formset].errors]
