"""Deletes or changes many rows in batches, each in a separate transaction, so that no row is locked for long."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

BATCH = 1_000


def delete_in_batches(rows: QuerySet[Any], *, batch: int | None = None) -> int:
    """Delete the rows. Returns how many. What a killed process has deleted stays deleted.

    Not inside a transaction: then all batches would be one.
    """
    removed = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[: batch or BATCH]):
        rows.filter(
            pk__in=ids
        ).delete()  # still by condition: a row may have been used again since it was listed
        removed += len(ids)
    return removed


def update_in_batches(rows: QuerySet[Any], **values: Any) -> int:
    """The same for a change, after which the rows no longer match the queryset."""
    changed = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
        rows.filter(pk__in=ids).update(**values)
        changed += len(ids)
    return changed
