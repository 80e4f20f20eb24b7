"""A refresh that somebody asked for: allowed or refused with the truth, charged once, called once, settled once.

plan → a flight under way is joined, at no cost → quota or TTL → back-off: answered without a call, at no cost →
lease and unit in one transaction → call → result, ledger and audit in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction

from entitlements.limits import fresh_grants_for, resolve
from foundation import threads
from paris_integration import clock
from paris_integration.errors import RefreshBlocked, RefreshRefused, TooBusy
from paris_integration.feeds import lease, refreshing, routing, situation
from paris_integration.feeds.lease import Lease
from paris_integration.feeds.refreshing import Flight, Hold, Kind, RefreshOutcome, Result
from paris_integration.feeds.routing import Route
from paris_integration.feeds.situation import LoadedSituation
from paris_integration.models import Feed, ForcedRefresh
from paris_integration.observing import audit, metrics
from paris_integration.observing.audit import Action, Outcome
from paris_integration.quota import allowance, ledger, members, receipts
from paris_integration.quota.ledger import Standing
from paris_integration.quota.receipts import Repeatable
from paris_integration.types import Actor, BlockReason, FeedKey, FeedView, Selection, Warning
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
    """One refresh that was asked for. Another flight may come between: then everything is looked up again."""

    def __init__(self, key: FeedKey, selection: Selection, actor: Actor, now: datetime) -> None:
        self.key = key
        self.selection = selection
        self.actor = actor
        self.now = now
        self._seen_fence: int | None = None

    def answer(self, idempotency_key: str | None) -> FeedView:
        for _ in range(MAX_LOOKS):
            loaded = situation.load(self.key, self.now)
            if not routing.is_source_in_plan(self.key.source, loaded.limits):
                raise self._block(BlockReason.PLAN_RESTRICTED, None, loaded, members.standing_of(loaded))
            loaded = situation.with_feed(loaded)
            row, route = loaded.row, loaded.open_route
            if row is None or route is None:
                return self._answer_without_call("NO_ROUTE")
            if self._join_flight(row):
                view = self.view()  # before the note: without its workspace nothing can be noted
                self._note(Outcome.DONE, "JOINED")
                return view
            standing = members.standing_of(loaded)
            self._refuse_unless_allowed(loaded, standing)
            hold = _hold_of(route, standing, self.now)
            if self._hold_back(row, hold):
                view = self._answer_without_call("BACKOFF")
                # A success that closed the window has left no fault in the row.
                return replace(view, warnings=view.warnings | ({hold.why} if hold is not None else set()))
            held, line = self._reserve(row, standing.book.at, idempotency_key)
            if held is not None:
                return self._fly(Flight(row, held, route, loaded.limits, self.now, Kind.FORCED), loaded, line)
        raise TooBusy("too many flights came between")

    def view(self) -> FeedView:
        return members.look_at_feed(self.key, self.selection, now=self.now)

    def _reserve(
        self, row: Feed, seen_at: datetime, idempotency_key: str | None
    ) -> tuple[Lease | None, ForcedRefresh | None]:
        """Take the lease and charge the unit, both or neither. No lease: another flight came first."""
        try:
            with transaction.atomic():
                held = lease.acquire(row.pk, seen_fence=row.fence, lasts=refreshing.lease_lasts())
                if held is None:
                    return None, None
                state = row.state_at(self.now)
                line = ledger.reserve(
                    self.key,
                    state,
                    held,
                    seen_at=seen_at,
                    actor=self.actor,
                    idempotency_key=idempotency_key,
                )
                return held, line
        except RefreshRefused:
            return None, None

    def _fly(self, flight: Flight, loaded: LoadedSituation, line: ForcedRefresh | None) -> FeedView:
        """Call the provider, settle the unit with the result, and answer."""
        try:
            outcome = refreshing.fly(replace(flight, on_landing=partial(self._settle, line)))
        except BaseException:
            if line is not None:
                ledger.settle(line, ledger.State.IN_DOUBT)
            raise
        if outcome.result is not Result.SUCCEEDED:
            return self.view()  # a fault may have changed the connection, and a fenced flight the feed
        return members.view_of(situation.with_row(loaded, flight.row), self.selection)

    def _settle(self, line: ForcedRefresh | None, outcome: RefreshOutcome) -> None:
        failed = outcome.fault is not None
        fault = outcome.fault.warning.value if outcome.fault else ""
        if line is None:
            self._note(Outcome.FAILED if failed else Outcome.DONE, fault)
        elif failed:
            ledger.settle(line, ledger.State.FAILED, fault=fault)
        else:
            fenced = outcome.result is Result.FENCED
            ledger.settle(line, ledger.State.IN_DOUBT if fenced else ledger.State.SUCCEEDED)

    def _join_flight(self, row: Feed) -> bool:
        """Wait for the flight under way, or find one that began after the first look. False: none landed."""
        if not row.is_in_flight:
            first_seen, self._seen_fence = self._seen_fence, row.fence
            return first_seen is not None and row.fence > first_seen
        flight = row.fence
        _wait((row.pk, flight), lambda: _look_until(lambda: lease.flight_under_way(row.pk) != flight))
        seen = Feed.objects.with_orders().filter(pk=row.pk).first()
        # Deleted meanwhile: what there is now is the answer, as it is for whoever leads the flight.
        if seen is None or seen.lease_expires_at is None or seen.fence > flight + 1:
            return True
        if seen.fence > flight:  # its process died, and another one has taken over
            return self._join_flight(seen)
        if seen.is_in_flight:
            raise TooBusy("the flight under way has not ended")
        ledger.settle_orphans(older_than=refreshing.lease_lasts(), feed_id=row.pk)
        return False

    def _refuse_unless_allowed(self, loaded: LoadedSituation, standing: Standing) -> None:
        book, grants, source = standing.book, loaded.ladder.own, self.key.source
        state = loaded.state_at(book.at)
        reason = allowance.decide(source, state, resolve(grants, book.at), book).reason
        if reason is not None:
            allowed_at = allowance.next_forced_at(source, state, grants, book, after_backoff=False)
            raise self._block(reason, allowed_at, loaded, standing)

    def _block(
        self, reason: BlockReason, allowed_at: datetime | None, loaded: LoadedSituation, standing: Standing
    ) -> RefreshBlocked:
        book = standing.book
        hint = allowance.upgrade_hint(self.key.source, loaded.state_at(book.at), book, loaded.ladder.higher)
        self._note(Outcome.REFUSED, reason.value)
        metrics.count_blocked(self.key.workspace_id, reason.value)
        return RefreshBlocked(reason, allowed_at, hint)

    def _hold_back(self, row: Feed, hold: Hold | None) -> bool:
        """Leave the provider alone after a failure of this feed, and during a pause, a throttle or an incident."""
        held_until = row.state_at(self.now).held_until
        if hold is not None and (held_until is None or held_until < hold.until):
            refreshing.hold_back(row, hold, now=self.now)
        return hold is not None or (held_until is not None and held_until > self.now)

    def _answer_without_call(self, reason: str) -> FeedView:
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
            at=clock.moment(),
            reason=reason,
        )


def _hold_of(route: Route, standing: Standing, now: datetime) -> Hold | None:
    if standing.parked_until is not None:
        return Hold(standing.parked_until, Warning.PROVIDER_RATE_LIMITED)
    return refreshing.incident_hold(route, now)


def _wait(flight_key: object, job: Callable[[], object]) -> bool:
    """Wait in one of this process's places; whether the job ended in time. Raises TooBusy when no place is free."""
    seconds = refreshing.dead_after().total_seconds()
    wait, _ = board.wait_for(flight_key, job, timeout_seconds=seconds)
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
