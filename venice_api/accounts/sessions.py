"""Sessions that ended, and the address and browser that belong to them, are deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef

from foundation.batches import delete_in_batches

SIGN_IN_LASTS = timedelta(hours=1)  # a sign-in that is under way may not have stored its session yet


def remove_ended(*, now: datetime) -> int:
    """Delete expired sessions, and what is kept of people whose session expired or was ended. Returns how many rows."""
    expired = Session.objects.filter(expire_date__lt=now)
    its_session = Session.objects.filter(pk=OuterRef("session_key"))
    ended = UserSession.objects.filter(~Exists(its_session), created_at__lt=now - SIGN_IN_LASTS)
    return delete_in_batches(expired) + delete_in_batches(ended)
