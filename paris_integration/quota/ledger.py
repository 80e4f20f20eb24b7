"""Charges the units of forced refreshes, settles each once, and returns a unit to the windows it was charged to.

The windows' rows are locked before the clock is read and the plan's limits are compared. So a charge that waited for
the lock across midnight counts for the new day, and concurrent charges can't exceed the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject, TruncDay, TruncHour

from entitlements.limits import WorkspaceNotFound, fresh_grants_for, resolve
from entitlements.models import Workspace
from paris_integration import clock
from paris_integration.clock import CLOCK_TOLERANCE
from paris_integration.errors import RefreshRefused, StoreUnavailable
from paris_integration.feeds.lease import Lease
from paris_integration.models import ForcedRefresh, Pause, ProviderWindow, QuotaWindow
from paris_integration.observing import audit
from paris_integration.observing.audit import Action, Outcome
from paris_integration.quota import allowance, receipts
from paris_integration.quota.allowance import Book, Tally, WindowKind
from paris_integration.quota.receipts import Repeatable
from paris_integration.types import Actor, FeedKey, FeedState

State = ForcedRefresh.State


@dataclass(frozen=True, slots=True)
class Standing:
    """The units used, and the waits that apply in addition to the feed's back-off."""

    book: Book
    paused_until: datetime | None  # a pause that staff ordered
    parked_until: datetime | None  # the rate limit of the credential that reads the source


def read_standing(key: FeedKey, *, credential: str | None, now: datetime) -> Standing:
    """The standing of a source, by the database's clock. Makes one query. Raises WorkspaceNotFound."""
    at = clock.moment()
    windows = QuotaWindow.objects.filter(**key.columns)
    tally = JSONObject(used="used", granted="granted")
    day = windows.filter(kind=WindowKind.DAY.value, starts_at=TruncDay(at, tzinfo=UTC))
    hour = windows.filter(kind=WindowKind.HOUR.value, starts_at=TruncHour(at, tzinfo=UTC))
    pause = Pause.objects.filter(pk=key.instance_id)
    window = ProviderWindow.objects.filter(pk=credential or "")
    # Starts from the workspace, as all other rows may be missing.
    found = (
        Workspace.objects.filter(pk=key.workspace_id)
        .order_by()
        .values_list(
            ExpressionWrapper(at, DateTimeField()),
            Subquery(day.values_list(tally)),
            Subquery(hour.values_list(tally)),
            Subquery(pause.values("ordered_at")),
            Subquery(pause.values("until")),
            Subquery(window.values("parked_at")),
            Subquery(window.values("parked_until")),
        )
        .first()
    )
    if found is None:
        raise WorkspaceNotFound(str(key.workspace_id))
    read_at, of_day, of_hour, ordered_at, pause_until, parked_at, parked_until = found
    return Standing(
        book=Book(read_at, Tally(**(of_day or {})), Tally(**(of_hour or {}))),
        paused_until=_if_ahead(pause_until, ordered_at, clock.PAUSE_CEILING, now),
        parked_until=_if_ahead(parked_until, parked_at, clock.LONG_CEILING, now),
    )


def _if_ahead(
    until: datetime | None, set_at: datetime | None, ceiling: timedelta, now: datetime
) -> datetime | None:
    counted = clock.counted_until(until, set_at=set_at, ceiling=ceiling, now=now)
    return counted if counted is not None and counted > now else None


def reserve(
    key: FeedKey,
    state: FeedState,
    held: Lease,
    *,
    seen_at: datetime,
    actor: Actor,
    idempotency_key: str | None,
) -> ForcedRefresh | None:
    """Charge one unit for the flight `held` and open its ledger line. Returns None when the refresh costs nothing.

    `seen_at`: when the caller looked, by the database's clock. The decision is made again under the lock. Call this in
    the transaction that took the lease, and roll that back if it raises RefreshRefused.
    """
    book = _hold_book(key, seen_at)
    limits = resolve(fresh_grants_for(key.workspace_id), book.at)
    decision = allowance.decide(key.source, state, limits, book)
    if decision.reason is not None:
        raise RefreshRefused(decision.reason)
    if not decision.costs_unit:
        return None
    # The rows are locked, so this always matches. It guards databases that lock no rows, such as SQLite.
    unchanged = Q(kind=WindowKind.DAY.value, used=book.day.used) | Q(
        kind=WindowKind.HOUR.value, used=book.hour.used
    )
    if _windows(key, book.at).filter(unchanged).update(used=F("used") + 1) != len(WindowKind):
        raise StoreUnavailable("another charge came first")
    line = line_of(key, held, actor=actor, at=book.at)
    line.save(force_insert=True)
    if idempotency_key is not None and actor.user_id is not None:
        request = Repeatable(actor.user_id, key.instance_id, idempotency_key)
        receipts.open_for(request, line, now=book.at)
    return line


