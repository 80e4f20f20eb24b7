"""Refreshes a feed: calls the provider, normalises the answer and writes the row. Every attempt updates the row.

Whether a refresh is due is decided here, from the row and the current limits, whatever the caller or message says.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from entitlements.limits import Limits, WorkspaceNotFound
from foundation import logs
from foundation.prepared import Prepared
from paris_integration import clock, registry
from paris_integration.connections import health, incidents
from paris_integration.errors import PermissionMissing, ProviderError, RateLimited, TokenRejected
from paris_integration.feeds import fast_copy, lease, pictures, rate_limits, routing, schedule, situation
from paris_integration.feeds.dispatch import dispatcher
from paris_integration.feeds.routing import Call, Route
from paris_integration.feeds.situation import Situation
from paris_integration.models import Feed, Incident
from paris_integration.models.feeds import forget_copies
from paris_integration.observing import metrics
from paris_integration.providers import normalize
from paris_integration.providers.base import RawFeed
from paris_integration.providers.deadlines import Deadline
from paris_integration.types import Dataset, FeedKey, FeedState, Mode, Warning

logger = logging.getLogger(__name__)

CLAIM_LASTS = timedelta(seconds=60)  # a feed whose message got lost is due again after this
FORGOTTEN_AT_ONCE = 1_000
IN_DOUBT_MARGIN = timedelta(seconds=5)
OPERATOR_FAULT = "operator credentials"  # begins the detail of a fault that only the operator can mend
LEASE_MARGIN = timedelta(seconds=10)  # beyond the provider's deadline: normalising and one write


_feeds: Prepared[Feed] = Prepared(lambda pk: Feed.objects.with_orders().filter(pk=pk), pk=UUID)


class Result(StrEnum):
    """How a call of `refresh_feed` ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the provider refused or failed; the back-off is on the row
    NOT_DUE = "not_due"  # the TTL or back-off has not elapsed
    HELD = "held"  # another refresh is running, or has just ended
    NOT_ALLOWED = "not_allowed"  # the plan or missing credentials don't allow a call
    FENCED = "fenced"  # a later refresh had begun, or the feed was deleted: the result was discarded
    GONE = "gone"  # no such feed


class Kind(StrEnum):
    """What a refresh is for."""

    AUTOMATIC = "automatic"
    COLD = "cold"  # the first read
    PREVIEW = "preview"  # an editor previews an unsaved source
    FORCED = "forced"


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    result: Result
    fault: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """No call before `until`; `why` is the warning for readers."""

    until: datetime
    why: Warning


OnLanding = Callable[[RefreshOutcome], object]


@dataclass(frozen=True, slots=True)
class Flight:
    """One refresh with its lease. `on_landing` is called inside the transaction that writes the result."""

    row: Feed
    held: lease.Lease
    route: Route
    limits: Limits
    now: datetime
    kind: Kind
    on_landing: OnLanding | None = None


def refresh_feed(feed_id: UUID, *, now: datetime) -> RefreshOutcome:
    """Refresh the feed if it is due and no other refresh is running. Expected outcomes are returned, not raised."""
    row = _feeds.first(pk=feed_id)
    if row is None:
        return RefreshOutcome(Result.GONE)
    with logs.bound(workspace=str(row.workspace_id), instance=row.instance_id):
        try:
            found = situation.load_for(row, now)
        except WorkspaceNotFound:
            return RefreshOutcome(Result.GONE)
        return refresh(row, found, kind=Kind.AUTOMATIC)


def refresh(row: Feed, found: Situation, *, kind: Kind) -> RefreshOutcome:
    """As `refresh_feed`, for a feed whose situation has just been loaded."""
    now, route = found.now, found.open_route
    if route is None:
        _look_again(row, at=None, now=now)
        return RefreshOutcome(Result.NOT_ALLOWED)
    allowed_at = schedule.classify(row.state_at(now), found.limits, now).refresh_allowed_at
    if allowed_at is not None:
        _look_again(row, at=allowed_at, now=now)
        return RefreshOutcome(Result.NOT_DUE)
    hold = hold_of(route, now)
    if hold is not None:
        hold_back(row, hold, now=now)
        return RefreshOutcome(Result.NOT_DUE)
    held = lease.acquire(row.pk, seen_fence=row.fence, lasts=lease_lasts())
    if held is None:
        return RefreshOutcome(Result.HELD)
    return fly(Flight(row, held, route, found.limits, now, kind))


