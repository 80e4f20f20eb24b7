"""Settings from the environment, where a secret may also lie in a file named by NAME_FILE."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured


def with_secret_files(environ: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """A copy of `environ` in which each of `names` is read from the file that NAME_FILE points to.

    Raises ImproperlyConfigured, by the variable's name, when both are given or the file cannot be read.
    A value that begins with `$` is kept literally: django-environ would take it for another variable's name.
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


def process_environment(secret_names: tuple[str, ...]) -> dict[str, str]:
    """The environment of this process, with secrets from files merged in."""
    return with_secret_files(os.environ, secret_names)


def with_password(url: str, password: str) -> str:
    """`url` of a server, with `password` in it unless it holds one already."""
    parts = urlsplit(url)
    if not password or parts.password is not None or not parts.hostname:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{quote(password, safe='')}@{host}"))
