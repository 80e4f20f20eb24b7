"""A refresh that somebody asked for: allowed or refused with the truth, charged once, called once, settled once.

plan → a flight under way is joined, at no cost → quota or TTL → back-off: answered without a call, at no cost →
lease and unit in one transaction → call → result, ledger and audit in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, transaction

from entitlements.limits import Grants, Limits, fresh_grants_for, higher_grants_for, resolve
from foundation import threads
from paris_integration import clock
from paris_integration.errors import RefreshBlocked, RefreshRefused, TooBusy
from paris_integration.feeds import lease, reading, refreshing, routing
from paris_integration.feeds.refreshing import RefreshOutcome, Result
from paris_integration.models import Feed
from paris_integration.observing import audit, metrics
from paris_integration.observing.audit import Action, Outcome
from paris_integration.quota import allowance, ledger, members, receipts
from paris_integration.quota.receipts import Repeatable
from paris_integration.types import Actor, BlockReason, FeedKey, FeedView, Selection
from paris_integration.waiting import Wait, order_places
from paris_integration.waiting import order_board as board

LOOK_AGAIN_SECONDS = 0.1
LOOK_AGAIN_AT_LEAST_SECONDS = 0.4
MAX_LOOKS = 50


def force_refresh(
    key: FeedKey, selection: Selection, *, actor: Actor, idempotency_key: str | None = None, now: datetime
) -> FeedView:
    """Refresh the source now if plan, quota and provider let us; the selected posts as they are afterwards.

    `next_refresh_allowed_at` of the answer is the next forced refresh. A failure of the provider is an answer with
    its warning, and costs nothing. A repeat with the same `idempotency_key` within a day makes no call and costs
    nothing; its answer is the feed as it is by then.

    Raises RefreshBlocked, WorkspaceNotFound, and TooBusy when no place to wait for Meta is left; database errors rise,
    and nothing is charged.
    """
    attempt = _Attempt(key, selection, actor, now)
    try:
        with order_places.taken():
            if idempotency_key is None or actor.user_id is None:
                return attempt.answer(None)
            return _answer_once(Repeatable(actor.user_id, key.instance_id, idempotency_key), attempt)
    except IntegrityError:
        fresh_grants_for(key.workspace_id)  # raises when the workspace was deleted meanwhile
        raise


def _answer_once(request: Repeatable, attempt: _Attempt) -> FeedView:
    if _was_made(request):
        return attempt.view()
    try:
        view = attempt.answer(request.key)
    except IntegrityError:
        # The same request, sent twice at once, has charged its unit a moment before.
        if not _was_made(request):
            raise
        return attempt.view()
    receipts.keep(request, now=clock.database_now())
    return view


def _was_made(request: Repeatable) -> bool:
    """Whether this request was made within a day; waits until its refresh has ended."""
    give_up_at = time.monotonic() + refreshing.dead_after().total_seconds()
    while (state := _state_of(request)) is receipts.State.UNDER_WAY:
        if time.monotonic() > give_up_at:
            raise TooBusy("the first request has not ended")
        if not _wait(("receipt", request), lambda: _look_until(lambda: _has_ended(request))):
            ledger.settle_orphans(older_than=refreshing.dead_after())
    return state is receipts.State.ENDED


def _has_ended(request: Repeatable) -> bool:
    return _state_of(request) is not receipts.State.UNDER_WAY


def _state_of(request: Repeatable) -> receipts.State:
    return receipts.state_of(request, now=clock.database_now())


class _Attempt:
    """One refresh that was asked for, looked at as often as it takes."""

    def __init__(self, key: FeedKey, selection: Selection, actor: Actor, now: datetime) -> None:
        self.key = key
        self.selection = selection
        self.actor = actor
        self.now = now
        self._seen_fence: int | None = None

    def answer(self, idempotency_key: str | None) -> FeedView:
        for _ in range(MAX_LOOKS):
            grants = fresh_grants_for(self.key.workspace_id)
            limits = resolve(grants, self.now)
            if not routing.is_source_in_plan(self.key.source, limits):
                raise self._blocked(BlockReason.PLAN_RESTRICTED, None, grants)
            row = reading.find_or_create_row(self.key, self.now)
            route = refreshing.route_of(row, limits) if row else None
            if row is None or route is None:
                return self._without_a_call("NO_ROUTE")
            if self._has_joined(row):
                view = self.view()  # before the note: where the workspace is gone, nothing can be noted
                self._note(Outcome.DONE, "JOINED")
                return view
            self._refuse_if_not_allowed(row, grants)
            hold = refreshing.hold_of(route, self.now)
            if self._is_held_back(row, hold):
                view = self._without_a_call("BACKOFF")
                # A success that closed the window has left no fault in the row.
                return replace(view, warnings=view.warnings | ({hold.why} if hold is not None else set()))
            if self._has_led(row, route, limits, idempotency_key):
                return self.view()
        raise TooBusy("too many flights came between")

    def view(self) -> FeedView:
        return members.look_at_feed(self.key, self.selection, now=self.now)

    def _has_led(self, row: Feed, route: routing.Route, limits: Limits, idempotency_key: str | None) -> bool:
        """Charge, call and settle. False when somebody else came first, and everything must be looked at again."""
        try:
            with transaction.atomic():
                held = lease.acquire(row.pk, seen_fence=row.fence, lasts=refreshing.lease_lasts())
                if held is None:
                    return False
                state = row.state_at(self.now)
                line = ledger.reserve(
                    self.key, state, held, actor=self.actor, idempotency_key=idempotency_key
                )
        except RefreshRefused:
            return False
        try:
            refreshing.fly(
                refreshing.Flight(
                    row, held, route, limits, self.now, refreshing.Kind.FORCED, self._landing_of(line)
                )
            )
        except BaseException:
            if line is not None:
                ledger.settle(line, ledger.State.IN_DOUBT)
            raise
        return True

    def _landing_of(self, line: int | None) -> Callable[[RefreshOutcome], object]:
        def settle(outcome: RefreshOutcome) -> None:
            failed = outcome.fault is not None
            fault = outcome.fault.warning.value if outcome.fault else ""
            if line is None:
                self._note(Outcome.FAILED if failed else Outcome.DONE, fault)
            elif failed:
                ledger.settle(line, ledger.State.FAILED, fault=fault)
            else:
                fenced = outcome.result is Result.FENCED
                ledger.settle(line, ledger.State.IN_DOUBT if fenced else ledger.State.SUCCEEDED)

        return settle

    def _has_joined(self, row: Feed) -> bool:
        """Wait for the flight under way, if any, and for one that began after the first look. False: none landed."""
        flight = lease.flight_under_way(row.pk)
        if flight is None:
            first_seen, self._seen_fence = self._seen_fence, row.fence
            return first_seen is not None and row.fence > first_seen
        _wait((row.pk, flight), lambda: _look_until(lambda: lease.flight_under_way(row.pk) != flight))
        seen = Feed.objects.filter(pk=row.pk).values_list("fence", "lease_expires_at").first()
        if (
            seen is None
        ):  # deleted meanwhile: what there is now is the answer, as it is for who leads the flight
            return True
        row.fence, row.lease_expires_at = seen
        if row.lease_expires_at is None or row.fence > flight + 1:
            return True
        if row.fence > flight:  # its process died, and another one has taken over
            return self._has_joined(row)
        if lease.is_held(row.pk):
            raise TooBusy("the flight under way has not ended")
        ledger.settle_orphans(older_than=refreshing.lease_lasts(), feed_id=row.pk)
        return False

    def _refuse_if_not_allowed(self, row: Feed, grants: Grants) -> None:
        book = ledger.read_book(self.key, now=clock.database_now())
        state = row.state_at(book.at)
        reason = allowance.decide(self.key.source, state, resolve(grants, book.at), book).reason
        if reason is None:
            return
        allowed_at = allowance.next_forced_at(self.key.source, state, grants, book, after_backoff=False)
        raise self._blocked(reason, allowed_at, grants, book=book, row=row)

    def _blocked(
        self,
        reason: BlockReason,
        allowed_at: datetime | None,
        grants: Grants,
        *,
        book: allowance.Book | None = None,
        row: Feed | None = None,
    ) -> RefreshBlocked:
        book = book or ledger.read_book(self.key, now=clock.database_now())
        state = members.state_of(row or reading.find_row(self.key), book.at)
        hint = allowance.upgrade_hint(self.key.source, state, book, higher_grants_for(grants))
        self._note(Outcome.REFUSED, reason.value)
        metrics.count_blocked(self.key.workspace_id, reason.value)
        return RefreshBlocked(reason, allowed_at, hint)

    def _is_held_back(self, row: Feed, hold: refreshing.Hold | None) -> bool:
        """Whether to leave the provider alone: a failure of this feed, a pause, a throttle, or an incident."""
        held_until = row.state_at(self.now).held_until
        if hold is not None and (held_until is None or held_until < hold.until):
            refreshing.hold_back(row, hold, now=self.now)
        return hold is not None or (held_until is not None and held_until > self.now)

    def _without_a_call(self, reason: str) -> FeedView:
        self._note(Outcome.REFUSED, reason)
        metrics.count_blocked(self.key.workspace_id, reason)
        return self.view()

    def _note(self, outcome: Outcome, reason: str) -> None:
        audit.note(
            Action.FORCED_REFRESH,
            outcome,
            workspace_id=self.key.workspace_id,
            instance_id=self.key.instance_id,
            actor=self.actor,
            at=clock.database_now(),
            reason=reason,
        )


def _wait(flight_key: object, job: Callable[[], object]) -> bool:
    """Wait in one of this process's places; whether the job ended in time. Raises TooBusy when no place is free."""
    seconds = refreshing.dead_after().total_seconds()
    wait = board.wait_for(flight_key, job, timeout_seconds=seconds)
    if wait in (Wait.NO_PLACE, Wait.NO_FLIGHT):
        raise TooBusy("no place to wait")
    return wait is Wait.LANDED


def _look_until(happened: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + refreshing.dead_after().total_seconds()
    pause_seconds = LOOK_AGAIN_SECONDS
    while not happened() and time.monotonic() < give_up_at:
        threads.give_back()
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, LOOK_AGAIN_AT_LEAST_SECONDS)
