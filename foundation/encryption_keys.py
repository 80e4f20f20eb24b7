"""Reading the token encryption keys: 32 random bytes each, in URL-safe base64, comma-separated, the first encrypts."""

import base64
import binascii

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
KEY_CHARACTERS = 44


def parse_encryption_keys(text: str) -> tuple[bytes, ...]:
    """The keys in their order; empty when `text` is empty. Raises ImproperlyConfigured, never showing a key."""
    if not text.strip():
        return ()
    keys = []
    for position, item in enumerate(text.split(","), start=1):
        try:
            key = base64.b64decode(item.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES or len(item.strip()) != KEY_CHARACTERS:
            raise ImproperlyConfigured(
                f"TOKEN_ENCRYPTION_KEYS: key {position} is not 32 bytes in URL-safe base64 (44 characters)."
            )
        keys.append(key)
    if len(set(keys)) != len(keys):
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS: the same key stands there twice.")
    return tuple(keys)
