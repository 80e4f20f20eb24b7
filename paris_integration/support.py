"""What support staff do for a customer: extra units, and an end to a back-off. Each act leaves its audit event."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from paris_integration import audit, feed_cache, quota
from paris_integration.audit import Action, Actor, Outcome
from paris_integration.models import Feed
from paris_integration.types import FeedKey

MAX_UNITS = 1_000


def grant_units(key: FeedKey, units: int, *, actor: Actor, note: str) -> None:
    """Let the source be refreshed `units` times more today (UTC), and this hour. Raises ValueError."""
    if not 1 <= units <= MAX_UNITS:
        raise ValueError(f"units: must be 1 to {MAX_UNITS}")
    if not note.strip():
        raise ValueError("note: must say why")
    quota.grant(key, units, actor=actor, note=note.strip())


def clear_backoff(key: FeedKey, *, actor: Actor, now: datetime, note: str = "") -> int:
    """Let the source's feeds be refreshed at once, whatever failed before; how many were held back.

    The rate-limit window of a credential stays closed: it is the provider's, and shared.
    """
    with transaction.atomic():
        rows = Feed.objects.filter(
            workspace_id=key.workspace_id,
            instance_id=key.instance_id,
            source_type=key.source.type.value,
            source_value=key.source.value,
            blocked_until__gt=now,
        )
        held_back = [row.pk for row in rows]
        Feed.objects.filter(pk__in=held_back).update(blocked_until=None, failures=0, next_refresh_at=now)
        audit.note(
            Action.BACKOFF_CLEARED,
            Outcome.DONE,
            workspace_id=key.workspace_id,
            instance_id=key.instance_id,
            actor=actor,
            at=now,
            note=note,
        )
    for row in Feed.objects.filter(pk__in=held_back):
        feed_cache.publish(row)
    return len(held_back)
