"""Both logins: their apps and permissions, the codes they hand out, and the tokens.

Sources: "Permissions reference" and App Review pages (2026); Business Login for Instagram (2026-03-13).
Times are Unix seconds.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from instagram_standin.messages import fingerprint, fitted

CODE_LIFE_SECONDS = 3_600
OTHER_REDIRECT = (
    "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the "
    "OAuth dialog request"
)
CHANGES = ("revoke", "set_age", "set_expiry", "remove_permission")
EXPIRED = 463
NOT_AUTHORISED = 458


class Family(StrEnum):
    """The two login products. A token of one is refused by the host of the other."""

    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"


# Values such as `business_basic`, without `instagram_` in front, died on 27 January 2025.
SCOPES: Mapping[Family, frozenset[str]] = {
    Family.INSTAGRAM: frozenset(
        f"instagram_business_{name}"
        for name in ("basic", "content_publish", "manage_comments", "manage_insights", "manage_messages")
    ),
    Family.FACEBOOK: frozenset(
        {
            "public_profile", "ads_management", "ads_read", "business_management", "email", "instagram_basic",
            "instagram_manage_comments", "instagram_manage_insights", "pages_manage_metadata",
            "pages_read_engagement", "pages_show_list",
        }
    ),
}  # fmt: skip


@dataclass(slots=True)
class LoginApp:
    """`redirect_uris`: those registered; while there are none, every http(s) address is accepted."""

    id: str
    secret: str = field(repr=False)
    redirect_uris: frozenset[str] = frozenset()

    def accepts_redirect(self, uri: str) -> bool:
        if self.redirect_uris:
            return uri in self.redirect_uris
        return uri.startswith(("http://", "https://"))

    def is_secret(self, given: str | None) -> bool:
        return secrets.compare_digest((given or "").encode(), self.secret.encode())


class TokenKind(StrEnum):
    SHORT = "short"
    LONG = "long"
    PLANTED = "planted"


class Rejection(NamedTuple):
    """Why a token is refused with code 190; the subcode may be missing."""

    subcode: int | None
    since: float


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token, or a code, stands for.

    `account_ids`: the professional accounts it may read as its own. `user_id`: the person, as the app knows them.
    `page_ids`: the Facebook Pages granted. `declined`: permissions asked for and refused. `expires_at`: None is never.
    `denial_code`: what a call without permission is answered, 10 or 200.
    """

    family: Family
    account_ids: tuple[str, ...]
    user_id: str
    scopes: frozenset[str]
    declined: frozenset[str] = frozenset()
    page_ids: tuple[str, ...] = ()
    kind: TokenKind = TokenKind.PLANTED
    issued_at: float = field(default_factory=time.time)
    expires_at: float | None = None
    rejection: Rejection | None = None
    denial_code: int = 10

    def rejection_at(self, now: float) -> Rejection | None:
        """Why the token is refused, None while it is good."""
        if self.rejection is None and self.expires_at is not None and self.expires_at <= now:
            return Rejection(EXPIRED, self.expires_at)
        return self.rejection

    def lasting(self, seconds: float, kind: TokenKind) -> Grant:
        """The same grant for a new token, issued now."""
        now = time.time()
        return replace(self, kind=kind, issued_at=now, expires_at=now + seconds)


class CodeRefused(Exception):
    """The message and the subcode are Facebook's."""

    def __init__(self, message: str, subcode: int | None = None) -> None:
        super().__init__(message)
        self.subcode = subcode


class Codes:
    """Codes on their way from a consent page to a token. One works once, for an hour, with its redirect address."""

    def __init__(self) -> None:
        self._codes: dict[str, tuple[Grant, str]] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()

    def issue(self, grant: Grant, redirect_uri: str) -> str:
        code = f"AQ{secrets.token_urlsafe(36)}"
        self._codes[code] = grant, redirect_uri
        return code

    def redeem(self, code: str, family: Family, redirect_uri: str) -> Grant:
        """What the code stands for. Raises CodeRefused, which leaves the code as it was."""
        with self._lock:
            grant, address = self._codes.get(code, (None, ""))
            if grant is None or grant.family is not family:
                raise CodeRefused("Invalid verification code format.")
            if code in self._used:
                raise CodeRefused("This authorization code has been used.", 36009)
            if grant.issued_at + CODE_LIFE_SECONDS <= time.time():
                raise CodeRefused("This authorization code has expired.", 36007)
            if address != redirect_uri:
                raise CodeRefused(OTHER_REDIRECT, 36008)
            self._used.add(code)
            return grant

    def expire(self) -> None:
        """Make all codes too old."""
        for code, (grant, address) in list(self._codes.items()):
            self._codes[code] = replace(grant, issued_at=0), address


