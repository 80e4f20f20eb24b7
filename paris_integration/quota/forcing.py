"""Forced refreshes: refreshes that a user or API client requests. Each is charged and settled at most once.

The steps, in this order:

1. Refuse if the plan doesn't include the source.
2. If a refresh of the feed is under way, wait for it and return its result. This costs nothing.
3. Refuse if the quota is used up or the minimum interval (TTL) hasn't passed.
4. During a back-off, pause or rate limit, return the stored feed without a call. This costs nothing.
5. Take the lease and charge the unit, in one transaction.
6. Call the provider, then write the result, the ledger and the audit trail in one transaction.
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
from paris_integration.quota import allowance, charging, ledger, members, receipts
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
    """Refresh the source now, if plan, quota and back-off allow it, and return the selected posts.

    `next_refresh_allowed_at` is when the next forced refresh is allowed. If the provider fails, the answer carries the
    warning, and nothing is charged. A request repeated within a day with the same `idempotency_key` makes no call,
    costs nothing, and returns the current feed.

    Raises RefreshBlocked, WorkspaceNotFound, and TooBusy when too many requests are waiting for Meta. After a database
    error nothing is charged.
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
    if _wait_for_earlier(request):
        return attempt.view()
    try:
        view = attempt.answer(request.key)
    except IntegrityError:
        # The same request, sent at the same time, may have inserted its receipt first.
        if not _wait_for_earlier(request):
            raise
        return attempt.view()
    receipts.keep(request, now=clock.database_now())
    return view


def _wait_for_earlier(request: Repeatable) -> bool:
    """Wait until an earlier request with this key has ended. False: there was none within a day."""
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
    """One forced refresh. If another flight comes first, the attempt starts again from a new look."""

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
                view = self.view()  # first, as it raises if the workspace was deleted
                self._note(Outcome.DONE, "JOINED")
                return view
            standing = members.standing_of(loaded)
            self._refuse_unless_allowed(loaded, standing)
            hold = _hold_of(route, standing, self.now)
            if self._hold_back(row, hold):
                view = self._answer_without_call("BACKOFF")
                # A successful call can reach the rate limit, too. Then the row has no fault to warn about.
                return replace(view, warnings=view.warnings | ({hold.why} if hold is not None else set()))
            held, line = self._reserve(loaded, row, standing.book.at, idempotency_key)
            if held is not None:
                return self._fly(Flight(row, held, route, loaded.limits, self.now, Kind.FORCED), loaded, line)
        raise TooBusy("too many other refreshes came first")

    def view(self) -> FeedView:
        return members.look_at_feed(self.key, self.selection, now=self.now)

    def _reserve(
        self, loaded: LoadedSituation, row: Feed, seen_at: datetime, idempotency_key: str | None
    ) -> tuple[Lease | None, ForcedRefresh | None]:
        """Take the lease and charge the unit, both or neither. Returns no lease if another flight came first."""
        taken = charging.take_and_charge(
            row,
            resolve(loaded.ladder.own, seen_at),
            seen_at=seen_at,
            lasts=refreshing.lease_lasts(),
            actor=self.actor,
            idempotency_key=idempotency_key,
        )
        return taken or self._reserve_under_locks(row, seen_at, idempotency_key)

    def _reserve_under_locks(
        self, row: Feed, seen_at: datetime, idempotency_key: str | None
    ) -> tuple[Lease | None, ForcedRefresh | None]:
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
        """Call the provider, settle the unit with the result, and return the view."""
        try:
            outcome = refreshing.fly(replace(flight, on_landing=partial(self._settle, line)))
        except BaseException:
            if line is not None:
                ledger.settle(line, ledger.State.IN_DOUBT)
            raise
        if outcome.result is not Result.SUCCEEDED:
            # Loaded again: a fault may have changed the connection, or another flight the feed.
            return self.view()
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
        """Wait for the flight under way, or notice one that began since the first look. False: none landed."""
        if not row.is_in_flight:
            first_seen, self._seen_fence = self._seen_fence, row.fence
            return first_seen is not None and row.fence > first_seen
        flight = row.fence
        _wait((row.pk, flight), lambda: _look_until(lambda: lease.flight_under_way(row.pk) != flight))
        seen = Feed.objects.with_orders().filter(pk=row.pk).first()
        # If the feed was deleted meanwhile, the answer is the current state, as for the request that led the flight.
        if seen is None or seen.lease_expires_at is None or seen.fence > flight + 1:
            return True
        if seen.fence > flight:  # the process died, and another one took over
            return self._join_flight(seen)
        if seen.is_in_flight:
            raise TooBusy("the refresh under way has not ended")
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
        """True during a back-off, pause, rate limit or incident. Saves `hold` in the feed if it ends later."""
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
    """Wait for the job; False when it didn't end in time. Raises TooBusy when too many callers are waiting."""
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
