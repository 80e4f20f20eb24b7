"""Meta's orders about a person: deauthorise, and delete data. Signed by the app's secret of the login family.

Source: "Data Deletion Request Callback" and "signed_request" (Meta, 2026). Repeats are harmless; an unknown person gets
the same answer as a known one; a signature that does not hold, or one that is over a day old, touches nothing.
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
    """Not signed by the app's secret, too old, or not in the documented shape. Callers are not told which."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a signed request says. `signature_hash` is the same for the same request, and names nobody."""

    user_id: str
    signature_hash: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """What the status page of a deletion request shows."""

    code: str
    requested_at: datetime


def deauthorise(login: Login, signed_request: str, *, now: datetime) -> None:
    """The person withdrew the app: tokens and connected feeds go. Raises InvalidSignedRequest."""
    order = _order_of(login, signed_request, now)
    withdrawal.forget_account(login, order.user_id, erase=False, now=now)


def delete_data(login: Login, signed_request: str, *, now: datetime) -> Deletion:
    """Erase what we hold of the person; the receipt, for a known and an unknown one alike.

    The same signed request sent again erases again, and gets the first receipt.
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
    """What a signed request says. The signature is over the encoded payload exactly as received."""
    if len(signed_request) > MAX_LENGTH or signed_request.count(".") != 1:
        raise InvalidSignedRequest("malformed")
    signature, payload = signed_request.split(".")
    try:
        sent = _decode(signature)
        encoded = payload.encode("ascii")
    except (ValueError, binascii.Error):
        raise InvalidSignedRequest("malformed") from None
    expected = hmac.new(secret.reveal().encode(), encoded, hashlib.sha256).digest()
    if not hmac.compare_digest(sent, expected):
        raise InvalidSignedRequest("signature")
    try:
        said = json.loads(_decode(payload))
    except (ValueError, RecursionError, binascii.Error):
        raise InvalidSignedRequest("payload") from None
    if not isinstance(said, dict) or said.get("algorithm") != "HMAC-SHA256":
        raise InvalidSignedRequest("algorithm")
    if not _is_recent(said.get("issued_at"), now):
        raise InvalidSignedRequest("issued_at")
    user_id = said.get("user_id")
    text = str(user_id) if isinstance(user_id, str | int) and not isinstance(user_id, bool) else ""
    if not text.isdecimal() or len(text) > 40:
        raise InvalidSignedRequest("user_id")
    return Order(text, hashlib.sha256(expected).hexdigest())


def _is_recent(issued_at: object, now: datetime) -> bool:
    """Whether the time, in Unix seconds, is at most a day old. NaN and infinity are in no range."""
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        return False
    return (now - MAX_AGE).timestamp() <= issued_at <= (now + MAX_SKEW).timestamp()


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