class TokenRegistry:
    """The tokens, known by value. Logins `issue` them, tests `add` them."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def add(
        self, token: str, account_id: str, family: Family, *, scopes: Iterable[str] | None = None
    ) -> None:
        """A token that reads one account and never expires; with all permissions unless `scopes` names some."""
        user_id = app_scoped_id(account_id) if family is Family.INSTAGRAM else person_id_of(account_id)
        granted = SCOPES[family] if scopes is None else frozenset(scopes)
        self.put(token, Grant(family, (account_id,), user_id, granted))

    def issue(self, grant: Grant) -> str:
        """A new token for the grant."""
        start = "IGAA" if grant.family is Family.INSTAGRAM else "EAAB"
        token = f"{start}{grant.kind.value[0].upper()}{secrets.token_urlsafe(48)}"
        self.put(token, grant)
        return token

    def put(self, token: str, grant: Grant) -> None:
        self._grants[token] = grant

    def find(self, token: str, family: Family) -> Grant | None:
        """The grant, also of a token that is refused by now."""
        grant = self._grants.get(token)
        return grant if grant is not None and grant.family is family else None

    def all(self) -> list[tuple[str, Grant]]:
        """All tokens, oldest first."""
        return list(self._grants.items())

    def select(
        self,
        *,
        token: str | None = None,
        token_hash: str | None = None,
        account_id: str | None = None,
        user_id: str | None = None,
        family: Family | None = None,
    ) -> list[str]:
        """The tokens to which everything given applies, oldest first; all of them when nothing is given."""
        return [
            known
            for known, grant in self.all()
            if token in (None, known)
            and token_hash in (None, fingerprint(known))
            and (account_id is None or account_id in grant.account_ids)
            and user_id in (None, grant.user_id)
            and family in (None, grant.family)
        ]

    def change(self, change: str, select: dict[str, Any], **arguments: Any) -> dict[str, int]:
        """Do one of CHANGES to all tokens that `select` selects. Raises ValueError or TypeError."""
        if change not in CHANGES:
            raise ValueError(f"change is one of {', '.join(CHANGES)}")
        method: Callable[..., object] = getattr(self, change)
        fitted(method, {"token": "", **arguments})
        chosen = self.select(**fitted(self.select, select))
        for token in chosen:
            method(token, **arguments)
        return {"count": len(chosen)}

    def revoke(self, token: str, subcode: int | None = None) -> None:
        """Refuse it from now on. 458: app removed; 460: password changed; 463: expired; 467: signed out."""
        self._change(token, lambda grant: replace(grant, rejection=Rejection(subcode, time.time())))

    def set_age(self, token: str, seconds: float) -> None:
        """As if issued so long ago; its life keeps its length, so a great age is an expired token."""
        issued_at = time.time() - seconds

        def age(grant: Grant) -> Grant:
            ends = None if grant.expires_at is None else issued_at + grant.expires_at - grant.issued_at
            return replace(grant, issued_at=issued_at, expires_at=ends)

        self._change(token, age)

    def set_expiry(self, token: str, seconds: float | None) -> None:
        """Let it live so many seconds from now; None is for ever."""
        ends = None if seconds is None else time.time() + seconds
        self._change(token, lambda grant: replace(grant, expires_at=ends))

    def remove_permission(self, token: str, scope: str, *, code: int = 10) -> None:
        """Calls that need `scope` are refused with `code`, 10 or 200."""

        def remove(grant: Grant) -> Grant:
            left, declined = grant.scopes - {scope}, grant.declined | {scope}
            return replace(grant, scopes=left, declined=declined, denial_code=code)

        self._change(token, remove)

    def forget_user(self, user_id: str, family: Family) -> None:
        """The person removed the app: all their tokens are refused with subcode 458."""
        for token in self.select(user_id=user_id, family=family):
            self.revoke(token, NOT_AUTHORISED)

    def _change(self, token: str, change: Callable[[Grant], Grant]) -> None:
        if token in self._grants:
            self._grants[token] = change(self._grants[token])


def number_from(text: str, below: int) -> int:
    """The same number for the same text on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]) % below


def app_scoped_id(account_id: str) -> str:
    """The `id` that an Instagram-Login app sees for an account; the account's own id is `user_id` there."""
    return f"28970{number_from(f'scoped:{account_id}', 10**12):012}"


def person_id_of(account_id: str) -> str:
    """The Facebook user behind a token that was planted for an account."""
    return f"10200{number_from(f'person-of:{account_id}', 10**10):010}"
