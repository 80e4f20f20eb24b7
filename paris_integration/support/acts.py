"""The actions of support staff. Each writes an audit event with its author and reason."""

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
    """Allow `units` more forced refreshes of the source today (UTC) and this hour. Raises ValueError."""
    if not 1 <= units <= MAX_UNITS:
        raise ValueError(f"units: must be 1 to {MAX_UNITS}")
    if not note.strip():
        raise ValueError("note: must give a reason")
    ledger.grant(key, units, actor=actor, note=note.strip())


def pause(key: FeedKey, *, until: datetime, actor: Actor, now: datetime, note: str) -> None:
    """Fetch nothing for the instance before `until`; visitors still see the cached posts. Raises ValueError.

    The pause stays when the source or connection changes. `clear_backoff` ends it early.
    """
    if not now < until <= now + MAX_PAUSE:
        raise ValueError(f"until: must be within {MAX_PAUSE.days} days")
    with transaction.atomic():
        pauses.begin(key.workspace_id, key.instance_id, until=until, now=now)
        Feed.objects.of_instance(key).update(
            paused_at=now,
            paused_until=until,
            next_refresh_at=schedule.next_look_at(until, now),
            fence=F("fence") + 1,  # discards the result of a refresh that is running
            lease_expires_at=None,
        )
        _note(Action.PAUSED, key, actor, now, f"until {until:%Y-%m-%d %H:%M} UTC: {note}")
    _publish(Feed.objects.of_instance(key))


def clear_backoff(key: FeedKey, *, actor: Actor, now: datetime, note: str = "") -> int:
    """End the instance's back-off and pause, so that its feeds refresh at once. Returns how many were waiting.

    A throttled credential stays throttled, because other feeds share it: see `open_window`.
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
    """Allow calls with the instance's credential before the time that the provider gave.

    All feeds that wait for this credential may refresh at once; for the operator's credential, in all workspaces.
    False if the credential wasn't throttled, or the instance has none.
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
    forget_copies(released)  # the cached copies still announce the wait
    return was_closed


def _held_back_by_window(route: Route, now: datetime) -> FeedQuerySet:
    """The feeds that wait only for the rate limit of the route's credential."""
    waiting = Feed.objects.filter(
        mode=route.mode.value,
        blocked_until__gt=now,
        # "": a successful refresh whose usage headers asked for the wait.
        fault__in=("", Warning.PROVIDER_RATE_LIMITED.value),
    )
    if route.via is None:
        return waiting
    return waiting.filter(instance_id__in=links.instances_of(route.via.connection_id))


def purge(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> int:
    """Delete all cached posts of the instance, whatever its source. Returns how many feeds had some.

    The next read fetches the feed again. A running refresh has no row left to write to.
    """
    with transaction.atomic():
        rows = Feed.objects.of_instance(key).purge()
        _note(Action.PURGED, key, actor, now, note)
    return sum(row.fetched_at is not None for row in rows)


def ask_to_reconnect(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> int:
    """Mail the reconnect link to the workspace's editors and owners. Returns the number of recipients."""
    facts = links.find_connection(key)
    reached = notices.ask_to_reconnect(facts.connection_id, key.instance_id) if facts else 0
    _note(Action.RECONNECT_ASKED, key, actor, now, f"{reached} mails: {note}")
    return reached


def note_refresh_on_behalf(key: FeedKey, *, actor: Actor, now: datetime, note: str) -> None:
    """Record why staff request a refresh for a customer. The refresh writes its own event."""
    _note(Action.ON_BEHALF, key, actor, now, note)


def _publish(rows: FeedQuerySet) -> None:
    for row in rows:
        fast_copy.publish(row)


def _note(action: Action, key: FeedKey, actor: Actor, at: datetime, note: str) -> None:
    audit.note_act(action, key, actor=actor, at=at, detail=note)
