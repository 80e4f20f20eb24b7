"""The token vault: the only module that encrypts and decrypts stored tokens and other secrets.

AES-256-CBC with HMAC-SHA256 (encrypt then MAC), from the maintained fork of django-cryptography. The first key of
`TOKEN_ENCRYPTION_KEYS` encrypts; every key decrypts. A token is encrypted for one row and can't be read in another.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.signing import BadSignature
from django_cryptography.core.signing import FernetSigner
from django_cryptography.utils.crypto import FernetBytes, InvalidToken

from paris_integration.models.fields import KEY_ID_BYTES, SealedToken
from paris_integration.types import Secret

VERSION = b"\x01"


class CannotOpen(Exception):
    """No configured key decrypts this value for this row. The account has to be reconnected."""


def seal_token(token: Secret, *, row_id: object) -> SealedToken:
    key = settings.TOKEN_ENCRYPTION_KEYS[0]
    sealed: bytes = _box(key, row_id).encrypt(token.reveal().encode())
    return SealedToken(VERSION + _key_id(key) + sealed)


def open_token(sealed: SealedToken, *, row_id: object) -> Secret:
    """The decrypted token. Raises CannotOpen for an unknown key, another row's value, and altered data."""
    for key in settings.TOKEN_ENCRYPTION_KEYS:
        if sealed.raw[:1] != VERSION or _key_id(key) != sealed.key_id:
            continue
        try:
            return Secret(_box(key, row_id).decrypt(sealed.raw[1 + KEY_ID_BYTES :]).decode())
        except (BadSignature, InvalidToken, ValueError):
            raise CannotOpen from None
    raise CannotOpen


def seal_text(text: str, *, purpose: str) -> str:
    """`text` encrypted, in base64. It can be read only with the same purpose."""
    return base64.b64encode(seal_token(Secret(text), row_id=purpose).raw).decode()


def open_text(sealed: str, *, purpose: str) -> str:
    """The decrypted text. Raises CannotOpen."""
    return open_token(_sealed_of(sealed), row_id=purpose).reveal()


def is_text_on_first_key(sealed: str) -> bool:
    return is_on_first_key(_sealed_of(sealed))


def key_id_of_text(sealed: str) -> str:
    """The id of the key that encrypts the text. It tells nothing about the key. Raises CannotOpen."""
    return _sealed_of(sealed).key_id.hex()


def configured_key_ids() -> list[str]:
    """The ids of TOKEN_ENCRYPTION_KEYS, in order."""
    return [_key_id(key).hex() for key in settings.TOKEN_ENCRYPTION_KEYS]


def _sealed_of(text: str) -> SealedToken:
    try:
        return SealedToken(base64.b64decode(text, validate=True))
    except ValueError:
        raise CannotOpen from None


def is_on_first_key(sealed: SealedToken) -> bool:
    return sealed.key_id == _key_id(settings.TOKEN_ENCRYPTION_KEYS[0])


def _box(key: bytes, row_id: object) -> Any:
    # Both keys depend on the row's id, so a value copied to another row doesn't decrypt. The library's own `encrypt()`
    # field isn't used: it pickles values, and it knows neither key rotation nor rows.
    derived = HKDF(SHA256(), 64, None, f"igfeed/token/{row_id}".encode()).derive(key)
    return FernetBytes(derived[:32], FernetSigner(derived[32:]))


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"igfeed/key-id/" + key).digest()[:KEY_ID_BYTES]
