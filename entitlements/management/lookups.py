"""Validates command-line arguments. A CommandError names the argument and says what is allowed."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email

from entitlements.models import Plan, Workspace


def plan_or_error(argument: str, key: str) -> Plan:
    plan = Plan.objects.filter(key=key).first()
    if plan is None:
        known = ", ".join(Plan.objects.values_list("key", flat=True))
        raise CommandError(f"{argument}: there is no plan {key!r}. Plans: {known}.")
    return plan


def workspace_or_error(argument: str, text: str) -> Workspace:
    try:
        workspace_id = UUID(text)
    except ValueError:
        raise CommandError(f"{argument}: {text!r} is not a workspace id (a UUID).") from None
    workspace = Workspace.objects.select_related("plan").filter(pk=workspace_id).first()
    if workspace is None:
        raise CommandError(f"{argument}: there is no workspace {text!r}.")
    return workspace


def text_or_error(argument: str, text: str, *, at_least: int = 1, at_most: int) -> str:
    """The text without surrounding whitespace. Raises CommandError for a wrong length and for invalid characters."""
    text = text.strip()
    if not at_least <= len(text) <= at_most:
        raise CommandError(f"{argument}: must have {at_least} to {at_most} characters.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise CommandError(f"{argument}: must be valid text.")
    return text


def address_or_error(argument: str, text: str, *, username: str) -> str:
    """The email address in lower case. Raises CommandError if it isn't one, or another account has it."""
    address = text_or_error(argument, text, at_most=254).lower()
    try:
        validate_email(address)
    except ValidationError:
        raise CommandError(f"{argument}: {address!r} is not an email address.") from None
    if User.objects.filter(email__iexact=address).exclude(username=username).exists():
        raise CommandError(f"{argument}: another account has the address {address!r}.")
    return address
