"""System checks for redirect URIs, the ways to upgrade, the metrics token and throttles."""

from __future__ import annotations

from string import Formatter
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from foundation.checks import is_public_host

SHORTEST_METRICS_TOKEN = 24  # characters
THROTTLE_FLOORS = {
    "THROTTLE_READS_PER_ADDRESS": 6_000,
    "THROTTLE_READS_PER_INSTANCE": 6_000,
    "THROTTLE_POSTS_PER_USER": 1_200,
}


@register()
def check_redirect_uris(**_: Any) -> list[CheckMessage]:
    addresses = [urlsplit(uri) for uri in settings.EDITOR_REDIRECT_URIS]
    if any(a.scheme not in {"http", "https"} or not a.hostname or a.fragment for a in addresses):
        return [
            Error(
                "EDITOR_REDIRECT_URIS contains an entry that is not an absolute http or https URL.",
                hint="Separate full URLs without fragments by commas, such as https://app.your-domain/settings",
                id="venice.E001",
            )
        ]
    return []


@register(deploy=True)
def check_redirect_uris_are_safe(**_: Any) -> list[CheckMessage]:
    addresses = [urlsplit(uri) for uri in settings.EDITOR_REDIRECT_URIS]
    if any(a.scheme == "http" and is_public_host(a.hostname) for a in addresses):
        hint = "Use the editor's https URL."
        return [CheckWarning("EDITOR_REDIRECT_URIS contains a public http URL.", hint=hint, id="venice.W001")]
    return []


@register()
def check_ways_to_upgrade(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.UPGRADE_URL and not _is_upgrade_url(settings.UPGRADE_URL):
        found.append(
            Error(
                "UPGRADE_URL is not an http or https URL with at most the placeholders {workspace} and {plan}.",
                hint="Use a URL such as https://billing.your-domain/upgrade?workspace={workspace}&plan={plan}. "
                "Write other braces as %7B and %7D.",
                id="venice.E002",
            )
        )
    if settings.SUPPORT_EMAIL and not _is_email(settings.SUPPORT_EMAIL):
        found.append(
            Error(
                "SUPPORT_EMAIL is not an email address.",
                hint="Use one plain address, such as support@your-domain.",
                id="venice.E003",
            )
        )
    return found


def _is_upgrade_url(text: str) -> bool:
    """Placeholders may stand in the path, query or fragment: each is a value, and can't change where the link leads."""
    try:
        parts = urlsplit(text)
        fields = [field for _, *field in Formatter().parse(text) if field != [None, None, None]]
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and not set(parts.netloc) & set("{}")
        and not any(character.isspace() for character in text)
        and all(field in (["workspace", "", None], ["plan", "", None]) for field in fields)
    )


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


@register(deploy=True)
def check_metrics_token(**_: Any) -> list[CheckMessage]:
    if len(settings.METRICS_TOKEN) >= SHORTEST_METRICS_TOKEN:
        return []
    what = "is short" if settings.METRICS_TOKEN else "is not set: /metrics can be read from this machine only"
    return [
        CheckWarning(
            f"METRICS_TOKEN {what}.",
            hint=f"Set at least {SHORTEST_METRICS_TOKEN} random characters; monitoring sends them as bearer token.",
            id="venice.W002",
        )
    ]


@register()
def check_throttles(**_: Any) -> list[CheckMessage]:
    low = [name for name, floor in THROTTLE_FLOORS.items() if 0 < getattr(settings, name) < floor]
    return [
        CheckWarning(
            f"{name} is below {THROTTLE_FLOORS[name]}: widgets on busy pages would be refused.",
            hint="Raise it, remove it, or set 0 for no limit.",
            id="venice.W003",
        )
        for name in low
    ]


@register(deploy=True)
def check_staff_mfa(**_: Any) -> list[CheckMessage]:
    if settings.STAFF_MFA == "required":
        return []
    return [
        CheckWarning(
            "STAFF_MFA is optional: a password alone opens the admin.",
            hint="Leave it out, or set it to required. Staff are led to set up two-step sign-in.",
            id="venice.W004",
        )
    ]
