"""Incidents: calls with many connections of one login fail alike within minutes, so Meta or our app is the cause.

During an incident no connection of the login changes state, no mail is sent, and calls wait while probes check whether
it is over. Each login has one row, opened and closed by conditional writes on the database's clock, so only one
process logs the alert.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from foundation.prepared import Prepared
from paris_integration import clock
from paris_integration.errors import (
    HashtagQuotaExhausted,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TokenRejected,
    is_refusal,
)
from paris_integration.models import Connection, Incident
from paris_integration.types import ConnectionFacts, ConnectionState, Login, Trouble

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=10)
PROBE_FIRST = timedelta(minutes=1)
# With the wait of up to two minutes after a probe, all feeds are due within 15 minutes of Meta's recovery.
PROBE_CAP = timedelta(minutes=10)
NARROW_LASTS = timedelta(days=1)
REFUSED_STATES = (ConnectionState.RECONNECT_REQUIRED.value, ConnectionState.PERMISSION_MISSING.value)
# Rate limits of one user, page or account. All others are the app's, also a status 429 without a code.
_LIMITS_OF_ONE = (17, 32, 613, *range(80_000, 80_100))
_NO_TROUBLE: dict[str, Any] = {"trouble": "", "trouble_at": None, "trouble_until": None}

_open_incidents: Prepared[Incident] = Prepared(
    lambda login: Incident.objects.filter(pk=login, ended_at__isnull=True), login=str
)


@dataclass(frozen=True, slots=True)
class BurstLimits:
    """An incident needs at least this many failing connections, and this share of the connections tried."""

    connections: int
    share_percent: float


def is_incident(failing: int, tried: int, limits: BurstLimits) -> bool:
    """Whether this many failures among the connections tried count as an incident. Pure."""
    return failing >= limits.connections and failing * 100 >= tried * limits.share_percent


def probe_wait(probes: int) -> timedelta:
    """How long to wait after this many probes: one minute, doubling up to PROBE_CAP. Pure."""
    return min(PROBE_FIRST * (1 << min(probes, 10)), PROBE_CAP)


def trouble_of(fault: ProviderError, *, is_own_account: bool) -> Trouble | None:
    """What the fault would mean if many connections had it; None if it concerns this call or account only. Pure.

    `is_own_account`: the call was to read the connection's own account, which Meta always allows.
    """
    if isinstance(fault, RateLimited):
        return Trouble.THROTTLED if fault.code not in _LIMITS_OF_ONE else None
    if isinstance(fault, ProviderUnavailable):
        return Trouble.UNREACHABLE
    if not is_own_account or fault.rejected_field is not None or isinstance(fault, HashtagQuotaExhausted):
        return None
    if is_refusal(fault):
        return Trouble.REFUSED
    # A token that we couldn't decrypt wasn't sent.
    return None if isinstance(fault, TokenRejected) else Trouble.REJECTED


def open_logins() -> list[str]:
    """The logins with an open incident."""
    return list(Incident.objects.filter(ended_at__isnull=True).values_list("login", flat=True))


def incident_of(login: Login, connection_id: UUID | None) -> Incident | None:
    """The open incident that keeps this connection from being used, or None.

    `connection_id` None: the operator's account.
    """
    incident = _open_incidents.first(login=login.value)
    if incident is None or incident.narrowed_at is None:
        return incident
    if connection_id is None:
        return None
    return incident if affected_by(incident).filter(pk=connection_id).exists() else None


def held_until(incident: Incident, *, now: datetime) -> datetime:
    """When a connection that the incident concerns may be used again: shortly after the next probe."""
    share = random.random()  # noqa: S311 - spreads load, guards nothing
    return now + until_probe(incident, at=clock.database_now()) + PROBE_FIRST * (1 + share)


def until_probe(incident: Incident, *, at: datetime) -> timedelta:
    """How long until the incident's next probe. A time beyond PROBE_CAP was written by a wrong clock."""
    return min(max(incident.next_probe_at - at, timedelta()), PROBE_CAP)


