"""What Meta's answers mean for a connection. Only a refusal to read its own account ends it.

A refused search, discovery or field affects only its feed. If another call, or a renewal, reports an invalid token,
the connection is checked first, by reading its own account. During an incident no connection changes state.
Failures for which Meta or our app may be the cause are noted on the connection, so that many of them begin an incident.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import F, Q, QuerySet

from paris_integration import clock, registry
from paris_integration.connections import incidents, lifecycle, links
from paris_integration.errors import (
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TokenRejected,
    is_refusal,
)
from paris_integration.models import Connection, Incident
from paris_integration.providers.base import OwnMediaRequest
from paris_integration.types import ConnectionFacts, Login, Trouble

CHECK_AGAIN = timedelta(minutes=10)  # after a check that Meta did not answer


class Verdict(StrEnum):
    """How a check ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # the connection is marked as refused
    UNKNOWN = "unknown"  # no answer, or an incident: the state stays
    NOT_DUE = "not_due"


def after_success(facts: ConnectionFacts, *, is_own_account: bool) -> None:
    """Record that Meta answered a call with this connection."""
    note = incidents.note_accepted if is_own_account else incidents.note_worked
    note(facts, at=clock.database_now())


def after_fault(facts: ConnectionFacts, fault: ProviderError, *, is_own_account: bool) -> ProviderError:
    """Update the connection after a failed call with it. Returns the fault to store on the feed."""
    trouble = incidents.trouble_of(fault, is_own_account=is_own_account)
    if trouble is Trouble.REFUSED:
        return _refuse(facts, fault)
    at = clock.database_now()
    if trouble is not None:
        return _note_trouble(facts, trouble, fault, at)
    if fault.code is not None:
        incidents.note_tried(facts, at=at)
    if is_refusal(fault) and isinstance(fault, TokenRejected):
        request_check(facts, at=at)
    return fault


def request_check(facts: ConnectionFacts, *, at: datetime) -> None:
    """Schedule one check of the connection, however many feeds ask for it."""
    rows = Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)
    rows.filter(check_at__isnull=True).update(check_at=at)


def due_checks(*, limit: int) -> list[UUID]:
    """Up to `limit` connections whose check is due, longest due first."""
    return list(_due(clock.database_now()).order_by("check_at").values_list("pk", flat=True)[:limit])


def check_connection(connection_id: UUID) -> Verdict:
    """Check whether the connection's token still reads its account, if a check is due."""
    at = clock.database_now()
    rows = Connection.objects.filter(pk=connection_id)
    # One process gets the check. If it dies, or Meta doesn't answer, the check is due again in ten minutes.
    taken = _due(at).filter(pk=connection_id).update(check_at=at + CHECK_AGAIN)
    row = rows.first() if taken else None
    if row is None:
        return Verdict.NOT_DUE
    facts = links.facts_of(row)
    fault = _ask(facts)
    if fault is None:
        return Verdict.ACCEPTED
    trouble = incidents.trouble_of(fault, is_own_account=True)
    if trouble is not None and trouble is not Trouble.REFUSED:
        _note_trouble(facts, trouble, fault, clock.database_now())
        lifecycle.keep_rate_limit(facts, fault, now=clock.database_now())
    if not is_refusal(fault) or _refuse(facts, fault) is not fault:
        return Verdict.UNKNOWN
    rows.filter(token_version=facts.token_version).update(check_at=None)
    return Verdict.REFUSED


def probe_incidents() -> None:
    """Check whether open incidents are over, for each login whose probe is due."""
    for login in Login:
        incident = incidents.claim_probe(login, at=clock.database_now())
        if incident is not None:
            _probe(incident)


def _probe(incident: Incident) -> None:
    """Try a connection that failed. If it still fails, try another one, to see whether Meta and the app work at all."""
    at = clock.database_now()
    affected = incidents.affected_by(incident)
    failing = _next(incidents.may_be_asked(affected, at=at))
    still = None
    if failing is not None:
        fault = _ask(failing)
        if fault is None:
            _end(incident, works=failing)
            return
        still = _failed_again(incident, failing, fault)
        if incident.narrowed_at is not None:
            return
    usable = lifecycle.usable(incident.login).exclude(pk__in=affected)
    other = _next(incidents.may_be_asked(usable, at=at))
    if other is None:
        if failing is None and not affected.exists():
            _end(incident)
        return
    fault = _ask(other)
    if fault is not None:
        trouble = _note_fault(other, fault)
        if trouble is not None and trouble.value != incident.cause and (failing is None or still is trouble):
            incidents.change_cause(incident, trouble)
    elif failing is None or (incident.cause != Trouble.REFUSED.value and still != incident.cause):
        _end(incident)  # Meta answers, if only with a fault of the first connection's own
    else:
        incidents.narrow(incident, at=clock.database_now())


