"""Reading settings from environment variables, and secrets also from files that NAME_FILE variables name."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured

# 43 characters hold 258 bits. Decoding ignores the last two.
_ENCRYPTION_KEY = re.compile(r"[A-Za-z0-9_-]{43}=", re.ASCII)
# Scheme, user, and the rest from the host on, if there is a host and no password. Not by urlsplit: newer versions of
# Python refuse several hosts, as in a list of Sentinels, if one is an IPv6 address.
_SERVER = re.compile(r"([^/?#]+://)(?:([^/?#:]*)@)?([^/?#:@][^/?#@]*(?:[/?#].*)?)", re.DOTALL)


def with_secret_files(environ: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """A copy of `environ` in which each of `names` is read from the file that NAME_FILE points to.

    Raises ImproperlyConfigured, by the variable's name, when both are given or the file cannot be read.
    """
    merged = dict(environ)
    for name in names:
        file_name = merged.get(f"{name}_FILE")
        if not file_name:
            continue
        if merged.get(name):
            raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
        try:
            merged[name] = Path(file_name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {type(error).__name__}.") from None
    return merged


def with_password(url: str, password: str) -> str:
    """`url` of a server, with `password` in it unless it contains one already."""
    found = _SERVER.fullmatch(url)
    if not password or found is None:
        return url
    start, user, host = found.groups()
    return f"{start}{user or ''}:{quote(password, safe='')}@{host}"


def parse_encryption_keys(text: str) -> tuple[bytes, ...]:
    """TOKEN_ENCRYPTION_KEYS: comma-separated keys of 32 bytes, each in URL-safe base64. No keys when `text` is empty.

    Raises ImproperlyConfigured, whose message never contains a key.
    """
    if not text.strip():
        return ()
    keys = []
    for position, item in enumerate(text.split(","), start=1):
        if not _ENCRYPTION_KEY.fullmatch(item.strip()):
            raise ImproperlyConfigured(
                f"TOKEN_ENCRYPTION_KEYS: key {position} is not 32 bytes in URL-safe base64 (44 characters)."
            )
        keys.append(base64.urlsafe_b64decode(item.strip()))
    if len(set(keys)) != len(keys):
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS: the same key is given twice.")
    return tuple(keys)
