"""Mail about connections: before a token ends, and when it has died; each notice once, with the way to mend it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string

from entitlements.memberships import Role
from foundation import threads
from paris_integration.connections import incidents, links
from paris_integration.models import Connection
from paris_integration.types import ConnectionState

logger = logging.getLogger(__name__)

DAYS_BEFORE = (14, 7, 3, 1)
DEAD = 0  # what `told_days` says once the last notice is out
_DEAD_STATES = (
    ConnectionState.RECONNECT_REQUIRED.value,
    ConnectionState.PERMISSION_MISSING.value,
    ConnectionState.DEAUTHORISED.value,
)


def due_notice(
    *, expires_at: datetime | None, is_dead: bool, told_days: int | None, now: datetime
) -> int | None:
    """Which notice is due: days before the end, DEAD, or None. A notice missed is not caught up by two. Pure."""
    if is_dead:
        return DEAD if told_days != DEAD else None
    if expires_at is None:
        return None
    left = expires_at - now
    if left <= timedelta():  # our clock may be wrong: a renewal asks Meta
        return None
    reached = [days for days in DAYS_BEFORE if left <= timedelta(days=days)]
    if not reached or (told_days is not None and told_days <= min(reached)):
        return None
    return min(reached)


def send_due(*, now: datetime) -> int:
    """Send every notice that is due; how many. Claimed before it is sent, so that no two processes send one."""
    sent = 0
    for row in _ending(now).union(_dead(now)):
        is_dead = row.state in _DEAD_STATES
        notice = due_notice(expires_at=row.expires_at, is_dead=is_dead, told_days=row.told_days, now=now)
        if notice is None:
            continue
        claimed = Connection.objects.filter(
            pk=row.pk, told_days=row.told_days, token_version=row.token_version
        )
        if claimed.update(told_days=notice):
            sent += _send(row, notice)
    return sent


def _ending(now: datetime) -> QuerySet[Connection]:
    within = Connection.objects.filter(expires_at__lte=now + timedelta(days=DAYS_BEFORE[0]))
    return within.exclude(state__in=_DEAD_STATES).exclude(login__in=incidents.open_logins())


def _dead(now: datetime) -> QuerySet[Connection]:
    """Dead connections whose people may be mailed: not while an incident may still begin, lasts, or is looked into."""
    is_settled = Q(check_at__isnull=True) | Q(token__isnull=True)
    settled = Connection.objects.filter(
        is_settled, state__in=_DEAD_STATES, state_changed_at__lte=now - incidents.WINDOW
    )
    return settled.exclude(told_days=DEAD).exclude(login__in=incidents.open_logins())


def ask_to_reconnect(connection_id: UUID, instance_id: str) -> int:
    """Send the way to reconnect now, because somebody of the staff asks for it; to how many people it went."""
    row = Connection.objects.filter(pk=connection_id).first()
    if row is None:
        return 0
    context = {"kind": "asked", "username": row.username, "reconnect_url": _reconnect_url(row, instance_id)}
    return _mail(row, f"@{row.username}: please reconnect Instagram", context)


def _send(row: Connection, notice: int) -> int:
    instance_ids = links.instances_of(row.pk)
    if not instance_ids:
        return 0
    context = {
        "kind": "dead" if notice == DEAD else "ending",
        "username": row.username,
        "days": notice,
        "reconnect_url": _reconnect_url(row, instance_ids[0]),
    }
    subject = "please reconnect Instagram" if notice == DEAD else "access ends soon"
    return min(_mail(row, f"@{row.username}: {subject}", context), 1)


def _reconnect_url(row: Connection, instance_id: str) -> str:
    query = urlencode({"instanceId": instance_id, "login": row.login})
    return str(settings.RECONNECT_URL.format(query=quote(query, safe="")))


def _mail(row: Connection, subject: str, context: Mapping[str, object]) -> int:
    """To every editor and owner of the connection's workspace who has an address; to how many it was tried."""
    people = User.objects.filter(
        memberships__workspace_id=row.workspace_id,
        memberships__role__in=[Role.EDITOR, Role.OWNER],
        is_active=True,
    ).exclude(email="")
    addresses = sorted(set(people.values_list("email", flat=True)))
    text = render_to_string("mail/connection.txt", {**context, "workspace": row.workspace.name})
    threads.give_back()  # a mail server may be slow
    for address in addresses:
        try:
            send_mail(subject, text, None, [address])
        except OSError as error:
            logger.error("notice not sent: %s", type(error).__name__)
    return len(addresses)
