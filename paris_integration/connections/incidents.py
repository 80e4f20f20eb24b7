"""Incidents: Meta refuses many connections of one login within minutes, so the cause is our app, not their owners.

During an incident no connection of the login changes state, no mail is sent, and calls wait while probes check whether
it is over. Each login has one row, opened and closed by conditional writes on the database's clock, so only one
process logs the alert.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from paris_integration import clock
from paris_integration.models import Connection, Incident
from paris_integration.types import ConnectionFacts, ConnectionState, Login

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=10)
PROBE_FIRST = timedelta(minutes=1)
PROBE_CAP = timedelta(minutes=15)
REFUSED_STATES = (ConnectionState.RECONNECT_REQUIRED.value, ConnectionState.PERMISSION_MISSING.value)


@dataclass(frozen=True, slots=True)
class BurstLimits:
    """An incident needs at least this many refused connections, and this share of the connections tried."""

    connections: int
    share_percent: float


def is_incident(refused: int, tried: int, limits: BurstLimits) -> bool:
    """Whether this many refusals among the connections tried count as an incident. Pure."""
    return refused >= limits.connections and refused * 100 >= tried * limits.share_percent


def probe_wait(probes: int) -> timedelta:
    """How long to wait after this many probes: one minute, doubling up to 15 minutes. Pure."""
    return min(PROBE_FIRST * (1 << min(probes, 10)), PROBE_CAP)


def open_logins() -> list[str]:
    """The logins with an open incident."""
    return list(Incident.objects.filter(ended_at__isnull=True).values_list("login", flat=True))


def incident_of(facts: ConnectionFacts) -> Incident | None:
    """The open incident that keeps this connection from being used, or None."""
    incident = Incident.objects.filter(pk=facts.login.value, ended_at__isnull=True).first()
    if incident is None:
        return None
    if incident.narrowed_at is not None and not refused_in(incident).filter(pk=facts.connection_id).exists():
        return None
    return incident


def held_until(facts: ConnectionFacts, *, now: datetime) -> datetime | None:
    """When the connection may be used again, shortly after the next probe; None if it may be used now."""
    incident = incident_of(facts)
    if incident is None:
        return None
    share = random.random()  # noqa: S311 - spreads load, guards nothing
    return now + until_probe(incident, at=clock.database_now()) + PROBE_FIRST * (1 + share)


def until_probe(incident: Incident, *, at: datetime) -> timedelta:
    """How long until the incident's next probe. A time beyond PROBE_CAP was written by a wrong clock."""
    return min(max(incident.next_probe_at - at, timedelta()), PROBE_CAP)


def note_tried(facts: ConnectionFacts, *, at: datetime) -> None:
    """Record that Meta answered a call with this token."""
    _row_of(facts).update(tried_at=at)


def note_accepted(facts: ConnectionFacts, *, at: datetime) -> None:
    """Record that this token read its own account. Cancels a scheduled check."""
    _row_of(facts).update(tried_at=at, refused_at=None, check_at=None)


def note_refused(facts: ConnectionFacts, *, at: datetime) -> bool:
    """Record that Meta refused this token its own account. False if the connection has a newer token by now."""
    return bool(_row_of(facts).update(tried_at=at, refused_at=at))


def forget_refusal(facts: ConnectionFacts) -> None:
    """Forget that this token was refused, and cancel a scheduled check."""
    _row_of(facts).update(refused_at=None, check_at=None)


def covers(login: Login, *, at: datetime) -> bool:
    """Whether the login has an incident. Opens one if the refusals of the last ten minutes are enough."""
    last = Incident.objects.filter(pk=login.value).first()
    if last is not None and last.ended_at is None:
        return True
    since = at - WINDOW
    # Refusals from before the end of the last incident don't count towards the next. An end far ahead of now was
    # written by a wrong clock.
    if last is not None and last.ended_at is not None and last.ended_at <= at + WINDOW:
        since = max(since, last.ended_at)
    found = Connection.objects.filter(login=login.value, tried_at__gt=since).aggregate(
        tried=Count("pk"), refused=Count("pk", filter=Q(refused_at__gt=since))
    )
    limits = BurstLimits(settings.INCIDENT_CONNECTIONS, settings.INCIDENT_SHARE_PERCENT)
    if not is_incident(found["refused"], found["tried"], limits):
        return False
    if _begin(login, at):
        logger.error(
            "incident begins: Meta refuses many connections of one login",
            extra={"fields": {"login": login.value, **found}},
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


def refused_in(incident: Incident) -> QuerySet[Connection]:
    """The connections refused in this incident, including those marked as refused while it began."""
    return Connection.objects.filter(
        login=incident.login, token__isnull=False, refused_at__gt=incident.began_at - WINDOW
    )


def narrow(incident: Incident, *, at: datetime) -> None:
    """Record that a connection that wasn't refused works. From now on only the refused ones wait."""
    if _still(incident).filter(narrowed_at__isnull=True).update(narrowed_at=at):
        logger.warning(
            "incident narrowed: connections that were not refused work",
            extra={"fields": {"login": incident.login}},
        )


def end(incident: Incident, *, at: datetime) -> None:
    """Close the incident, and schedule a check of the connections marked as refused while it began."""
    with transaction.atomic():
        if not _still(incident).update(ended_at=at):
            return
        refused = refused_in(incident).filter(state__in=REFUSED_STATES).order_by("pk").select_for_update()
        ids = list(refused.values_list("pk", flat=True))
        Connection.objects.filter(pk__in=ids).update(check_at=at)
    fields = {"login": incident.login, "minutes": round((at - incident.began_at).total_seconds() / 60)}
    logger.error("incident ends: Meta accepts connections of this login again", extra={"fields": fields})


def _begin(login: Login, at: datetime) -> bool:
    """Open the login's incident. False if another process was first."""
    values = {
        "began_at": at,
        "ended_at": None,
        "narrowed_at": None,
        "next_probe_at": at + PROBE_FIRST,
        "probes": 0,
    }
    _, is_first = Incident.objects.get_or_create(login=login.value, defaults=values)
    return is_first or bool(Incident.objects.filter(pk=login.value, ended_at__isnull=False).update(**values))


def _still(incident: Incident) -> QuerySet[Incident]:
    """The same incident, while it is open: a later one of the login doesn't match."""
    return Incident.objects.filter(pk=incident.pk, began_at=incident.began_at, ended_at__isnull=True)


def _row_of(facts: ConnectionFacts) -> QuerySet[Connection]:
    # No row if the token was replaced meanwhile: an answer to the old token says nothing about the new one.
    return Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)
