"""Embed tokens: publishable, signed, bound to one instance and to reading, revoked by raising the instance's version.

They are in the source of publishers' pages, so they open nothing but reads of one instance. They do not
expire. Signed with SECRET_KEY; SECRET_KEY_FALLBACKS keep older ones valid while it is rotated.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from django.core.signing import BadSignature, Signer

_SALT = "venice.embed-token.read.v1"
MAX_LENGTH = 600


@dataclass(frozen=True, slots=True)
class EmbedToken:
    instance_id: str
    version: int


class InvalidEmbedToken(Exception):
    """Forged, truncated, or made for another purpose."""


def issue(instance_id: str, version: int) -> str:
    """The token text: URL-safe, without padding."""
    payload = json.dumps([instance_id, version], separators=(",", ":")).encode()
    return _signer().sign(base64.urlsafe_b64encode(payload).decode().rstrip("="))


def verify(text: str) -> EmbedToken:
    """What the token says, once its signature holds. Whether its version still counts is the instance's to say."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise InvalidEmbedToken
    try:
        payload = _signer().unsign(text)
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        instance_id, version = json.loads(raw)
    except (BadSignature, binascii.Error, ValueError, TypeError) as error:
        raise InvalidEmbedToken from error
    return EmbedToken(str(instance_id), int(version))


def _signer() -> Signer:
    return Signer(salt=_SALT, sep=".")
