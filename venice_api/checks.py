"""System checks for redirect URIs, the metrics token and throttles."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

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
