"""Embed tokens: public, signed, and valid only for reading one instance.

They are visible in the source of publishers' pages. They don't expire; raising the instance's version revokes them.
They are signed with SECRET_KEY, and SECRET_KEY_FALLBACKS keep older tokens valid during a rotation.
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
    """The token's content, if its signature is valid. The caller must compare its version with the instance's."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise InvalidEmbedToken
    try:
        payload = _signer().unsign(text)
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        instance_id, version = json.loads(raw)
    except (BadSignature, binascii.Error, ValueError, TypeError) as error:
        raise InvalidEmbedToken from error
    if not isinstance(instance_id, str) or type(version) is not int:
        raise InvalidEmbedToken
    return EmbedToken(instance_id, version)


def _signer() -> Signer:
    return Signer(salt=_SALT, sep=".")
