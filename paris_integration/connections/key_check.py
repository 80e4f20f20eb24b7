"""Which keys encrypt the stored secrets, and whether the configured ones open them. For backups and restores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from paris_integration.connections import vault
from paris_integration.models import Connection, LoginAttempt
from paris_integration.models.fields import SealedToken


@dataclass(slots=True)
class KeyUse:
    """How many secrets a key encrypts, and how many of them can be opened."""

    sealed: int = 0
    opened: int = 0

    def count(self, opens: bool) -> None:
        self.sealed += 1
        self.opened += opens


def keys_in_use() -> dict[str, KeyUse]:
    """By the id of the key that encrypts them. Reads and opens every stored secret."""
    found: dict[str, KeyUse] = {}
    for check in (_tokens, *_others):
        for key_id, opens in check():
            found.setdefault(key_id, KeyUse()).count(opens)
    return found


def also_check(check: Callable[[], Iterable[tuple[str, bool]]]) -> None:
    """Let another app report what it has encrypted with `vault.seal_text`: the id of the key, and whether it opens."""
    _others[check] = None


_others: dict[Callable[[], Iterable[tuple[str, bool]]], None] = {}


def _tokens() -> Iterable[tuple[str, bool]]:
    for model in (Connection, LoginAttempt):
        rows: QuerySet[Any] = model.objects.filter(token__isnull=False).only("token")
        for row in rows.iterator(chunk_size=500):
            yield row.token.key_id.hex(), _opens(row.token, row.pk)


def _opens(sealed: SealedToken, row_id: object) -> bool:
    try:
        vault.open_token(sealed, row_id=row_id)
    except vault.CannotOpen:
        return False
    return True
