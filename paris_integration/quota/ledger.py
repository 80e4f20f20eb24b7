"""Units of forced refreshes: charged by one conditional write per window, settled once, given back to their windows.

Correctness is the database's: the windows' rows are held while the clock is read and the plan's caps are compared, so
that a charge that waited across midnight lands in the day it is made in, and racing charges cannot overspend.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from entitlements.limits import fresh_grants_for, resolve
from paris_integration import clock
from paris_integration.clock import CLOCK_TOLERANCE
from paris_integration.errors import RefreshRefused, StoreUnavailable
from paris_integration.feeds.lease import Lease
from paris_integration.models import ForcedRefresh, QuotaWindow
from paris_integration.observing import audit
from paris_integration.observing.audit import Action, Outcome
from paris_integration.quota import allowance, receipts
from paris_integration.quota.allowance import Book, Tally, WindowKind
from paris_integration.quota.receipts import Repeatable
from paris_integration.types import Actor, FeedKey, FeedState

State = ForcedRefresh.State


def read_book(key: FeedKey, *, now: datetime) -> Book:
    """The tallies of the windows that `now` lies in."""
    starts = {kind: kind.start_of(now) for kind in WindowKind}
    rows = QuotaWindow.objects.filter(**key.columns, starts_at__in=starts.values())
    tallies = {
        WindowKind(row.kind): Tally(row.used, row.granted)
        for row in rows
        if row.starts_at == starts[WindowKind(row.kind)]
    }
    return Book(now, tallies.get(WindowKind.DAY, Tally()), tallies.get(WindowKind.HOUR, Tally()))


def reserve(
    key: FeedKey, state: FeedState, held: Lease, *, actor: Actor, idempotency_key: str | None
) -> int | None:
    """Charge one unit for the flight `held` and open its ledger line: its id, or None when this refresh costs nothing.

    Belongs into the transaction that took the lease. Raises RefreshRefused: the transaction is then to be undone.
    """
    book = _hold_book(key)
    limits = resolve(fresh_grants_for(key.workspace_id), book.at)
    decision = allowance.decide(key.source, state, limits, book)
    if decision.reason is not None:
        raise RefreshRefused(decision.reason)
    if not decision.costs_unit:
        return None
    for kind, tally in ((WindowKind.DAY, book.day), (WindowKind.HOUR, book.hour)):
        # The rows are held, so this cannot miss; where a database holds no rows it is what keeps the books right.
        if not _window(key, kind, book.at).filter(used=tally.used).update(used=F("used") + 1):
            raise StoreUnavailable("another charge came between")
    line = ForcedRefresh.objects.create(
        **key.columns,
        feed_id=held.feed_id,
        fence=held.fence,
        user_id=actor.user_id,
        username=actor.name[:150],
        reserved_at=book.at,
        day_starts_at=WindowKind.DAY.start_of(book.at),
        hour_starts_at=WindowKind.HOUR.start_of(book.at),
    )
    if idempotency_key is not None and actor.user_id is not None:
        request = Repeatable(actor.user_id, key.instance_id, idempotency_key)
        receipts.open_for(request, line, now=book.at)
    return line.pk


@transaction.atomic
def settle(line_id: int, state: State, *, fault: str = "") -> bool:
    """Close a ledger line, once: False when it was closed already. A failed refresh gets its unit back."""
    now = clock.database_now()
    closed = ForcedRefresh.objects.filter(pk=line_id, state=State.RESERVED).update(
        state=state, settled_at=now, fault=fault
    )
    if not closed:
        return False
    line = ForcedRefresh.objects.get(pk=line_id)
    if state is State.FAILED:
        for kind, starts_at in ((WindowKind.DAY, line.day_starts_at), (WindowKind.HOUR, line.hour_starts_at)):
            windows = QuotaWindow.objects.filter(
                **_of_line(line), kind=kind.value, starts_at=starts_at, used__gt=0
            )
            windows.update(used=F("used") - 1)
    audit.note(
        Action.FORCED_REFRESH,
        {State.SUCCEEDED: Outcome.DONE, State.FAILED: Outcome.FAILED, State.IN_DOUBT: Outcome.IN_DOUBT}[
            state
        ],
        workspace_id=line.workspace_id,
        instance_id=line.instance_id,
        actor=Actor(line.user_id, line.username),
        at=now,
        reason=fault,
    )
    return True


def settle_orphans(*, older_than: timedelta, feed_id: UUID | None = None) -> int:
    """Settle as spent what dead processes left open; how many lines. Nothing flies as long as `older_than`."""
    now = clock.database_now()
    # A line from the future was opened while the clock was wrong: no flight belongs to it any more.
    is_orphan = Q(reserved_at__lt=now - older_than) | Q(reserved_at__gt=now + CLOCK_TOLERANCE)
    open_lines = ForcedRefresh.objects.filter(is_orphan, state=State.RESERVED)
    if feed_id is not None:
        open_lines = open_lines.filter(feed_id=feed_id)
    return sum(settle(line_id, State.IN_DOUBT) for line_id in open_lines.values_list("pk", flat=True))


@transaction.atomic
def grant(key: FeedKey, units: int, *, actor: Actor, note: str) -> None:
    """Add units to today's and this hour's windows of the source."""
    book = _hold_book(key)
    for kind in WindowKind:
        _window(key, kind, book.at).update(granted=F("granted") + units)
    audit.note(
        Action.UNITS_GRANTED,
        Outcome.DONE,
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        actor=actor,
        at=book.at,
        note=f"{units}: {note}",
    )


def _hold_book(key: FeedKey) -> Book:
    """The windows of this moment, their rows held until the transaction ends; the clock is read while they are."""
    now = clock.database_now()
    while True:
        QuotaWindow.objects.bulk_create(
            [
                QuotaWindow(**key.columns, kind=kind.value, starts_at=kind.start_of(now))
                for kind in WindowKind
            ],
            ignore_conflicts=True,
        )
        held = {kind: _window(key, kind, now).select_for_update().first() for kind in WindowKind}
        rows = {
            kind: row for kind, row in held.items() if row is not None
        }  # deleted with its widget meanwhile
        held_at = clock.database_now()
        if all(kind in rows and kind.start_of(held_at) == rows[kind].starts_at for kind in WindowKind):
            tally = {kind: Tally(row.used, row.granted) for kind, row in rows.items()}
            return Book(held_at, tally[WindowKind.DAY], tally[WindowKind.HOUR])
        now = held_at


def _window(key: FeedKey, kind: WindowKind, at: datetime) -> Any:
    return QuotaWindow.objects.filter(**key.columns, kind=kind.value, starts_at=kind.start_of(at))


def _of_line(line: ForcedRefresh) -> dict[str, Any]:
    names = ("workspace_id", "instance_id", "source_type", "source_value")
    return {name: getattr(line, name) for name in names}