def _failed_again(incident: Incident, facts: ConnectionFacts, fault: ProviderError) -> Trouble | None:
    """Note that a connection of the incident still fails. Ends the incident after a day in which others worked."""
    at = clock.database_now()
    if not incidents.has_narrowed_for_long(incident, at=at):
        return _note_fault(facts, fault)
    # The failures are these connections' own: from now on, each has its own back-off, and its own answer decides.
    if is_refusal(fault) or incident.cause != Trouble.REFUSED.value:
        _end(incident)
    if is_refusal(fault):
        _refuse(facts, fault)
    return None


def _end(incident: Incident, works: ConnectionFacts | None = None) -> None:
    """End the incident. `works`: a connection that failed in it and now works."""
    at = clock.database_now()
    if not incidents.end(incident, at=at):
        return
    # The app's rate limit is over, so nobody waits longer for it, except where Meta named a time.
    over = incidents.may_be_asked(incidents.throttled_in(incident), at=at)
    ids = set(over.values_list("pk", flat=True))
    if works is not None and incident.cause == Trouble.THROTTLED.value:
        ids.add(works.connection_id)
    lifecycle.end_rate_limits(ids, now=at)


def _note_fault(facts: ConnectionFacts, fault: ProviderError) -> Trouble | None:
    """Note why a probe failed, without a change of the connection's state."""
    at = clock.database_now()
    trouble = incidents.trouble_of(fault, is_own_account=True)
    if trouble is Trouble.REFUSED:
        incidents.note_refused(facts, at=at)
    elif trouble is not None:
        incidents.note_trouble(facts, trouble, fault, at=at)
        lifecycle.keep_rate_limit(facts, fault, now=at)
    return trouble


def _note_trouble(
    facts: ConnectionFacts, trouble: Trouble, fault: ProviderError, at: datetime
) -> ProviderError:
    """Note a failure that may be Meta's or our app's. Returns the fault to store on the feed."""
    if not incidents.note_trouble(facts, trouble, fault, at=at):
        return fault
    has_time = isinstance(fault, RateLimited) and fault.retry_after_seconds is not None
    if not incidents.covers(facts.login, trouble, at=at) or has_time:
        return fault
    if incidents.incident_of(facts.login, facts.connection_id) is not None:
        return _unavailable("calls with many connections fail", fault)
    return fault


def _refuse(facts: ConnectionFacts, fault: ProviderError) -> ProviderError:
    """Mark the connection as refused, unless many are refused at once. Returns the fault to store on the feed."""
    at = clock.database_now()
    if incidents.is_on_its_own(facts):
        lifecycle.mark_refused(facts, fault, now=at)
        return fault
    if not incidents.note_refused(facts, at=at):
        return _unavailable("the token was replaced meanwhile", fault)
    if incidents.covers(facts.login, Trouble.REFUSED, at=at):
        return _unavailable("many connections are refused", fault)
    lifecycle.mark_refused(facts, fault, now=at)
    return fault


def _ask(facts: ConnectionFacts) -> ProviderError | None:
    """Read one post of the connection's own account and mark it as working; the fault if that fails."""
    try:
        request = OwnMediaRequest(facts.login, facts.account_id, facts.username, lifecycle.open_token(facts))
        registry.provider().fetch(request, max_posts=1)
    except ProviderError as fault:
        incidents.note_tried(facts, at=clock.database_now())
        return fault
    at = clock.database_now()
    incidents.note_accepted(facts, at=at)
    lifecycle.mark_working(facts, now=at)
    return None


def _due(at: datetime) -> QuerySet[Connection]:
    # A check is never scheduled further ahead than CHECK_AGAIN: a later time was written by a wrong clock.
    is_due = Q(check_at__lte=at) | Q(check_at__gt=at + CHECK_AGAIN)
    rows = Connection.objects.filter(is_due, token__isnull=False)
    return rows.exclude(login__in=incidents.open_logins())


def _next(rows: QuerySet[Connection]) -> ConnectionFacts | None:
    """The connection that was tried least recently."""
    row = rows.order_by(F("tried_at").asc(nulls_first=True), "pk").first()
    return links.facts_of(row) if row is not None else None


def _unavailable(detail: str, fault: ProviderError) -> ProviderUnavailable:
    return ProviderUnavailable(
        detail, code=fault.code, subcode=fault.subcode, status=fault.status, trace_id=fault.trace_id
    )
