"""Reading the token encryption keys: 32 random bytes each, in URL-safe base64, comma-separated, the first encrypts."""

import base64
import re

from django.core.exceptions import ImproperlyConfigured

# 43 characters hold 258 bits: the last two of them must be zero, which decoding leaves unchecked and no key needs.
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=", re.ASCII)


def parse_encryption_keys(text: str) -> tuple[bytes, ...]:
    """The keys in their order; empty when `text` is empty. Raises ImproperlyConfigured, never showing a key."""
    if not text.strip():
        return ()
    keys = []
    for position, item in enumerate(text.split(","), start=1):
        if not _KEY.fullmatch(item.strip()):
            raise ImproperlyConfigured(
                f"TOKEN_ENCRYPTION_KEYS: key {position} is not 32 bytes in URL-safe base64 (44 characters)."
            )
        keys.append(base64.urlsafe_b64decode(item.strip()))
    if len(set(keys)) != len(keys):
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS: the same key stands there twice.")
    return tuple(keys)
