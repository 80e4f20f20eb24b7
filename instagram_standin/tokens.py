"""Which access tokens exist, for whom they speak, and what has become of them.

Tokens are known by value. Login flows put theirs in with `issue`, tests with `add`; both may then be aged, expired,
revoked or robbed of a permission. Times are Unix seconds.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from instagram_standin.people import app_scoped_id, person_id_of
from instagram_standin.scopes import SCOPES, Family

__all__ = ["Family", "Grant", "Rejection", "TokenKind", "TokenRegistry", "fingerprint"]

EXPIRED = 463
NOT_AUTHORISED = 458
DENIED = 10  # the code of a call that lacks a permission, unless 200 is asked for


class TokenKind(StrEnum):
    SHORT = "short"
    LONG = "long"
    PAGE = "page"
    PLANTED = "planted"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a token is refused with code 190; a rejection may come without a subcode."""

    subcode: int | None = None
    since: float = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for.

    `account_ids`: the professional accounts it may read as its own. `user_id`: the person, as the app knows them.
    `page_ids`: the Facebook Pages granted. `declined`: asked for, and not given. `expires_at`: None is never.
    `denial_code`: 10 or 200, what a call answers that lacks a permission.
    """

    family: Family
    account_ids: tuple[str, ...]
    user_id: str
    scopes: frozenset[str]
    kind: TokenKind
    issued_at: float
    expires_at: float | None = None
    page_ids: tuple[str, ...] = ()
    declined: frozenset[str] = frozenset()
    rejection: Rejection | None = None
    denial_code: int = DENIED

    def rejection_at(self, now: float) -> Rejection | None:
        """Why the token is worth nothing, None while it is good."""
        if self.rejection is not None:
            return self.rejection
        if self.expires_at is not None and self.expires_at <= now:
            return Rejection(EXPIRED, self.expires_at)
        return None


class TokenRegistry:
    """What is done to a token that nobody knows is done to none."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._lock = threading.Lock()

    # Making

    def add(
        self, token: str, account_id: str, family: Family, *, scopes: Iterable[str] | None = None
    ) -> None:
        """A token that reads one account and never expires; with all permissions unless `scopes` says which."""
        user_id_of = app_scoped_id if family is Family.INSTAGRAM else person_id_of
        self.put(
            token,
            Grant(
                family=family,
                account_ids=(account_id,),
                user_id=user_id_of(account_id),
                scopes=SCOPES[family] if scopes is None else frozenset(scopes),
                kind=TokenKind.PLANTED,
                issued_at=time.time(),
            ),
        )

    def issue(self, grant: Grant) -> str:
        """A new token for the grant."""
        start = "IGAA" if grant.family is Family.INSTAGRAM else "EAAB"
        token = f"{start}{grant.kind.value[0].upper()}{secrets.token_urlsafe(48)}"
        self.put(token, grant)
        return token

    def put(self, token: str, grant: Grant) -> None:
        with self._lock:
            self._grants[token] = grant

    # Looking

    def find(self, token: str, family: Family) -> Grant | None:
        """The grant, also of a token that is refused by now; None for one that never was."""
        with self._lock:
            grant = self._grants.get(token)
        return grant if grant is not None and grant.family is family else None

    def select(
        self,
        *,
        token: str | None = None,
        token_hash: str | None = None,
        account_id: str | None = None,
        user_id: str | None = None,
        family: Family | None = None,
    ) -> list[str]:
        """The tokens for which all holds that is given, oldest first; without anything, all."""
        with self._lock:
            return [
                known
                for known, grant in self._grants.items()
                if (token is None or known == token)
                and (token_hash is None or fingerprint(known) == token_hash)
                and (account_id is None or account_id in grant.account_ids)
                and (user_id is None or grant.user_id == user_id)
                and (family is None or grant.family is family)
            ]

    def as_json(self) -> list[dict[str, object]]:
        """All tokens as fingerprints, oldest first; ages and lives in seconds."""
        now = time.time()
        with self._lock:
            return [_as_json(token, grant, now) for token, grant in self._grants.items()]

    # What becomes of them

    def expire(self, token: str) -> None:
        """Refused from now on, with subcode 463."""
        self.set_expiry(token, -1)

    def revoke(self, token: str, subcode: int | None = None) -> None:
        """Refused from now on. 458: app removed; 460: password changed; 463: expired; 467: signed out."""
        self._change(token, lambda grant: replace(grant, rejection=Rejection(subcode, time.time())))

    def set_age(self, token: str, seconds: float) -> None:
        """Issued so long ago, with the whole life it had: an age beyond that is an expired token."""
        issued_at = time.time() - seconds

        def age(grant: Grant) -> Grant:
            ends = None if grant.expires_at is None else issued_at + grant.expires_at - grant.issued_at
            return replace(grant, issued_at=issued_at, expires_at=ends)

        self._change(token, age)

    def set_expiry(self, token: str, seconds: float | None) -> None:
        """Good for so many seconds more; None is for ever."""
        ends = None if seconds is None else time.time() + seconds
        self._change(token, lambda grant: replace(grant, expires_at=ends))

    def remove_permission(self, token: str, scope: str, *, code: int = DENIED) -> None:
        """Calls that need `scope` are refused with `code`, 10 or 200."""
        self._change(
            token,
            lambda grant: replace(
                grant,
                scopes=grant.scopes - {scope},
                declined=grant.declined | {scope},
                denial_code=code,
            ),
        )

    def restore_permission(self, token: str, scope: str) -> None:
        self._change(
            token,
            lambda grant: replace(grant, scopes=grant.scopes | {scope}, declined=grant.declined - {scope}),
        )

    def forget_user(self, user_id: str, family: Family) -> None:
        """The person removed the app: all their tokens are refused with subcode 458."""
        for token in self.select(user_id=user_id, family=family):
            self.revoke(token, NOT_AUTHORISED)

    def clear(self) -> None:
        with self._lock:
            self._grants.clear()

    def _change(self, token: str, change: Callable[[Grant], Grant]) -> None:
        with self._lock:
            if token in self._grants:
                self._grants[token] = change(self._grants[token])


def fingerprint(token: str) -> str:
    """Enough to tell tokens apart in a log, too little to use one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _as_json(token: str, grant: Grant, now: float) -> dict[str, object]:
    rejection = grant.rejection_at(now)
    return {
        "token_hash": fingerprint(token),
        "family": grant.family,
        "kind": grant.kind,
        "user_id": grant.user_id,
        "account_ids": list(grant.account_ids),
        "page_ids": list(grant.page_ids),
        "scopes": sorted(grant.scopes),
        "declined": sorted(grant.declined),
        "age": round(now - grant.issued_at),
        "expires_in": None if grant.expires_at is None else round(grant.expires_at - now),
        "is_good": rejection is None,
        "subcode": rejection.subcode if rejection else None,
    }