def line_of(key: FeedKey, held: Lease, *, actor: Actor, at: datetime) -> ForcedRefresh:
    """The ledger line, not saved, of a unit charged at this time for the flight `held`."""
    return ForcedRefresh(
        **key.columns,
        feed_id=held.feed_id,
        fence=held.fence,
        user_id=actor.user_id,
        username=actor.name[:150],
        reserved_at=at,
        day_starts_at=WindowKind.DAY.start_of(at),
        hour_starts_at=WindowKind.HOUR.start_of(at),
    )


def settle(line: ForcedRefresh, state: State, *, fault: str = "") -> bool:
    """Close a ledger line. False when it is closed already. The unit of a failed refresh is returned."""
    with transaction.atomic(savepoint=False):
        closed = ForcedRefresh.objects.filter(pk=line.pk, state=State.RESERVED).update(
            state=state, settled_at=clock.moment(), fault=fault
        )
        if not closed:
            return False
        if state is State.FAILED:
            _return_unit(line)
        outcomes = {
            State.SUCCEEDED: Outcome.DONE,
            State.FAILED: Outcome.FAILED,
            State.IN_DOUBT: Outcome.IN_DOUBT,
        }
        audit.note(
            Action.FORCED_REFRESH,
            outcomes[state],
            workspace_id=line.workspace_id,
            instance_id=line.instance_id,
            actor=Actor(line.user_id, line.username),
            at=clock.moment(),
            reason=fault,
        )
    return True


def _return_unit(line: ForcedRefresh) -> None:
    windows = QuotaWindow.objects.filter(
        workspace_id=line.workspace_id,
        instance_id=line.instance_id,
        source_type=line.source_type,
        source_value=line.source_value,
        used__gt=0,
    )
    charged = Q(kind=WindowKind.DAY.value, starts_at=line.day_starts_at) | Q(
        kind=WindowKind.HOUR.value, starts_at=line.hour_starts_at
    )
    windows.filter(charged).update(used=F("used") - 1)


def settle_orphans(*, older_than: timedelta, feed_id: UUID | None = None) -> int:
    """Settle as spent the lines that dead processes left open, and return how many.

    `older_than`: longer than any flight can take.
    """
    now = clock.database_now()
    # A line from the future was opened while the clock was wrong, so its flight has ended.
    is_orphan = Q(reserved_at__lt=now - older_than) | Q(reserved_at__gt=now + CLOCK_TOLERANCE)
    open_lines = ForcedRefresh.objects.filter(is_orphan, state=State.RESERVED)
    if feed_id is not None:
        open_lines = open_lines.filter(feed_id=feed_id)
    return sum(settle(line, State.IN_DOUBT) for line in open_lines)


@transaction.atomic
def grant(key: FeedKey, units: int, *, actor: Actor, note: str) -> None:
    """Add units to the source's windows of today and of this hour."""
    book = _hold_book(key, clock.database_now())
    _windows(key, book.at).update(granted=F("granted") + units)
    audit.note(
        Action.UNITS_GRANTED,
        Outcome.DONE,
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        actor=actor,
        at=book.at,
        note=f"{units}: {note}",
    )


def _hold_book(key: FeedKey, now: datetime) -> Book:
    """Lock the current windows until the transaction ends. The book's time is read under the lock."""
    while True:
        QuotaWindow.objects.bulk_create(
            [
                QuotaWindow(**key.columns, kind=kind.value, starts_at=kind.start_of(now))
                for kind in WindowKind
            ],
            ignore_conflicts=True,
        )
        held = _windows(key, now).select_for_update().order_by("pk")
        rows = {WindowKind(row.kind): row for row in held}
        # The wait for the lock may have crossed midnight, or the widget may have been deleted meanwhile.
        held_at = clock.database_now()
        if all(kind in rows and kind.start_of(held_at) == rows[kind].starts_at for kind in WindowKind):
            tally = {kind: Tally(row.used, row.granted) for kind, row in rows.items()}
            return Book(held_at, tally[WindowKind.DAY], tally[WindowKind.HOUR])
        now = held_at


def _windows(key: FeedKey, at: datetime) -> QuerySet[QuotaWindow]:
    """The windows of this day and this hour."""
    of_moment = Q()
    for kind in WindowKind:
        of_moment |= Q(kind=kind.value, starts_at=kind.start_of(at))
    return QuotaWindow.objects.filter(of_moment, **key.columns)
