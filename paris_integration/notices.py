"""Mail about connections: before a token ends, and when it has died; each notice once, with the way to mend it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.template.loader import render_to_string

from entitlements.memberships import Role
from paris_integration import links
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
    reached = [days for days in DAYS_BEFORE if left <= timedelta(days=days)]
    if not reached or (told_days is not None and told_days <= min(reached)):
        return None
    return min(reached)


def send_due(*, now: datetime) -> int:
    """Send every notice that is due; how many. Claimed before it is sent, so that no two processes send one."""
    sent = 0
    ending = Connection.objects.filter(expires_at__lte=now + timedelta(days=DAYS_BEFORE[0]))
    for row in ending.union(Connection.objects.filter(state__in=_DEAD_STATES)):
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


def _send(row: Connection, notice: int) -> int:
    instance_ids = links.instances_of(row.pk)
    people = User.objects.filter(
        memberships__workspace_id=row.workspace_id,
        memberships__role__in=[Role.EDITOR, Role.OWNER],
        is_active=True,
    ).exclude(email="")
    addresses = sorted(set(people.values_list("email", flat=True)))
    if not instance_ids or not addresses:
        return 0
    context = {
        "username": row.username,
        "days": notice,
        "is_dead": notice == DEAD,
        "reconnect_url": settings.RECONNECT_URL.format(
            query=quote(urlencode({"instanceId": instance_ids[0], "login": row.login}), safe="")
        ),
    }
    subject = (
        f"@{row.username}: please reconnect Instagram"
        if notice == DEAD
        else f"@{row.username}: access ends soon"
    )
    for address in addresses:
        try:
            send_mail(subject, render_to_string("mail/connection.txt", context), None, [address])
        except OSError as error:
            logger.error("notice not sent: %s", type(error).__name__)
    return 1
