"""Meta's callbacks about a person: deauthorise, and delete data. Each is signed with the app secret of its login.

Repeating a callback is harmless, and an unknown person gets the same answer as a known one. A request with an invalid
signature, or one older than a day, changes nothing.
Source: "Data Deletion Request Callback" and "signed_request" (Meta, 2026).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from paris_integration import registry
from paris_integration.connections import withdrawal
from paris_integration.models import DeletionRequest
from paris_integration.types import Login, Secret

MAX_LENGTH = 8 * 1024
MAX_AGE = timedelta(days=1)
MAX_SKEW = timedelta(minutes=5)  # by which Meta's clock may be ahead of ours
_CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_LENGTH = 16


class InvalidSignedRequest(ValueError):
    """Not signed with the app's secret, too old, or not in the documented shape."""


@dataclass(frozen=True, slots=True)
class Order:
    """The content of a signed request. `signature_hash` identifies the request, not the person."""

    user_id: str
    signature_hash: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion request as its status page shows it."""

    code: str
    requested_at: datetime


def deauthorise(login: Login, signed_request: str, *, now: datetime) -> None:
    """Delete the tokens and connected feeds of a person who removed the app. Raises InvalidSignedRequest."""
    order = _order_of(login, signed_request, now)
    withdrawal.forget_account(login, order.user_id, erase=False, now=now)


def delete_data(login: Login, signed_request: str, *, now: datetime) -> Deletion:
    """Erase the person's data and return the receipt, also for an unknown person. Raises InvalidSignedRequest.

    Sending the same request again erases again and returns the first receipt.
    """
    order = _order_of(login, signed_request, now)
    erased = withdrawal.forget_account(login, order.user_id, erase=True, now=now)
    receipt, _ = DeletionRequest.objects.get_or_create(
        signature_hash=order.signature_hash,
        defaults={
            "code": "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH)),
            "login": login.value,
            "requested_at": now,
            "connections_deleted": erased,
        },
    )
    return Deletion(receipt.code, receipt.requested_at)


def find_deletion(code: str) -> Deletion | None:
    row = DeletionRequest.objects.filter(pk=code).first()
    return Deletion(row.code, row.requested_at) if row else None


def _order_of(login: Login, signed_request: str, now: datetime) -> Order:
    secret = registry.app_secret(login)
    if secret is None:
        raise InvalidSignedRequest("not configured")
    return verify(signed_request, secret, now=now)


def verify(signed_request: str, secret: Secret, *, now: datetime) -> Order:
    """The content of a signed request. Raises InvalidSignedRequest."""
    if len(signed_request) > MAX_LENGTH or signed_request.count(".") != 1:
        raise InvalidSignedRequest("malformed")
    signature, payload = signed_request.split(".")
    try:
        sent = _decode(signature)
        encoded = payload.encode("ascii")
    except (ValueError, binascii.Error):
        raise InvalidSignedRequest("malformed") from None
    # Meta signs the base64 text as sent, so decoding and encoding it again would not give the same signature.
    expected = hmac.new(secret.reveal().encode(), encoded, hashlib.sha256).digest()
    if not hmac.compare_digest(sent, expected):
        raise InvalidSignedRequest("signature")
    try:
        content = json.loads(_decode(payload))
    except (ValueError, RecursionError, binascii.Error):
        raise InvalidSignedRequest("payload") from None
    if not isinstance(content, dict) or content.get("algorithm") != "HMAC-SHA256":
        raise InvalidSignedRequest("algorithm")
    if not _is_recent(content.get("issued_at"), now):
        raise InvalidSignedRequest("issued_at")
    user_id = content.get("user_id")
    # The id may be text or a number.
    text = str(user_id) if isinstance(user_id, str | int) and not isinstance(user_id, bool) else ""
    if not (text.isascii() and text.isdecimal()) or len(text) > 40:
        raise InvalidSignedRequest("user_id")
    return Order(text, hashlib.sha256(expected).hexdigest())


def _is_recent(issued_at: object, now: datetime) -> bool:
    """Whether `issued_at`, in Unix seconds, is at most a day old."""
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        return False
    # JSON may contain NaN or Infinity: neither is within the range.
    return (now - MAX_AGE).timestamp() <= issued_at <= (now + MAX_SKEW).timestamp()


def _decode(text: str) -> bytes:
    # Meta leaves the padding out.
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
