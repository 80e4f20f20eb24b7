"""What is kept no longer than needed: removed in small batches, so that no table is held for long."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from paris_integration.models import (
    AuditEvent,
    ForcedRefresh,
    LoginAttempt,
    PreviewWindow,
    QuotaWindow,
    RefreshReceipt,
)

BATCH = 1_000
RECEIPTS_LAST = timedelta(hours=24)
LOGIN_ATTEMPTS_LAST = timedelta(hours=1)
WINDOWS_LAST = timedelta(days=2)


def clean_up(*, now: datetime) -> dict[str, int]:
    """Remove what has outlived its setting; how many rows of which kind."""
    ledger = now - timedelta(days=settings.LEDGER_RETENTION_DAYS)
    settled = ForcedRefresh.objects.exclude(state=ForcedRefresh.State.RESERVED)
    old: Iterable[tuple[str, QuerySet[Any]]] = (
        ("receipts", RefreshReceipt.objects.filter(created_at__lt=now - RECEIPTS_LAST)),
        (
            "auditEvents",
            AuditEvent.objects.filter(at__lt=now - timedelta(days=settings.AUDIT_RETENTION_DAYS)),
        ),
        ("forcedRefreshes", settled.filter(settled_at__lt=ledger)),
        ("quotaWindows", QuotaWindow.objects.filter(starts_at__lt=min(ledger, now - WINDOWS_LAST))),
        ("loginAttempts", LoginAttempt.objects.filter(expires_at__lt=now - LOGIN_ATTEMPTS_LAST)),
        ("previewWindows", PreviewWindow.objects.filter(starts_at__lt=now - WINDOWS_LAST)),
    )
    return {name: _remove(rows) for name, rows in old}


def _remove(rows: QuerySet[Any]) -> int:
    removed = 0
    while ids := list(rows.values_list("pk", flat=True)[:BATCH]):
        rows.model._default_manager.filter(pk__in=ids).delete()
        removed += len(ids)
    return removed
