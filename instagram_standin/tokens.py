"""Which access tokens exist, and for whom they speak.

Tokens are known by value; nothing here makes or ages them. Login flows put theirs in with `add`.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """The two login products, each with a host of its own; a token of one is worth nothing on the other."""

    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"


@dataclass(frozen=True, slots=True)
class Grant:
    """`account_id`: the professional account the token may read as its own."""

    family: Family
    account_id: str


class TokenRegistry:
    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._lock = threading.Lock()

    def add(self, token: str, account_id: str, family: Family) -> None:
        with self._lock:
            self._grants[token] = Grant(family, account_id)

    def revoke(self, token: str) -> None:
        """From now on the token is refused; one that is not known stays so."""
        with self._lock:
            self._grants.pop(token, None)

    def find(self, token: str, family: Family) -> Grant | None:
        with self._lock:
            grant = self._grants.get(token)
        return grant if grant is not None and grant.family is family else None

    def clear(self) -> None:
        with self._lock:
            self._grants.clear()


def fingerprint(token: str) -> str:
    """Enough to tell tokens apart in a log, too little to use one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:12]
