"""Explains why a widget's posts are as old as they are: a chain of causes, worst first.

`load` reads everything that decides, with a bounded number of queries. `causes_of` is a pure function of that. It
builds on the verdicts that reads and refreshes use, so that it can't say anything else than they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from entitlements.limits import changed_at, resolve
from paris_integration import clock
from paris_integration.connections import incidents
from paris_integration.connections.lifecycle import EXPIRING_WITHIN, UNREADABLE
from paris_integration.feeds import fast_copy, reading, refreshing, routing, schedule, situation
from paris_integration.feeds.routing import NoRoute, Route
from paris_integration.feeds.schedule import Age
from paris_integration.feeds.situation import LoadedSituation
from paris_integration.media import status
from paris_integration.media.status import Delay
from paris_integration.models import ConnectionLink, Feed, Incident, Pause, ProviderWindow
from paris_integration.quota import members
from paris_integration.quota.ledger import Standing
from paris_integration.types import (
    Cause,
    CauseCode,
    ConnectionState,
    FeedCondition,
    FeedKey,
    FeedView,
    Selection,
    SourceType,
    Warning,
    warning_of_fault,
)

LATE_AFTER = timedelta(minutes=5)  # as the alert DueBacklogOld
PICTURES_LATE_AFTER = timedelta(minutes=30)  # as the alert PicturesWaiting
ALL_POSTS = Selection(max_posts=10_000)

_NO_ROUTE = {
    Warning.CONNECT_REQUIRED: CauseCode.NOT_CONNECTED,
    Warning.HASHTAG_REQUIRES_CONNECT: CauseCode.FACEBOOK_LOGIN_NEEDED,
    Warning.WRONG_ACCOUNT: CauseCode.WRONG_ACCOUNT,
}
_CONNECTIONS = {
    ConnectionState.RECONNECT_REQUIRED: CauseCode.CONNECTION_REFUSED,
    ConnectionState.DEAUTHORISED: CauseCode.ACCESS_WITHDRAWN,
    ConnectionState.PERMISSION_MISSING: CauseCode.PERMISSION_MISSING,
}
_FAULTS = {
    Warning.RECONNECT_REQUIRED: CauseCode.CALL_REFUSED,
    Warning.PERMISSION_MISSING: CauseCode.CALL_REFUSED,
    Warning.SOURCE_NOT_FOUND: CauseCode.SOURCE_NOT_FOUND,
    Warning.PROVIDER_RATE_LIMITED: CauseCode.RATE_LIMITED,
    Warning.HASHTAG_QUOTA_EXHAUSTED: CauseCode.HASHTAG_QUOTA,
    Warning.PROVIDER_UNAVAILABLE: CauseCode.PROVIDER_UNAVAILABLE,
}
_WAITS = (
    CauseCode.PAUSED,
    CauseCode.INCIDENT,
    CauseCode.RATE_LIMITED,
    CauseCode.HASHTAG_QUOTA,
    CauseCode.PROVIDER_UNAVAILABLE,
    CauseCode.PROVIDER_ERROR,
)
_NOTES = (
    CauseCode.CONNECTION_ENDING,
    CauseCode.ACCOUNT_UNUSED,
    CauseCode.LINKS_EXPIRED,
    CauseCode.PARTIAL_DATA,
    CauseCode.PICTURES_FULL,
    CauseCode.PICTURES_WAITING,
)
_CONDITIONS = {
    **dict.fromkeys(CauseCode, FeedCondition.BLOCKED),
    **dict.fromkeys(_WAITS, FeedCondition.WAITING),
    **dict.fromkeys(_NOTES, FeedCondition.FRESH),
    CauseCode.TOKEN_UNREADABLE: FeedCondition.BROKEN,
    CauseCode.OPERATOR_TOKEN: FeedCondition.BROKEN,
    CauseCode.INCIDENT: FeedCondition.BROKEN,
    CauseCode.WORKER_SILENT: FeedCondition.BROKEN,
    CauseCode.WARMING: FeedCondition.WAITING,
    CauseCode.NEVER_LOADED: FeedCondition.IDLE,
    CauseCode.NOBODY_READING: FeedCondition.IDLE,
    CauseCode.REFRESHING: FeedCondition.STALE,
    CauseCode.DUE: FeedCondition.STALE,
    CauseCode.SLOWED: FeedCondition.STALE,
    CauseCode.WAITING_FOR_TTL: FeedCondition.STALE,
    CauseCode.FRESH: FeedCondition.FRESH,
}
# These stay whatever the time.
_LASTING = (
    *_NO_ROUTE.values(),
    *_CONNECTIONS.values(),
    CauseCode.PLAN_SOURCE,
    CauseCode.PLAN_CONNECTION,
    CauseCode.NO_SOURCE,
    CauseCode.INCIDENT,
)
_ORDER = {code: place for place, code in enumerate(CauseCode)}
_FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The condition of a widget's posts, and its causes, worst first: at least one.

    `view`: all posts, as `look_at_feed` returns them.
    """

    condition: FeedCondition
    causes: tuple[Cause, ...]
    view: FeedView
    plan_name: str

    @property
    def first(self) -> Cause:
        return self.causes[0]


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides about a feed, as loaded. `pause` and `window` None: none is running."""

    loaded: LoadedSituation
    view: FeedView
    standing: Standing
    plan_changed_at: datetime | None
    link: ConnectionLink | None
    incident: Incident | None
    pause: Pause | None
    window: ProviderWindow | None
    pictures: Delay

    @property
    def now(self) -> datetime:
        return self.loaded.now


def explain_instance(key: FeedKey, *, now: datetime) -> Explanation:
    """Why the instance's posts are as old as they are, as the database has it. Raises WorkspaceNotFound."""
    facts = load(key, now)
    causes = causes_of(facts)
    return Explanation(_CONDITIONS[causes[0].code], causes, facts.view, facts.loaded.limits.plan_name)


