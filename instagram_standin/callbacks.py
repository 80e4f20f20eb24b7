"""Meta's calls to the app when a person removes it, or asks for their data to be deleted.

One form field, `signed_request`: two base64url texts without padding around a dot, the signature first, which is the
HMAC-SHA256 of the second as it is sent. Source: "Data deletion request callback" (2026).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit

from instagram_standin.logins import Logins
from instagram_standin.scopes import Family
from instagram_standin.tokens import TokenRegistry

ALGORITHM = "HMAC-SHA256"
TIMEOUT_SECONDS = 15
_KEPT_BYTES = 64 * 1024


class CallbackKind(StrEnum):
    DEAUTHORIZE = "deauthorize"
    DATA_DELETION = "data-deletion"


class CallbackFailed(ValueError):
    """Nobody answered at the address."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What the app answered."""

    status: int
    body: str
    headers: Mapping[str, str]

    def json(self) -> object:
        """Raises ValueError."""
        return json.loads(self.body)


def signed_request(payload: Mapping[str, object], secret: str) -> str:
    """`payload` as it stands, signed with HMAC-SHA256 whatever its `algorithm` claims."""
    body = _base64url(json.dumps(payload, separators=(",", ":")).encode())
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()
    return f"{_base64url(signature)}.{body}"


def payload_for(user_id: str | int, *, algorithm: str = ALGORITHM, **further: object) -> dict[str, object]:
    return {"user_id": user_id, "algorithm": algorithm, "issued_at": int(time.time()), **further}


class Callbacks:
    def __init__(self, logins: Logins, tokens: TokenRegistry) -> None:
        self._logins = logins
        self._tokens = tokens

    def send(
        self,
        family: Family,
        kind: CallbackKind,
        url: str,
        user_id: str,
        *,
        is_number: bool = False,
        is_forged: bool = False,
        algorithm: str = ALGORITHM,
        ends_tokens: bool = True,
    ) -> Callback:
        """POST what Meta would to `url`, which is the app's own for this `kind`.

        `user_id`: app-scoped, or for Instagram the account's own; told as a JSON number if `is_number`. `is_forged`:
        signed with another secret. `ends_tokens`: the person's tokens are dead by then, as at Meta (190/458). Redirects
        are not followed. Raises CallbackFailed.
        """
        if ends_tokens and not is_forged:
            self._end_tokens(family, user_id)
        payload = payload_for(int(user_id) if is_number else user_id, algorithm=algorithm)
        if kind is CallbackKind.DATA_DELETION:
            payload["expires"] = int(time.time()) + 3_600
        secret = self._logins.apps[family].secret or ""
        return _post(url, signed_request(payload, "somebody-else" if is_forged else secret))

    def _end_tokens(self, family: Family, user_id: str) -> None:
        self._tokens.forget_user(user_id, family)
        if family is Family.INSTAGRAM:
            for token in self._tokens.select(account_id=user_id, family=family):
                self._tokens.revoke(token, 458)


def _post(url: str, signed: str) -> Callback:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CallbackFailed("url is an http(s) address")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "facebookexternalua"}
    try:
        connection.request("POST", path, urlencode({"signed_request": signed}), headers)
        response = connection.getresponse()
        body = response.read(_KEPT_BYTES).decode("utf-8", "replace")
        return Callback(response.status, body, dict(response.getheaders()))
    except (OSError, HTTPException) as error:
        raise CallbackFailed(f"nobody answers at {parts.netloc}: {error}") from error
    finally:
        connection.close()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
