"""System checks: wrong or half-made configuration, reported at start with an id and a hint."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning


@register()
def check_public_mode(**_: Any) -> list[CheckMessage]:
    given = [bool(settings.PUBLIC_MODE_IG_USER_ID), bool(settings.PUBLIC_MODE_ACCESS_TOKEN)]
    if any(given) and not all(given):
        return [
            CheckWarning(
                "Public mode is off: only one of its two settings is given.",
                hint="Set both PUBLIC_MODE_IG_USER_ID and PUBLIC_MODE_ACCESS_TOKEN, or neither.",
                id="paris.W001",
            )
        ]
    if settings.PUBLIC_MODE_IG_USER_ID and not re.fullmatch(r"[0-9]{1,30}", settings.PUBLIC_MODE_IG_USER_ID):
        return [
            Error(
                "PUBLIC_MODE_IG_USER_ID is not an account id.",
                hint="It is the number of the professional account, beginning 17841…, not its name.",
                id="paris.E001",
            )
        ]
    return []


@register()
def check_graph_version(**_: Any) -> list[CheckMessage]:
    if re.fullmatch(r"v[0-9]{1,3}\.[0-9]", settings.META_GRAPH_VERSION):
        return []
    return [
        Error(
            "META_GRAPH_VERSION is not a Graph API version.",
            hint="It reads like v26.0.",
            id="paris.E002",
        )
    ]
