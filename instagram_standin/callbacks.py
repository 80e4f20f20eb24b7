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
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode, urlsplit

from instagram_standin.tokens import Family, LoginApp, TokenRegistry

ALGORITHM = "HMAC-SHA256"
TIMEOUT_SECONDS = 15


class CallbackKind(StrEnum):
    DEAUTHORIZE = "deauthorize"
    DATA_DELETION = "data-deletion"


@dataclass(frozen=True, slots=True)
class Callback:
    """What the app answered."""

    status: int
    body: str

    def json(self) -> object:
        """Raises ValueError."""
        return json.loads(self.body)


def signed_request(payload: Mapping[str, object], secret: str) -> str:
    """`payload` signed with HMAC-SHA256, even if its `algorithm` names another."""
    body = _base64url(json.dumps(payload, separators=(",", ":")).encode())
    return f"{_base64url(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())}.{body}"


class Callbacks:
    def __init__(self, apps: Mapping[Family, LoginApp], tokens: TokenRegistry) -> None:
        self._apps = apps
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
    ) -> Callback:
        """POST what Meta would to `url`, the app's address for this `kind`. Redirects are not followed.

        `user_id`: app-scoped, or for Instagram also the account's own; a JSON number if `is_number`. `is_forged`:
        signed with another secret; otherwise the person's tokens are refused from now on, as at Meta (190/458).
        Raises ValueError when there is no answer.
        """
        if not is_forged:
            self._tokens.forget_user(user_id, family)
            if family is Family.INSTAGRAM:
                for token in self._tokens.select(account_id=user_id, family=family):
                    self._tokens.revoke(token, 458)
        now = int(time.time())
        payload = {
            "user_id": int(user_id) if is_number else user_id,
            "algorithm": algorithm,
            "issued_at": now,
        }
        if kind is CallbackKind.DATA_DELETION:
            payload["expires"] = now + 3_600
        secret = self._apps[family].secret
        return _post(url, signed_request(payload, "another-secret" if is_forged else secret))


def _post(url: str, signed: str) -> Callback:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("url is an http address")
    connection = HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "facebookexternalua"}
    try:
        connection.request("POST", path, urlencode({"signed_request": signed}), headers)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        return Callback(response.status, body)
    except (OSError, HTTPException) as error:
        raise ValueError(f"no answer from {parts.netloc}: {error}") from error
    finally:
        connection.close()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
