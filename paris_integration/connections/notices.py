"""Mail about connections: before a token expires, and when the account must be reconnected. Each is sent once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from entitlements.memberships import Role
from outbox import sending
from paris_integration.connections import incidents, links
from paris_integration.models import Connection
from paris_integration.types import ConnectionState

DAYS_BEFORE = (14, 7, 3, 1)
LAST_NOTICE = 0  # value of `told_days` once the mail about reconnecting is sent
_RECONNECT_STATES = (
    ConnectionState.RECONNECT_REQUIRED.value,
    ConnectionState.PERMISSION_MISSING.value,
    ConnectionState.DEAUTHORISED.value,
)


def due_notice(
    *, expires_at: datetime | None, needs_reconnect: bool, told_days: int | None, now: datetime
) -> int | None:
    """Which notice is due: a number of days before expiry, LAST_NOTICE, or None. Missed notices are skipped. Pure."""
    if needs_reconnect:
        return LAST_NOTICE if told_days != LAST_NOTICE else None
    if expires_at is None:
        return None
    left = expires_at - now
    if left <= timedelta():
        return None  # no mail: our clock may be wrong, and the renewal that is due now asks Meta
    reached = [days for days in DAYS_BEFORE if left <= timedelta(days=days)]
    if not reached or (told_days is not None and told_days <= min(reached)):
        return None
    return min(reached)


def send_due(*, now: datetime) -> int:
    """Send every notice that is due. Returns how many were sent."""
    sent = 0
    for row in _ending(now).union(_to_reconnect(now)):
        needs_reconnect = row.state in _RECONNECT_STATES
        notice = due_notice(
            expires_at=row.expires_at, needs_reconnect=needs_reconnect, told_days=row.told_days, now=now
        )
        if notice is None:
            continue
        # Claimed before it is queued, so that no two processes queue it. A crash between the two loses the mail.
        claimed = Connection.objects.filter(
            pk=row.pk, told_days=row.told_days, token_version=row.token_version
        )
        if claimed.update(told_days=notice):
            sent += _send(row, notice)
    return sent


def _ending(now: datetime) -> QuerySet[Connection]:
    within = Connection.objects.filter(expires_at__lte=now + timedelta(days=DAYS_BEFORE[0]))
    return within.exclude(state__in=_RECONNECT_STATES).exclude(login__in=incidents.open_logins())


def _to_reconnect(now: datetime) -> QuerySet[Connection]:
    """Connections to mail about reconnecting."""
    # Not while an incident is open, may still begin (the window), or is being checked (`check_at`).
    is_settled = Q(check_at__isnull=True) | Q(token__isnull=True)
    settled = Connection.objects.filter(
        is_settled, state__in=_RECONNECT_STATES, state_changed_at__lte=now - incidents.WINDOW
    )
    return settled.exclude(told_days=LAST_NOTICE).exclude(login__in=incidents.open_logins())


def ask_to_reconnect(connection_id: UUID, instance_id: str) -> int:
    """Mail the reconnect link now, at the request of staff. Returns the number of recipients."""
    row = Connection.objects.filter(pk=connection_id).first()
    if row is None:
        return 0
    context = {"kind": "asked", "username": row.username, "reconnect_url": _reconnect_url(row, instance_id)}
    return _mail(row, context)


def _send(row: Connection, notice: int) -> int:
    instance_ids = links.instances_of(row.pk)
    if not instance_ids:
        return 0
    context = {
        "kind": "dead" if notice == LAST_NOTICE else "ending",
        "username": row.username,
        "days": notice,
        "reconnect_url": _reconnect_url(row, instance_ids[0]),
    }
    return min(_mail(row, context), 1)


def _reconnect_url(row: Connection, instance_id: str) -> str:
    query = urlencode({"instanceId": instance_id, "login": row.login})
    return str(settings.RECONNECT_URL.format(query=quote(query, safe="")))


def _mail(row: Connection, context: Mapping[str, object]) -> int:
    """Mail every active editor and owner of the workspace. Returns the number of recipients."""
    people = User.objects.filter(
        memberships__workspace_id=row.workspace_id,
        memberships__role__in=[Role.EDITOR, Role.OWNER],
        is_active=True,
    ).exclude(email="")
    addresses = sorted(set(people.values_list("email", flat=True)))
    for address in addresses:
        sending.queue("connection", address, {**context, "workspace": row.workspace.name})
    return len(addresses)
