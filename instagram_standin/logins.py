"""The state of both logins: apps, how answers look, and codes on their way from a consent page to a token.

A code works once, for an hour, for the app and the redirect address it was made for (Business Login for Instagram,
2026-03-13; Facebook documents the same binding).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum, auto

from instagram_standin.scopes import Family

CODE_LIFE_SECONDS = 3_600


@dataclass(slots=True)
class LoginApp:
    """`redirect_uris`: those registered; while there are none, every http(s) address will do."""

    family: Family
    id: str
    secret: str | None = field(repr=False)
    redirect_uris: frozenset[str] = frozenset()

    def accepts_redirect(self, uri: str) -> bool:
        if self.redirect_uris:
            return uri in self.redirect_uris
        return uri.startswith(("http://", "https://"))

    def is_secret(self, given: str | None) -> bool:
        """An app without a secret takes any."""
        return self.secret is None or secrets.compare_digest((given or "").encode(), self.secret.encode())


class Shape(StrEnum):
    FLAT = "flat"  # {...}
    WRAPPED = "wrapped"  # {"data": [{...}]}


@dataclass(slots=True)
class LoginOptions:
    """How the logins answer; every one of these was seen at Meta.

    `token_shape`: of Instagram's code exchange. Flat, `user_id` is a JSON number and `permissions` a list; wrapped,
    both are strings. `me_shape`: of Instagram's /me. `numeric_ids`: JSON numbers in /me. `tells_permissions`: or
    leaves them out. `tells_expires_in`: or leaves it out, on Facebook. `refresh_keeps_token`: the same string comes
    back. `requires_proof`: Facebook's "Require App Secret".
    """

    token_shape: Shape = Shape.WRAPPED
    me_shape: Shape = Shape.FLAT
    numeric_ids: bool = False
    tells_permissions: bool = True
    tells_expires_in: bool = True
    refresh_keeps_token: bool = False
    requires_proof: bool = False
    instagram_short_life_seconds: int = 3_600
    facebook_short_life_seconds: int = 5_158
    long_life_seconds: int = 5_183_944


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to. Fields as in tokens.Grant."""

    family: Family
    app_id: str
    redirect_uri: str
    user_id: str
    account_ids: tuple[str, ...]
    scopes: frozenset[str]
    declined: frozenset[str] = frozenset()
    page_ids: tuple[str, ...] = ()


class CodeTrouble(Enum):
    UNKNOWN = auto()
    USED = auto()
    EXPIRED = auto()
    OTHER_REDIRECT = auto()


class CodeRefused(Exception):
    def __init__(self, trouble: CodeTrouble) -> None:
        super().__init__(trouble.name)
        self.trouble = trouble


@dataclass(slots=True)
class _Code:
    consent: Consent
    issued_at: float
    is_used: bool = False


class Logins:
    def __init__(self, apps: Iterable[LoginApp]) -> None:
        self.apps = {app.family: app for app in apps}
        self.options = LoginOptions()
        self._codes: dict[str, _Code] = {}
        self._lock = threading.Lock()

    def reset(self) -> None:
        fresh = LoginOptions()
        for option in fields(LoginOptions):
            setattr(self.options, option.name, getattr(fresh, option.name))
        for app in self.apps.values():
            app.redirect_uris = frozenset()
        with self._lock:
            self._codes.clear()

    def register_redirects(self, family: Family, uris: Iterable[str]) -> None:
        """The addresses people may be sent back to, compared character by character; none at all allows any."""
        self.apps[family].redirect_uris = frozenset(uris)

    def issue_code(self, consent: Consent) -> str:
        code = f"AQ{secrets.token_urlsafe(36)}"
        with self._lock:
            self._codes[code] = _Code(consent, time.time())
        return code

    def redeem(self, code: str, family: Family, client_id: str, redirect_uri: str) -> Consent:
        """What the code stands for; it is spent then. Raises CodeRefused, and leaves the code as it was."""
        with self._lock:
            known = self._codes.get(code)
            if known is None or (known.consent.family, known.consent.app_id) != (family, client_id):
                raise CodeRefused(CodeTrouble.UNKNOWN)
            if known.is_used:
                raise CodeRefused(CodeTrouble.USED)
            if known.issued_at + CODE_LIFE_SECONDS <= time.time():
                raise CodeRefused(CodeTrouble.EXPIRED)
            if known.consent.redirect_uri != redirect_uri:
                raise CodeRefused(CodeTrouble.OTHER_REDIRECT)
            known.is_used = True
            return known.consent

    def expire_codes(self) -> None:
        """All codes out there are too old from now on."""
        with self._lock:
            for code in self._codes.values():
                code.issued_at -= CODE_LIFE_SECONDS
