"""What Meta's answers mean for a connection: only a refusal to read its own account ends it.

A refused search, discovery or field stays with its feed. A dead token that was met elsewhere, or at a renewal, is
checked first: one read of the connection's own account, claimed by a conditional write. When many connections are
refused alike, `incidents` says so, and no connection changes state.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import F, Q, QuerySet

from paris_integration import clock, registry
from paris_integration.connections import incidents, lifecycle, links
from paris_integration.errors import ProviderError, ProviderUnavailable, TokenRejected, is_refusal
from paris_integration.models import Connection, Incident
from paris_integration.providers.base import OwnMediaRequest
from paris_integration.types import ConnectionFacts, Login

CHECK_AGAIN = timedelta(minutes=10)  # after a check that Meta did not answer
NARROW_LASTS = timedelta(days=1)


class Verdict(StrEnum):
    """How a check ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # and the connection is dead
    UNKNOWN = "unknown"  # no answer, or an incident: nothing is decided
    NOT_DUE = "not_due"


def after_success(facts: ConnectionFacts, *, is_own_account: bool) -> None:
    """Note that Meta answered a call with this connection."""
    note = incidents.note_accepted if is_own_account else incidents.note_tried
    note(facts, at=clock.database_now())


def after_fault(facts: ConnectionFacts, fault: ProviderError, *, is_own_account: bool) -> ProviderError:
    """Judge the connection by a failed call with it; returns the fault for the feed's row."""
    if is_own_account and is_refusal(fault) and fault.rejected_field is None:
        return _refuse(facts, fault)
    at = clock.database_now()
    if fault.code is not None:
        incidents.note_tried(facts, at=at)
    if is_refusal(fault) and isinstance(fault, TokenRejected):
        doubt(facts, at=at)
    return fault


def doubt(facts: ConnectionFacts, *, at: datetime) -> None:
    """Have the connection checked soon, once, however many feeds ask for it."""
    rows = Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)
    rows.filter(check_at__isnull=True).update(check_at=at)


def due_checks(*, limit: int) -> list[UUID]:
    """Connections to be checked now."""
    return list(_due(clock.database_now()).order_by("check_at").values_list("pk", flat=True)[:limit])


def check_connection(connection_id: UUID) -> Verdict:
    """Ask Meta whether the connection's token still reads its account, if that is due and no other process does."""
    at = clock.database_now()
    rows = Connection.objects.filter(pk=connection_id)
    taken = _due(at).filter(pk=connection_id).update(check_at=at + CHECK_AGAIN)
    row = rows.first() if taken else None
    if row is None:
        return Verdict.NOT_DUE
    facts = links.facts_of(row)
    fault = _ask(facts)
    if fault is None:
        return Verdict.ACCEPTED
    if not is_refusal(fault) or _refuse(facts, fault) is not fault:
        return Verdict.UNKNOWN
    rows.filter(token_version=facts.token_version).update(check_at=None)
    return Verdict.REFUSED


def probe_incidents() -> None:
    """Look whether incidents are over, where a probe is due."""
    for login in Login:
        incident = incidents.claim_probe(login, at=clock.database_now())
        if incident is not None:
            _probe(incident)


def _probe(incident: Incident) -> None:
    """Ask by a refused connection. While it stays refused, ask by another one whether the app works at all."""
    refused = _next(incidents.refused_in(incident))
    if refused is not None:
        fault = _ask(refused)
        if fault is None:
            incidents.end(incident, at=clock.database_now())
            return
        if is_refusal(fault):
            _refused_again(incident, refused, fault)
        if incident.narrowed_at is not None:
            return
    other = _next(lifecycle.living(incident.login).exclude(pk__in=incidents.refused_in(incident)))
    fault = _ask(other) if other is not None else None
    at = clock.database_now()
    if other is not None and fault is not None:
        if is_refusal(fault):
            incidents.note_refused(other, at=at)
    elif refused is None:
        incidents.end(incident, at=at)
    elif other is not None:
        incidents.narrow(incident, at=at)


def _refused_again(incident: Incident, facts: ConnectionFacts, fault: ProviderError) -> None:
    """A connection that Meta has refused for a day, while it accepted others, is dead after all."""
    at = clock.database_now()
    if incident.narrowed_at is None or at - incident.narrowed_at < NARROW_LASTS:
        incidents.note_refused(facts, at=at)
        return
    lifecycle.condemn(facts, fault, now=at)
    incidents.forget_refusal(facts)


def _refuse(facts: ConnectionFacts, fault: ProviderError) -> ProviderError:
    """Meta refused to read the account itself: the end of the connection, unless it happens to many at once."""
    at = clock.database_now()
    if not incidents.note_refused(facts, at=at):
        return _unavailable("the token was replaced meanwhile", fault)
    if incidents.covers(facts.login, at=at):
        return _unavailable("many connections are refused", fault)
    lifecycle.condemn(facts, fault, now=at)
    return fault


def _ask(facts: ConnectionFacts) -> ProviderError | None:
    """Read a post of the connection's own account; None when Meta lets us, and the connection then lives."""
    try:
        request = OwnMediaRequest(facts.login, facts.account_id, facts.username, lifecycle.open_token(facts))
        registry.provider().fetch(request, max_posts=1)
    except ProviderError as fault:
        incidents.note_tried(facts, at=clock.database_now())
        return fault
    at = clock.database_now()
    incidents.note_accepted(facts, at=at)
    lifecycle.revive(facts, now=at)
    return None


def _due(at: datetime) -> QuerySet[Connection]:
    is_due = Q(check_at__lte=at) | Q(check_at__gt=at + CHECK_AGAIN)  # the second: a clock was wrong
    rows = Connection.objects.filter(is_due, token__isnull=False)
    return rows.exclude(login__in=incidents.open_logins())


def _next(rows: QuerySet[Connection]) -> ConnectionFacts | None:
    """Of these connections, the one that was not tried for longest."""
    row = rows.order_by(F("tried_at").asc(nulls_first=True), "pk").first()
    return links.facts_of(row) if row is not None else None


def _unavailable(detail: str, fault: ProviderError) -> ProviderUnavailable:
    return ProviderUnavailable(
        detail, code=fault.code, subcode=fault.subcode, status=fault.status, trace_id=fault.trace_id
    )