def note_tried(facts: ConnectionFacts, *, at: datetime) -> None:
    """Record that Meta answered a call with this token."""
    _row_of(facts).update(tried_at=at)


def note_worked(facts: ConnectionFacts, *, at: datetime) -> None:
    """Record that a call with this token succeeded."""
    _row_of(facts).update(tried_at=at, **_NO_TROUBLE)


def note_accepted(facts: ConnectionFacts, *, at: datetime) -> None:
    """Record that this token read its own account. Cancels a scheduled check."""
    _row_of(facts).update(tried_at=at, refused_at=None, check_at=None, **_NO_TROUBLE)


def note_refused(facts: ConnectionFacts, *, at: datetime) -> bool:
    """Record that Meta refused this token its own account. False if the connection has a newer token by now."""
    return bool(_row_of(facts).update(tried_at=at, refused_at=at))


def note_trouble(facts: ConnectionFacts, trouble: Trouble, fault: ProviderError, *, at: datetime) -> bool:
    """Record another failure that may be Meta's or our app's. False if the connection has a newer token by now."""
    seconds = fault.retry_after_seconds if isinstance(fault, RateLimited) else None
    until = at + min(timedelta(seconds=seconds), clock.LONG_CEILING) if seconds is not None else None
    noted = {"trouble": trouble.value, "trouble_at": at, "trouble_until": until}
    return bool(_row_of(facts).update(tried_at=at, **noted))


def covers(login: Login, trouble: Trouble, *, at: datetime) -> bool:
    """Whether the login has an incident. Opens one if the failures of this kind in ten minutes are enough."""
    last = Incident.objects.filter(pk=login.value).first()
    if last is not None and last.ended_at is None:
        return True
    since = at - WINDOW
    # Failures from before the end of the last incident don't count towards the next. An end far ahead of now was
    # written by a wrong clock.
    if last is not None and last.ended_at is not None and last.ended_at <= at + WINDOW:
        since = max(since, last.ended_at)
    found = Connection.objects.filter(login=login.value, tried_at__gt=since).aggregate(
        tried=Count("pk"), failing=Count("pk", filter=_failing(trouble, since))
    )
    limits = BurstLimits(settings.INCIDENT_CONNECTIONS, settings.INCIDENT_SHARE_PERCENT)
    if not is_incident(found["failing"], found["tried"], limits):
        return False
    if _begin(login, trouble, at):
        logger.error(
            "incident begins: calls with many connections of one login fail alike",
            extra={"fields": {"login": login.value, "cause": trouble.value, **found}},
        )
    return True


def claim_probe(login: Login, *, at: datetime) -> Incident | None:
    """The login's incident if a probe is due, for one caller only; None for all others."""
    # A probe is never scheduled further ahead than PROBE_CAP: a later time was written by a wrong clock.
    is_due = Q(next_probe_at__lte=at) | Q(next_probe_at__gt=at + PROBE_CAP)
    incident = Incident.objects.filter(is_due, pk=login.value, ended_at__isnull=True).first()
    if incident is None:
        return None
    probes = incident.probes + 1
    claimed = _still(incident).filter(probes=incident.probes)
    return incident if claimed.update(probes=probes, next_probe_at=at + probe_wait(probes)) else None


def affected_by(incident: Incident) -> QuerySet[Connection]:
    """The connections that failed in this incident as its cause says, including those that failed while it began."""
    failing = _failing(Trouble(incident.cause), incident.began_at - WINDOW)
    return Connection.objects.filter(failing, login=incident.login, token__isnull=False)


def refused_in(incident: Incident) -> QuerySet[Connection]:
    """The connections refused in this incident, including those marked as refused while it began."""
    return Connection.objects.filter(
        login=incident.login, token__isnull=False, refused_at__gt=incident.began_at - WINDOW
    )


def has_narrowed_for_long(incident: Incident, *, at: datetime) -> bool:
    """Whether connections that didn't fail have worked for a day. Pure."""
    return incident.narrowed_at is not None and at - incident.narrowed_at >= NARROW_LASTS


