"""Random secrets, such as the codes of links, of which only hashes are stored."""

from __future__ import annotations

import hashlib
import secrets


def new_secret() -> str:
    """256 random bits, in 43 characters that fit a URL."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal. It is fast, so it is for random secrets, not for passwords."""
    return hashlib.sha256(secret.encode()).hexdigest()