def load(key: FeedKey, now: datetime) -> Facts:
    """Everything that decides about the instance's feed. Makes at most eleven queries."""
    loaded = situation.load(key, now)
    standing = members.standing_of(loaded)
    link = None
    if loaded.connection is not None:
        link = ConnectionLink.objects.filter(pk=key.instance_id).select_related("connection").first()
    credential = loaded.route.credential if isinstance(loaded.route, Route) else ""
    return Facts(
        loaded=loaded,
        view=members.view_of(loaded, ALL_POSTS, standing),
        standing=standing,
        plan_changed_at=None if loaded.is_in_plan else _plan_changed_at(loaded),
        link=link,
        incident=refreshing.incident_of(loaded.route) if isinstance(loaded.route, Route) else None,
        pause=Pause.objects.filter(pk=key.instance_id).first() if standing.paused_until else None,
        window=ProviderWindow.objects.filter(pk=credential).first() if standing.parked_until else None,
        pictures=_pictures_of(loaded),
    )


def causes_of(facts: Facts) -> tuple[Cause, ...]:
    """The causes, worst first: what needs somebody to act, then waits, longest first, then all others. Pure."""
    found = [*_of_plan(facts), *_of_connection(facts), *_of_fault(facts), *_of_waits(facts)]
    if not any(cause.until is not None or cause.code in _LASTING for cause in found):
        age = _of_age(facts)
        # Of a failed attempt whose back-off is over, the age says why it hasn't been repeated.
        if not found or age.code is not CauseCode.FRESH:
            found.append(age)
    found += _notes(facts)
    return tuple(sorted(found, key=_place))


def _place(cause: Cause) -> tuple[int, timedelta, int]:
    """A key to sort by: the group, then the longest wait (`refresh_now` also names that one), then the code's place."""
    place = _ORDER[cause.code]
    if cause.code not in _WAITS:
        return place, timedelta(), place
    if cause.until is None:  # the wait is over: why there was no new attempt comes first
        return _ORDER[CauseCode.NOBODY_READING], timedelta.max, place
    return _ORDER[_WAITS[0]], _FAR - cause.until, place


# --- What needs somebody to act


def _of_plan(facts: Facts) -> Iterator[Cause]:
    loaded = facts.loaded
    if loaded.is_in_plan:
        return
    has_source = routing.is_source_in_plan(loaded.key.source, loaded.limits)
    code = CauseCode.PLAN_CONNECTION if has_source else CauseCode.PLAN_SOURCE
    grants = loaded.ladder.own
    ends = sorted(o.ends_at for o in grants.overrides if o.ends_at is not None)
    ended = [at for at in ends if at <= facts.now]
    opens = (
        at
        for at in ends
        if at > facts.now and routing.is_in_plan(loaded.key.source, loaded.route, resolve(grants, at))
    )
    since = max((at for at in (facts.plan_changed_at, *ended) if at is not None), default=None)
    yield _cause(facts, code, since, next(opens, None))


def _of_connection(facts: Facts) -> Iterator[Cause]:
    loaded, link = facts.loaded, facts.link
    if isinstance(loaded.route, NoRoute):
        if not loaded.is_in_plan:  # the plan's restriction hides the warning of a missing route
            return
        code = CauseCode.NO_SOURCE if not loaded.key.source.value else _NO_ROUTE[loaded.route.warning]
        yield _cause(facts, code, link.linked_at if link else None)
    elif not loaded.route.is_open and loaded.route.via is not None:
        since = link.connection.state_changed_at if link else None
        yield _cause(facts, _CONNECTIONS[loaded.route.via.state], since)


