"""How many mails members may have sent to addresses they choose: per address, and per workspace for all addresses."""

from __future__ import annotations

from uuid import UUID

from allauth.core.internal import ratelimit
from django.http import HttpRequest

MAIL_LIMITS = {"address": "3/h/key", "workspace": "60/h/key"}
ENOUGH_MAILS = "We've sent enough mails for now. Try again in an hour."


def may_mail(request: HttpRequest, kind: str, *, workspace_id: UUID, email: str) -> bool:
    """Whether one more mail of this kind may be sent. Counts it."""
    keys = {"address": email, "workspace": str(workspace_id)}
    return all(
        ratelimit.consume(request, app=kind, action=name, config=MAIL_LIMITS, key=key)
        for name, key in keys.items()
    )
