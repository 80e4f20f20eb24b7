"""Which mails wait too long for the mail server, or were given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q, QuerySet

from outbox.models import Mail

WAITS_LONG_AFTER = timedelta(minutes=15)
GIVEN_UP_OF = timedelta(days=7)
# The mail server works, but refuses this recipient for now.
_RECIPIENT_REFUSED = "SMTPRecipientsRefused"


@dataclass(frozen=True, slots=True)
class Unsent:
    """`waiting`: mails queued before `waiting_before`. `given_up`: those queued since `given_up_since`."""

    waiting: int
    waiting_before: datetime
    oldest_at: datetime | None
    given_up: int
    given_up_since: datetime
    latest_at: datetime | None


def unsent(*, now: datetime) -> Unsent:
    before, since = now - WAITS_LONG_AFTER, now - GIVEN_UP_OF
    is_waiting = Q(next_try_at__isnull=False, queued_at__lt=before)
    is_given_up = Q(next_try_at__isnull=True, queued_at__gte=since)
    found = Mail.objects.aggregate(
        waiting=Count("pk", filter=is_waiting),
        oldest_at=Min("queued_at", filter=is_waiting),
        given_up=Count("pk", filter=is_given_up),
        latest_at=Max("queued_at", filter=is_given_up),
    )
    return Unsent(found["waiting"], before, found["oldest_at"], found["given_up"], since, found["latest_at"])


def waiting_for_the_server() -> QuerySet[Mail]:
    """The mails that wait for the mail server or a worker. Not those whose recipient the server refuses for now."""
    return Mail.objects.filter(next_try_at__isnull=False).exclude(fault__startswith=_RECIPIENT_REFUSED)