def claim_due(*, now: datetime, limit: int) -> list[UUID]:
    """Claim up to `limit` feeds that are due and were read within ACTIVE_FEED_DAYS, for a minute."""
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    active = Feed.objects.filter(
        last_read_at__gte=active_since, last_read_at__lte=now + clock.CLOCK_TOLERANCE
    ).order_by("next_refresh_at")
    if connection.features.has_select_for_update_skip_locked:
        active = active.select_for_update(skip_locked=True)
    # A time further ahead than beat ever schedules was written by a wrong clock: such feeds are due as well.
    far_ahead = now + schedule.LOOK_AT_LEAST_EVERY + clock.CLOCK_TOLERANCE
    with transaction.atomic():
        # Two queries, each a range of the index. One query with OR would read the whole index.
        due = list(active.filter(next_refresh_at__lte=now).values_list("pk", "next_refresh_at")[:limit])
        ids = [pk for pk, _ in due]
        ids += active.filter(next_refresh_at__gt=far_ahead).values_list("pk", flat=True)[: limit - len(ids)]
        Feed.objects.filter(pk__in=ids).update(next_refresh_at=now + CLAIM_LASTS)
        _forget_unread(now, passed=due[-1][1] if len(due) == limit else now)
    return ids


def _forget_unread(now: datetime, *, passed: datetime | None) -> None:
    """Stop checking feeds that nobody reads any more, so that the next claims needn't pass over them.

    `passed`: how far the claim came. The next read of such a feed schedules it again.
    """
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    unread = Q(last_read_at__lt=active_since) | Q(last_read_at__isnull=True)
    unread |= Q(last_read_at__gt=now + clock.CLOCK_TOLERANCE)
    rows = Feed.objects.filter(unread, next_refresh_at__lte=passed).order_by("next_refresh_at")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    ids = list(rows.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    # A process whose clock is wrong must not take the feeds of others for unread.
    if ids and abs(clock.database_now() - now) <= clock.CLOCK_TOLERANCE:
        Feed.objects.filter(pk__in=ids).update(next_refresh_at=None)


def retire_other_sources(key: FeedKey) -> None:
    """Stop background refreshes of the instance's feeds for sources other than `key.source`."""
    # The rows keep their posts and times. Deleting them would let an editor skip the TTL by switching back and forth.
    others = Feed.objects.of_instance(key).exclude(
        source_type=key.source.type.value, source_value=key.source.value
    )
    rows = list(others.filter(last_read_at__isnull=False))
    others.update(last_read_at=None, next_refresh_at=None)
    forget_copies(rows)


def fly(flight: Flight) -> RefreshOutcome:
    """Call the provider and write the result in one fenced write, with `on_landing` in the same transaction."""
    ended = "crashed"  # unless the call below returns
    try:
        outcome = _fly(flight)
        ended = outcome.result.value
        return outcome
    finally:
        metrics.count_attempt(flight.row.workspace_id, flight.kind.value, ended)


def _fly(flight: Flight) -> RefreshOutcome:
    # Of all calls together: the lease lasts little longer.
    deadline = Deadline(settings.PROVIDER_TIMEOUT_SECONDS)
    try:
        request = routing.request_for(flight.route, flight.row.key.source, now=flight.now, deadline=deadline)
        raw = registry.provider().fetch(request, max_posts=settings.FEED_FETCH_POSTS, deadline=deadline)
        dataset = normalize.dataset(
            raw,
            fetched_at=flight.now,
            max_posts=settings.FEED_FETCH_POSTS,
            plain_http_hosts=settings.MEDIA_HOSTS,
        )
    except ProviderError as fault:
        _count(fault, flight)
        return _land_failure(flight, _check_credential(fault, flight.route))
    except BaseException:
        # A bug, or the process is stopping: release the lease so that others need not wait for it to run out.
        lease.write(flight.held, attempted_at=flight.now)
        raise
    if flight.route.via is not None:
        health.after_success(flight.route.via, is_own_account=_reads_own_account(flight.route))
    if raw.later_page_error is not None:
        _count(raw.later_page_error, flight)
    if raw.later_page_error is not None and _would_lose_posts(flight.row, dataset):
        return _land_partial(flight, raw.later_page_error)
    return _land_success(flight, raw, dataset)


def _land_success(flight: Flight, raw: RawFeed, dataset: Dataset) -> RefreshOutcome:
    now, credential = flight.now, flight.route.credential
    # Before the row is written, so that it already announces a wait that this answer's headers ask for.
    closed_until = rate_limits.note_success(credential, raw.usage, now=now)
    if isinstance(raw.later_page_error, RateLimited):
        _park(flight.route, raw.later_page_error, now)
        closed_until = rate_limits.parked_until(credential, now=now)
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    state = FeedState(
        fetched_at=now,
        blocked_until=closed_until,
        jitter=jitter,
        slowed_until=schedule.slowed_until(raw.usage.percent, raw.usage.regain_minutes, flight.limits, now),
    )
    warnings = dataset.warnings | ({Warning.HASHTAG_RECENT_ONLY} if raw.is_recent_only else set())
    posts_encoded = fast_copy.encode_posts(dataset.posts)
    pictures_due_at = _pictures_due_at(flight, posts_encoded, dataset)
    outcome = _land(
        flight,
        RefreshOutcome(Result.SUCCEEDED),
        posts_encoded=posts_encoded,
        pictures_due_at=pictures_due_at,
        profile=dataset.profile,
        data_warnings=sorted(warning.value for warning in warnings),
        fetched_at=now,
        jitter=jitter,
        next_refresh_at=schedule.next_look_at(schedule.next_refresh_at(state, flight.limits, now), now),
        attempted_at=now,
        outcome=Feed.Outcome.SUCCEEDED,
        fault="",
        fault_detail="",
        failures=0,
        blocked_at=now if closed_until is not None else None,
        blocked_until=closed_until,
        slowed_until=state.slowed_until,
    )
    is_waited_for = flight.kind in (Kind.COLD, Kind.FORCED)  # beat finds the others within seconds
    if is_waited_for and pictures_due_at is not None and outcome.result is Result.SUCCEEDED:
        dispatcher.request_copies(flight.row.pk)
    return outcome


def _pictures_due_at(flight: Flight, posts_encoded: str, dataset: Dataset) -> datetime | None:
    """When the worker should copy the feed's pictures: now, or None if exactly those within reach have copies."""
    row, wanted = flight.row, []
    if settings.MEDIA_COPIES and flight.limits.copies_enabled:
        reach = pictures.stored_reach(row.pictures_reach)
        wanted = pictures.wanted_pictures(fast_copy.decode_posts(posts_encoded), dataset.profile, reach)
    is_done = pictures.are_copied(wanted, pictures.decode_copies(row.copies))
    return None if is_done else flight.now


def _land_failure(flight: Flight, fault: ProviderError, **also_written: Any) -> RefreshOutcome:
    row, now, warning = flight.row, flight.now, fault.warning
    failures = row.failures + 1
    if isinstance(fault, RateLimited):
        blocked_until = _park(flight.route, fault, now)
    else:
        share = random.random()  # noqa: S311 - spreads load, guards nothing
        blocked_until = now + timedelta(seconds=schedule.backoff_seconds(fault, failures, share))
    closed_until = rate_limits.parked_until(flight.route.credential, now=now)
    if closed_until is not None and closed_until > blocked_until:
        # Another feed with this credential was throttled meanwhile, so this one waits for that, too.
        blocked_until = closed_until
        # A wait stored with a transient fault counts for an hour at most (`clock`), this one may be longer.
        if warning.value in clock.TRANSIENT_FAULTS:
            warning = Warning.PROVIDER_RATE_LIMITED
    # A plain ProviderError is an error that the fault table doesn't list: someone has to look at it.
    log = logger.warning if type(fault) is not ProviderError else logger.error
    log("refresh failed: %s", fault, extra={"fields": {"feed": str(row.pk), "warning": fault.warning.value}})
    return _land(
        flight,
        RefreshOutcome(Result.FAILED, fault),
        attempted_at=now,
        outcome=Feed.Outcome.FAILED,
        fault=warning.value,
        fault_detail=str(fault)[:200],
        failures=failures,
        blocked_at=now,
        blocked_until=blocked_until,
        next_refresh_at=blocked_until,
        **also_written,
    )


def _land_partial(flight: Flight, fault: ProviderError) -> RefreshOutcome:
    """Keep the existing posts, with a warning: only the first pages came, and they hold fewer posts."""
    warnings = sorted({*flight.row.data_warnings, Warning.PARTIAL_DATA.value})
    return _land_failure(flight, fault, data_warnings=warnings)


def _land(flight: Flight, landed: RefreshOutcome, /, **values: Any) -> RefreshOutcome:
    if flight.on_landing is None:
        if not lease.write(flight.held, **values):
            landed = RefreshOutcome(Result.FENCED, landed.fault)
    else:
        # One transaction: `on_landing` settles the ledger line, and the charge must match what was written.
        with transaction.atomic():
            if not lease.write(flight.held, **values):
                landed = RefreshOutcome(Result.FENCED, landed.fault)
            flight.on_landing(landed)
    if landed.result is not Result.FENCED:
        _adopt(flight.row, fence=flight.held.fence + 1, lease_expires_at=None, **values)
        fast_copy.publish(flight.row)
    return landed


def _adopt(row: Feed, /, **values: Any) -> None:
    """Set the attributes of the row in memory to the values just written."""
    for name, value in values.items():
        setattr(row, name, value)


def _would_lose_posts(row: Feed, dataset: Dataset) -> bool:
    return row.fetched_at is not None and len(fast_copy.decode_posts(row.posts_encoded)) > len(dataset.posts)


def _park(route: Route, fault: RateLimited, now: datetime) -> datetime:
    """Stop calls with the credential for as long as the provider asks. Returns the end of the wait."""
    throttles = rate_limits.throttles(route.credential) + 1
    share = random.random()  # noqa: S311 - spreads load, guards nothing
    until = now + timedelta(seconds=schedule.backoff_seconds(fault, throttles, share))
    rate_limits.park(route.credential, until=until, now=now)
    return until


def _count(fault: ProviderError, flight: Flight) -> None:
    metrics.count_provider_error(
        flight.row.workspace_id, fault, of_operator=_is_operators(fault, flight.route)
    )


def _check_credential(fault: ProviderError, route: Route) -> ProviderError:
    """Update the state of the credential after a failed call. Returns the fault to store on the feed."""
    if route.via is None:
        return _without_operator_fault(fault, route)
    return health.after_fault(route.via, fault, is_own_account=_reads_own_account(route))


def _reads_own_account(route: Route) -> bool:
    return route.call is Call.OWN_MEDIA


def _is_operators(fault: ProviderError, route: Route) -> bool:
    return route.mode is Mode.PUBLIC and isinstance(fault, TokenRejected | PermissionMissing)


def _without_operator_fault(fault: ProviderError, route: Route) -> ProviderError:
    """Replace a refusal of the operator's token by a plain ProviderError: the widget's owner can't reconnect it."""
    if _is_operators(fault, route):
        logger.error("the operator's public-mode credentials were refused: %s", fault)
        return ProviderError(
            f"{OPERATOR_FAULT}: {type(fault).__name__}",
            code=fault.code,
            subcode=fault.subcode,
            status=fault.status,
            trace_id=fault.trace_id,
        )
    return fault


def _look_again(row: Feed, *, at: datetime | None, now: datetime) -> None:
    """Correct the feed's next scheduled check, and update its cached copy."""
    look_at = schedule.next_look_at(at, now)
    if row.next_refresh_at != look_at:
        Feed.objects.filter(pk=row.pk, fence=row.fence).update(next_refresh_at=look_at)
    fast_copy.publish(row)


def hold_of(route: Route, now: datetime) -> Hold | None:
    """Why this route can't be called now (throttled credential or incident of its login), or None."""
    parked_until = rate_limits.parked_until(route.credential, now=now)
    if parked_until is not None:
        return Hold(parked_until, Warning.PROVIDER_RATE_LIMITED)
    return incident_hold(route, now)


def incident_hold(route: Route, now: datetime) -> Hold | None:
    """The hold by an incident of the route's login, or None."""
    incident = incident_of(route)
    until = incidents.held_until(incident, now=now) if incident is not None else None
    return Hold(until, Warning.PROVIDER_UNAVAILABLE) if until is not None else None


def incident_of(route: Route) -> Incident | None:
    """The open incident because of which this route isn't called, or None."""
    return incidents.incident_of(route.login, route.via.connection_id if route.via is not None else None)


def hold_back(row: Feed, hold: Hold, *, now: datetime) -> None:
    """Put the feed on hold, with a warning for its readers."""
    values = {
        "blocked_at": now,
        "blocked_until": hold.until,
        "next_refresh_at": hold.until,
        "fault": hold.why.value,
    }
    if Feed.objects.filter(pk=row.pk, fence=row.fence).update(**values):
        _adopt(row, **values)
        fast_copy.publish(row)


def lease_lasts() -> timedelta:
    """Longer than any refresh: an expired lease belongs to a process that died or hangs."""
    return timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) + LEASE_MARGIN


def dead_after() -> timedelta:
    """A refresh that began longer ago than this has lost its lease and can't write any more."""
    return lease_lasts() + IN_DOUBT_MARGIN