# --- Faults and waits


def _of_fault(facts: Facts) -> Iterator[Cause]:
    """Why the last attempt failed, until the next one is allowed."""
    row, route = facts.loaded.row, facts.loaded.route
    if row is None or not row.fault or not isinstance(route, Route):
        return
    warning = warning_of_fault(row.fault)
    code = _FAULTS.get(warning, CauseCode.PROVIDER_ERROR)
    if code is CauseCode.CALL_REFUSED:
        if not route.is_open:
            return  # the connection's state says the same
        if row.fault_detail.startswith(UNREADABLE):
            code = CauseCode.TOKEN_UNREADABLE
    elif code is CauseCode.PROVIDER_ERROR and row.fault_detail.startswith(refreshing.OPERATOR_FAULT):
        code = CauseCode.OPERATOR_TOKEN
    elif code is CauseCode.PROVIDER_UNAVAILABLE and facts.incident is not None:
        return  # the incident is the cause
    elif code is CauseCode.RATE_LIMITED and facts.standing.parked_until is not None:
        return  # the credential's own wait says the same
    yield _cause(facts, code, row.backoff_set_at, _blocked_until(facts))


def _of_waits(facts: Facts) -> Iterator[Cause]:
    """Waits for other reasons than the feed's own last attempt."""
    loaded, standing, now = facts.loaded, facts.standing, facts.now
    row = loaded.row
    if standing.paused_until is not None:
        ordered_at = facts.pause.ordered_at if facts.pause else None
        yield _cause(facts, CauseCode.PAUSED, ordered_at, standing.paused_until)
    if facts.incident is not None and isinstance(loaded.route, Route) and loaded.route.is_open:
        probe_at = now + incidents.until_probe(facts.incident, at=standing.book.at)
        until = max((at for at in (_blocked_until(facts), probe_at) if at is not None), default=None)
        yield _cause(facts, CauseCode.INCIDENT, facts.incident.began_at, until)
    blocked_until = _blocked_until(facts)
    is_limited = row is not None and row.fault in ("", Warning.PROVIDER_RATE_LIMITED.value)
    waits = [standing.parked_until, blocked_until if is_limited else None]
    until = max((at for at in waits if at is not None), default=None)
    # A row's own rate limit without a wait of the credential is in `_of_fault`.
    if until is not None and (standing.parked_until is not None or not (row and row.fault)):
        since = facts.window.parked_at if facts.window else row.backoff_set_at if row else None
        yield _cause(facts, CauseCode.RATE_LIMITED, since, until)


# --- The age of the posts


def _of_age(facts: Facts) -> Cause:
    """What the age of the posts means while nothing forbids a refresh."""
    loaded, now = facts.loaded, facts.now
    row, state = loaded.row, loaded.state_at(now)
    if row is None:
        return _cause(facts, CauseCode.NEVER_LOADED)
    verdict = schedule.classify(state, loaded.limits, now)
    if state.fetched_at is None and not row.fault:
        return _cause(facts, CauseCode.WARMING, row.last_read_at or row.created_at)
    if state.fetched_at is not None and verdict.age is Age.FRESH:
        stale_at = state.fetched_at + schedule.stale_after(loaded.limits)
        return _cause(facts, CauseCode.FRESH, state.fetched_at, stale_at)
    if state.fetched_at is not None and verdict.refresh_allowed_at is not None:
        is_slowed = state.slowed_until is not None and state.slowed_until > now
        code = CauseCode.SLOWED if is_slowed else CauseCode.WAITING_FOR_TTL
        since = state.fetched_at + schedule.stale_after(loaded.limits)
        return _cause(facts, code, since, verdict.refresh_allowed_at)
    if row.is_in_flight:
        lease_ends_at = row.lease_expires_at
        began_at = lease_ends_at - refreshing.lease_lasts() if lease_ends_at is not None else None
        return _cause(facts, CauseCode.REFRESHING, began_at)
    if not _is_active(row, now):
        return _cause(facts, CauseCode.NOBODY_READING, _inactive_since(row))
    due_since = _due_since(facts, row)
    is_watched = row.next_refresh_at is not None and not _is_scheduled(row, now)
    if is_watched and now - due_since > LATE_AFTER:
        return _cause(facts, CauseCode.WORKER_SILENT, due_since)
    return _cause(facts, CauseCode.DUE, due_since, row.next_refresh_at if _is_scheduled(row, now) else None)


