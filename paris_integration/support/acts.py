"""What support staff do for a customer. Each act leaves its audit event, with who did it and why."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from paris_integration import clock
from paris_integration.connections import links, notices
from paris_integration.feeds import fast_copy, pauses, rate_limits, routing, schedule
from paris_integration.feeds.routing import NoRoute, Route
from paris_integration.models import Feed
from paris_integration.models.feeds import FeedQuerySet, forget_copies
from paris_integration.observing import audit
from paris_integration.observing.audit import Action
from paris_integration.quota import ledger
from paris_integration.types import Actor, FeedKey, Warning

MAX_UNITS = 100
MAX_PAUSE = clock.PAUSE_CEILING


def grant_units(key: FeedKey, units: int, *, actor: Actor, note: str) -> None:
    """Let the source be refreshed `units` times more today (UTC), and this hour. Raises ValueError."""
    if not 1 <= units <= MAX_UNITS:
        raise ValueError(f"units: must be 1 to {MAX_UNITS}")
    if not note.strip():
        raise ValueError("note: must say why")
    ledger.grant(key, units, actor=actor, note=note.strip())


def pause(key: FeedKey, *, until: datetime, actor: Actor, now: datetime, note: str) -> None:
    """Fetch nothing for the source before `until`; visitors go on seeing the posts there are. Raises ValueError.

    It is the instance's, whatever its source becomes and whoever connects. All paths respect it, its end is announced
    as a back-off's, and `clear_backoff` ends it early. What is in flight lands nowhere.
    """
    if not now < until <= now + MAX_PAUSE:
        raise ValueError(f"until: must be within {MAX_PAUSE.days} days")
    with transaction.atomic():
        pauses.begin(key.workspace_id, key.instance_id, until=until, now=now)
        Feed.objects.of_instance(key).update(
            paused_at=now,
            paused_until=until,
            next_refresh_at=schedule.next_look_at(until, now),
            fence=F("fence") + 1,
            lease_expires_at=None,
        )
        _note(Action.PAUSED, key, actor, now, f"until {until:%Y-%m-%d %H:%M} UTC: {note}")
    _publish(Feed.objects.of_instance(key))


def clear_backoff(key: FeedKey, *, actor: Actor, now: datetime, note: str = "") -> int:
    """Let the instance's feeds be refreshed at once, whatever failed before or was paused; how many were held back.

    The rate-limit window of a credential stays closed: it is shared, and `open_window` opens it.
    """
    with transaction.atomic():
        waiting = Feed.objects.of_instance(key).filter(Q(blocked_until__gt=now) | Q(paused_until__gt=now))
        held_back = list(waiting.values_list("pk", flat=True))
        Feed.objects.filter(pk__in=held_back).update(
            blocked_at=None,
            blocked_until=None,
            paused_at=None,
            paused_until=None,
            failures=0,
            next_refresh_at=now,
        )
        pauses.end(key.instance_id)
        _note(Action.BACKOFF_CLEARED, key, actor, now, note)
    _publish(Feed.objects.filter(pk__in=held_back))
    return len(held_back)


def open_window(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> bool:
    """Let calls through again with the credential that reads the instance, before the time the provider gave.

    Every feed of the credential that waits for its window may be refreshed at once, in all workspaces where it is the
    operator's own. False when the window was open, or nothing reads the instance.
    """
    route = routing.route_for(key.source, links.find_connection(key))
    if isinstance(route, NoRoute):
        was_closed, released = False, []
    else:
        was_closed = rate_limits.parked_until(route.credential, now=now) is not None
        released = list(_held_back_by_window(route, now).without_posts())
    with transaction.atomic():
        Feed.objects.filter(pk__in=[row.pk for row in released]).update(
            blocked_at=None, blocked_until=None, next_refresh_at=now
        )
        if not isinstance(route, NoRoute):
            rate_limits.open_window(route.credential)
        _note(Action.WINDOW_OPENED, key, actor, now, note)
    forget_copies(released)
    return was_closed


def _held_back_by_window(route: Route, now: datetime) -> FeedQuerySet:
    """The feeds of the route's credential that wait for its window and nothing else."""
    waiting = Feed.objects.filter(
        mode=route.mode.value, blocked_until__gt=now, fault__in=("", Warning.PROVIDER_RATE_LIMITED.value)
    )
    if route.via is None:
        return waiting
    return waiting.filter(instance_id__in=links.instances_of(route.via.connection_id))


def purge(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> int:
    """Forget all posts kept for the instance, whatever its source was; how many feeds had some.

    The next reader fills the feed afresh. What is in flight finds no row to write to.
    """
    with transaction.atomic():
        rows = Feed.objects.of_instance(key).purge()
        _note(Action.PURGED, key, actor, now, note)
    return sum(row.fetched_at is not None for row in rows)


def ask_to_reconnect(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> int:
    """Mail the workspace's editors and owners the way to reconnect the instance's account; to how many it went."""
    facts = links.find_connection(key)
    reached = notices.ask_to_reconnect(facts.connection_id, key.instance_id) if facts else 0
    _note(Action.RECONNECT_ASKED, key, actor, now, f"{reached} mails: {note}")
    return reached


def note_refresh_on_behalf(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> None:
    """Write down why staff ask for a refresh in the customer's place; the refresh itself leaves its own event."""
    _note(Action.ON_BEHALF, key, actor, now, note)


def _publish(rows: FeedQuerySet) -> None:
    for row in rows:
        fast_copy.publish(row)


def _note(action: Action, key: FeedKey, actor: Actor, at: datetime, note: str) -> None:
    audit.note_act(action, key, actor=actor, at=at, detail=note)
