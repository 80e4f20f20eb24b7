"""Rows named on the command line, or a clear error naming the argument."""

from __future__ import annotations

from uuid import UUID

from django.core.management.base import CommandError

from entitlements.models import Plan, Workspace


def plan_or_error(key: str) -> Plan:
    plan = Plan.objects.filter(key=key).first()
    if plan is None:
        known = ", ".join(Plan.objects.values_list("key", flat=True))
        raise CommandError(f"There is no plan {key!r}. Plans: {known}.")
    return plan


def workspace_or_error(text: str) -> Workspace:
    try:
        return Workspace.objects.select_related("plan").get(pk=UUID(text))
    except (ValueError, Workspace.DoesNotExist):
        raise CommandError(f"There is no workspace {text!r}.") from None
