"""Deletes rows past their retention period, in small batches, so that no table is locked for long."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Replace

from foundation.batches import delete_in_batches
from paris_integration import clock
from paris_integration.feeds.routing import PUBLIC_CREDENTIAL
from paris_integration.models import (
    AuditEvent,
    Connection,
    ConnectLink,
    DailyUsage,
    ErasedInstance,
    Feed,
    ForcedRefresh,
    HashtagAccount,
    HashtagNumber,
    HashtagRefusal,
    HashtagSearch,
    LoginAttempt,
    Pause,
    PersonFence,
    PreviewWindow,
    ProviderWindow,
    QuotaWindow,
    RefreshReceipt,
)
from paris_integration.models.feeds import forget_copies
from paris_integration.quota import receipts

BATCH = 1_000
FEED_BATCH = 100  # feeds are large, and each has a copy in the cache
LOGIN_ATTEMPTS_LAST = timedelta(hours=1)
CONNECT_LINKS_LAST = timedelta(days=30)  # after they have ended
PERSON_FENCES_LAST = timedelta(hours=2)  # longer than a login: ten minutes at Meta, ten for the choice
HASHTAG_SEARCHES_LAST = timedelta(days=8)  # they count for seven days
WINDOWS_LAST = timedelta(days=2)


def remove_expired(*, now: datetime) -> dict[str, int]:
    """Delete rows past their retention period. Returns the number of rows per kind."""
    for erased in ErasedInstance.objects.iterator():
        sweep(erased.workspace_id, erased.instance_id, erased_at=erased.erased_at)
    ledger = now - timedelta(days=settings.LEDGER_RETENTION_DAYS)
    settled = ForcedRefresh.objects.exclude(state=ForcedRefresh.State.RESERVED)
    old: Iterable[tuple[str, QuerySet[Any]]] = (
        ("receipts", receipts.expired(now=now)),
        (
            "auditEvents",
            AuditEvent.objects.filter(at__lt=now - timedelta(days=settings.AUDIT_RETENTION_DAYS)),
        ),
        ("forcedRefreshes", settled.filter(settled_at__lt=ledger)),
        ("quotaWindows", QuotaWindow.objects.filter(starts_at__lt=min(ledger, now - WINDOWS_LAST))),
        (
            "dailyUsage",
            DailyUsage.objects.filter(day__lt=(now - timedelta(days=settings.USAGE_RETENTION_DAYS)).date()),
        ),
        ("pauses", Pause.objects.filter(until__lt=now)),
        ("hashtagRefusals", HashtagRefusal.objects.filter(until__lt=now)),
        ("loginAttempts", LoginAttempt.objects.filter(expires_at__lt=now - LOGIN_ATTEMPTS_LAST)),
        ("connectLinks", ConnectLink.objects.filter(expires_at__lt=now - CONNECT_LINKS_LAST)),
        ("erased", ErasedInstance.objects.filter(erased_at__lt=now - ErasedInstance.REMEMBERED_FOR)),
        (
            "personFences",
            PersonFence.objects.filter(held_at__lt=clock.database_now() - PERSON_FENCES_LAST),
        ),
        ("hashtagSearches", HashtagSearch.objects.filter(first_at__lt=now - HASHTAG_SEARCHES_LAST)),
        (
            "hashtagAccounts",
            HashtagAccount.objects.exclude(account_id__in=HashtagSearch.objects.values("account_id")),
        ),
        ("hashtagNumbers", _unused_numbers(now)),
        ("rateLimits", _rate_limits_of_deleted_connections()),
        ("previewWindows", PreviewWindow.objects.filter(starts_at__lt=now - WINDOWS_LAST)),
    )
    removed = {name: delete_in_batches(rows, batch=BATCH) for name, rows in old}
    return {**removed, "feeds": remove_unread_feeds(now=now)}


def _unused_numbers(now: datetime) -> QuerySet[HashtagNumber]:
    """The numbers of tags that no account has searched lately, and of tags that may be searched again."""
    has_ended = Q(unavailable_until__isnull=True) | Q(unavailable_until__lt=now)
    return HashtagNumber.objects.filter(has_ended).exclude(tag__in=HashtagSearch.objects.values("tag"))


def _rate_limits_of_deleted_connections() -> QuerySet[ProviderWindow]:
    # SQLite stores ids without dashes.
    ids = Connection.objects.annotate(plain=Replace(Cast("pk", CharField()), Value("-"))).values("plain")
    of_connections = ProviderWindow.objects.exclude(credential=PUBLIC_CREDENTIAL)
    return of_connections.alias(plain=Replace("credential", Value("-"))).exclude(plain__in=ids)


def sweep(workspace_id: UUID, instance_id: str, *, erased_at: datetime) -> None:
    """Delete rows written for an instance while it was being erased, but not those of the workspace it moved to."""
    Feed.objects.filter(workspace_id=workspace_id, instance_id=instance_id).purge()
    charged_here = Q(forced_refresh__workspace_id=workspace_id)
    # A receipt without a unit doesn't tell its workspace, only its time.
    until = erased_at + ErasedInstance.WRITES_END_AFTER
    free = Q(forced_refresh__isnull=True, created_at__lte=until)
    RefreshReceipt.objects.filter(charged_here | free, instance_id=instance_id).delete()


def remove_unread_feeds(*, now: datetime) -> int:
    """Delete feeds not read, previewed or refreshed for UNREAD_FEED_RETENTION_DAYS. Returns how many.

    The next read fetches the feed again. Feeds that are locked or being refreshed stay until the next run.
    """
    # Never earlier than ACTIVE_FEED_DAYS, during which beat refreshes the feed.
    days = max(settings.UNREAD_FEED_RETENTION_DAYS, settings.ACTIVE_FEED_DAYS)
    removed = 0
    while rows := _remove_batch_of_feeds(before=now - timedelta(days=days)):
        forget_copies(rows)
        removed += len(rows)
    return removed


@transaction.atomic
def _remove_batch_of_feeds(*, before: datetime) -> list[Feed]:
    unread = Q(last_read_at__lt=before) | Q(last_read_at__isnull=True, created_at__lt=before)
    untouched = Q(attempted_at__isnull=True) | Q(attempted_at__lt=before)
    idle = clock.is_free("lease_expires_at", clock.database_now())
    feeds = Feed.objects.filter(unread, untouched, idle).without_posts()
    if connection.features.has_select_for_update_skip_locked:
        feeds = feeds.select_for_update(skip_locked=True)
    rows = list(feeds[:FEED_BATCH])
    Feed.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return rows