def is_on_its_own(facts: ConnectionFacts) -> bool:
    """Whether this token was last refused in an incident that others didn't have for a day, and that has ended.

    Then its next answer decides about it, however many others are refused at the same time.
    """
    last = Incident.objects.filter(pk=facts.login.value).first()
    if last is None or last.ended_at is None or not has_narrowed_for_long(last, at=last.ended_at):
        return False
    refused = refused_in(last).filter(refused_at__lte=last.ended_at)
    return refused.filter(pk=facts.connection_id, token_version=facts.token_version).exists()


def throttled_in(incident: Incident) -> QuerySet[Connection]:
    """The connections that met the app's rate limit in this incident or while it began."""
    failing = _failing(Trouble.THROTTLED, incident.began_at - WINDOW)
    return Connection.objects.filter(failing, login=incident.login)


def may_be_asked(connections: QuerySet[Connection], *, at: datetime) -> QuerySet[Connection]:
    """Those of the connections for which Meta hasn't asked us to wait."""
    # A wait of more than a day was written by a wrong clock.
    is_waiting = Q(trouble_until__gt=at, trouble_until__lte=at + clock.LONG_CEILING)
    return connections.exclude(is_waiting)


def change_cause(incident: Incident, cause: Trouble) -> None:
    """Record that calls now fail with something else."""
    if _still(incident).filter(narrowed_at__isnull=True).update(cause=cause.value):
        logger.warning(
            "incident continues with another cause",
            extra={"fields": {"login": incident.login, "cause": cause.value, "before": incident.cause}},
        )


def narrow(incident: Incident, *, at: datetime) -> None:
    """Record that a connection that didn't fail works. From now on only those that failed wait.

    The next probes come sooner: Meta may have recovered, and the connection just tried may have another fault.
    """
    soon = {"narrowed_at": at, "probes": 0, "next_probe_at": at + PROBE_FIRST}
    if _still(incident).filter(narrowed_at__isnull=True).update(**soon):
        logger.warning(
            "incident narrowed: connections that did not fail work",
            extra={"fields": {"login": incident.login}},
        )


def end(incident: Incident, *, at: datetime) -> bool:
    """Close the incident, and schedule a check of the connections marked as refused while it began.

    After a day in which others worked, all refused connections are checked. False if it is closed already.
    """
    with transaction.atomic():
        if not _still(incident).update(ended_at=at):
            return False
        refused = refused_in(incident)
        if not has_narrowed_for_long(incident, at=at):
            refused = refused.filter(state__in=REFUSED_STATES)
        ids = list(refused.order_by("pk").select_for_update().values_list("pk", flat=True))
        Connection.objects.filter(pk__in=ids).update(check_at=at)
    minutes = round((at - incident.began_at).total_seconds() / 60)
    fields = {"login": incident.login, "cause": incident.cause, "minutes": minutes}
    logger.error("incident ends: calls with connections of this login work again", extra={"fields": fields})
    return True


def _begin(login: Login, cause: Trouble, at: datetime) -> bool:
    """Open the login's incident. False if another process was first."""
    values = {
        "cause": cause.value,
        "began_at": at,
        "ended_at": None,
        "narrowed_at": None,
        "next_probe_at": at + PROBE_FIRST,
        "probes": 0,
    }
    _, is_first = Incident.objects.get_or_create(login=login.value, defaults=values)
    return is_first or bool(Incident.objects.filter(pk=login.value, ended_at__isnull=False).update(**values))


def _failing(trouble: Trouble, since: datetime) -> Q:
    """The connections that failed in this way after `since`."""
    if trouble is Trouble.REFUSED:
        return Q(refused_at__gt=since)
    return Q(trouble=trouble.value, trouble_at__gt=since)


def _still(incident: Incident) -> QuerySet[Incident]:
    """The same incident, while it is open: a later one of the login doesn't match."""
    return Incident.objects.filter(pk=incident.pk, began_at=incident.began_at, ended_at__isnull=True)


def _row_of(facts: ConnectionFacts) -> QuerySet[Connection]:
    # No row if the token was replaced meanwhile: an answer to the old token says nothing about the new one.
    return Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)
