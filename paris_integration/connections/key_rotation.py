"""Re-encrypts every stored token with the first key. Safe to run, interrupt and repeat while the service is live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from paris_integration.connections import vault
from paris_integration.models import Connection, LoginAttempt

BATCH = 200


@dataclass(frozen=True, slots=True)
class RotationReport:
    """Rows per outcome. `left`: readable rows still on another key; at 0 the old keys can be removed."""

    rotated: int
    unreadable: int
    left: int

    def __add__(self, other: RotationReport) -> RotationReport:
        return RotationReport(
            self.rotated + other.rotated, self.unreadable + other.unreadable, self.left + other.left
        )


def rotate_encryption_keys() -> RotationReport:
    """Re-encrypt every token that doesn't use the first key. Unreadable tokens are counted and left unchanged."""
    rotated = unreadable = 0
    for row in _rows_on_other_keys():
        try:
            token = vault.open_token(row.token, row_id=row.pk)
        except vault.CannotOpen:
            unreadable += 1
            continue
        sealed = vault.seal_token(token, row_id=row.pk)
        # Written only if the row still holds the token that was read: a renewal may have replaced it meanwhile.
        rotated += type(row)._default_manager.filter(pk=row.pk, token=row.token).update(token=sealed)
    left = sum(1 for row in _rows_on_other_keys() if _opens(row))
    report = RotationReport(rotated, unreadable, left)
    for rotate in _others:
        report = report + rotate()
    return report


def also_rotate(rotate: Callable[[], RotationReport]) -> None:
    """Let another app re-encrypt what it has encrypted with `vault.seal_text`."""
    _others[rotate] = None


_others: dict[Callable[[], RotationReport], None] = {}


def _rows_on_other_keys() -> Iterator[Any]:
    models: tuple[type[Model], ...] = (Connection, LoginAttempt)
    for model in models:
        last = None
        while True:
            rows = model._default_manager.filter(token__isnull=False).order_by("pk")
            batch = list((rows if last is None else rows.filter(pk__gt=last))[:BATCH])
            if not batch:
                break
            last = batch[-1].pk
            yield from (row for row in batch if not vault.is_on_first_key(row.token))  # type: ignore[attr-defined]


def _opens(row: Any) -> bool:
    try:
        vault.open_token(row.token, row_id=row.pk)
    except vault.CannotOpen:
        return False
    return True