def _due_since(facts: Facts, row: Feed) -> datetime:
    """Since when a worker should have refreshed the feed.

    Not before the last read, because unread feeds aren't refreshed, nor before the last change of the connection.
    """
    now = facts.now
    times = [
        schedule.next_refresh_at(row.state_at(now), facts.loaded.limits, now),
        row.attempted_at,
        row.last_read_at,
        # Set to the time of the change when a plan or a connection changes. Later times are beat's claims.
        row.next_refresh_at,
        facts.link.connection.state_changed_at if facts.link else None,
    ]
    return max((at for at in times if at is not None and at <= now), default=now)


def _is_scheduled(row: Feed, now: datetime) -> bool:
    """Whether beat checks the feed only later, as planned. A claim ends within a minute, so it isn't a plan."""
    latest = (
        now + schedule.LOOK_AT_LEAST_EVERY + clock.CLOCK_TOLERANCE
    )  # later: by a wrong clock, and due now
    at = row.next_refresh_at
    return at is not None and now + refreshing.CLAIM_LASTS < at <= latest


def _is_active(row: Feed, now: datetime) -> bool:
    """Whether beat refreshes the feed, as `refreshing.claim_due` decides."""
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    return row.last_read_at is not None and active_since <= row.last_read_at <= now + clock.CLOCK_TOLERANCE


def _inactive_since(row: Feed) -> datetime:
    if row.last_read_at is None:
        return row.created_at
    days = timedelta(days=settings.ACTIVE_FEED_DAYS)
    return min(row.last_read_at, _FAR - days) + days


# --- Beside the age


def _notes(facts: Facts) -> Iterator[Cause]:
    loaded, now, link = facts.loaded, facts.now, facts.link
    row, copy, connection = loaded.row, loaded.copy, loaded.connection
    if Warning.TOKEN_EXPIRING in facts.view.warnings and connection and connection.expires_at:
        began = max(connection.expires_at, datetime.min.replace(tzinfo=UTC) + EXPIRING_WITHIN)
        yield _cause(facts, CauseCode.CONNECTION_ENDING, began - EXPIRING_WITHIN, connection.expires_at)
    if isinstance(loaded.route, Route) and Warning.WRONG_ACCOUNT in loaded.route.warnings:
        yield _cause(facts, CauseCode.ACCOUNT_UNUSED, link.linked_at if link else None)
    if row is None or copy is None:
        return
    if Warning.MEDIA_LINKS_EXPIRED in facts.view.warnings and copy.fetched_at is not None:
        posts = fast_copy.decode_posts(copy.posts_encoded)
        yield _cause(facts, CauseCode.LINKS_EXPIRED, reading.links_expire_at(posts, copy.fetched_at))
    if Warning.PARTIAL_DATA in facts.view.warnings:
        yield _cause(facts, CauseCode.PARTIAL_DATA, row.attempted_at)
    if facts.pictures.full_since is not None:
        yield _cause(facts, CauseCode.PICTURES_FULL, facts.pictures.full_since)
    waiting_since = facts.pictures.waiting_since
    if waiting_since is not None and now - waiting_since > PICTURES_LATE_AFTER:
        yield _cause(facts, CauseCode.PICTURES_WAITING, waiting_since)


# --- Helpers


def _cause(
    facts: Facts, code: CauseCode, since: datetime | None = None, until: datetime | None = None
) -> Cause:
    """A cause with times that make sense: it began in the past, and ends in the future."""
    now = facts.now
    return Cause(
        code,
        since=now if since is None else min(since, now),
        until=schedule.whole_second(until) if until is not None and now < until < _FAR else None,
    )


def _blocked_until(facts: Facts) -> datetime | None:
    """The end of the feed's back-off, limited to its ceiling; None if it has passed."""
    until = facts.loaded.state_at(facts.now).blocked_until
    return until if until is not None and until > facts.now else None


def _plan_changed_at(loaded: LoadedSituation) -> datetime | None:
    is_tag = loaded.key.source.type is SourceType.HASHTAG
    has_source = routing.is_source_in_plan(loaded.key.source, loaded.limits)
    field = "oauth_enabled" if has_source else "hashtag_enabled" if is_tag else "profile_enabled"
    return changed_at(loaded.key.workspace_id, loaded.ladder.own, [field])


def _pictures_of(loaded: LoadedSituation) -> Delay:
    is_copied = loaded.row is not None and loaded.limits.copies_enabled
    return status.delay_of(loaded.row.pk) if is_copied and loaded.row is not None else Delay()
