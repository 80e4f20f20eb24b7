"""The migrations create the four plans, can be reversed, and can run again."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from entitlements.models import Plan, PlanEntitlement, Workspace
from tests.entitlements.conftest import DAY

plans: Any = import_module("entitlements.migrations.0002_plans")
copies: Any = import_module("entitlements.migrations.0004_picture_copies")
pytestmark = pytest.mark.django_db


def test_the_four_plans_exist_in_their_order() -> None:
    found = Plan.objects.order_by("rank").values_list("key", "name", "rank", "billing_code")

    assert list(found) == [
        ("free", "Free", 0, ""),
        ("starter", "Starter", 1, ""),
        ("pro", "Pro", 2, ""),
        ("business", "Business", 3, ""),
    ]
    assert PlanEntitlement.objects.count() == 32


def test_migrating_again_keeps_changes_by_staff() -> None:
    PlanEntitlement.objects.filter(plan__key="free", key=DAY).update(value=9)

    plans.create_plans(apps, None)
    copies.add_key(apps, None)

    assert Plan.objects.count() == 4
    assert PlanEntitlement.objects.count() == 32
    assert PlanEntitlement.objects.get(plan__key="free", key=DAY).value == 9


def test_migrating_back_keeps_plans_in_use() -> None:
    Workspace.objects.create(name="Acme Bakery", plan=Plan.objects.get(key="pro"))

    plans.remove_plans(apps, None)
    assert [plan.key for plan in Plan.objects.all()] == ["pro"]

    plans.create_plans(apps, None)
    copies.add_key(apps, None)
    assert PlanEntitlement.objects.count() == 32
    copies.remove_key(apps, None)
    assert PlanEntitlement.objects.count() == 28
