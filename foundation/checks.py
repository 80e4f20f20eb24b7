"""System checks of the settings that all apps share. Values that are wrong everywhere are errors at any time; what is
only wrong in production is reported under `--deploy`.

Messages contain the names of settings, never their values.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

LOG_FORMATS = ("json", "human")
_KNOWN_SECRETS = (
    "only-for-tests-and-tools",
    "change-me",
    "changeme",
    "insecure",
    "protects-nothing",
    "example",
)
_FEWEST_DISTINCT_BYTES = 12  # 32 random bytes have fewer about once in 10**16 times


def is_public_host(host: str | None) -> bool:
    """Whether other machines may be able to reach `host`: it is not a loopback address or a name for one."""
    if not host or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


@register()
def check_shape(**_: Any) -> list[CheckMessage]:
    """Values that are invalid."""
    found: list[CheckMessage] = []
    if settings.LOG_LEVEL not in logging.getLevelNamesMapping():
        hint = "One of DEBUG, INFO, WARNING, ERROR, CRITICAL."
        found.append(Error("LOG_LEVEL is not a level.", hint=hint, id="service.E001"))
    if settings.LOG_FORMAT not in LOG_FORMATS:
        found.append(Error("LOG_FORMAT is not a format.", hint="json or human.", id="service.E002"))
    if settings.TRUSTED_PROXIES < 0:
        hint = "The number of proxies in front that append to X-Forwarded-For; 0 for none."
        found.append(Error("TRUSTED_PROXIES is below 0.", hint=hint, id="service.E003"))
    if settings.DEBUG and _public_address().scheme == "https" and is_public_host(_public_address().hostname):
        found.append(
            CheckWarning(
                "DEBUG is on though PUBLIC_BASE_URL is a public https address.",
                hint="Error pages would show settings and source to visitors. Leave DEBUG out in production.",
                id="service.W001",
            )
        )
    return found


@register(deploy=True)
def check_secrets(**_: Any) -> list[CheckMessage]:
    """Secrets that can be guessed."""
    found: list[CheckMessage] = []
    if any(known in settings.SECRET_KEY.lower() for known in _KNOWN_SECRETS):
        hint = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        found.append(Error("SECRET_KEY is a default or an example.", hint=hint, id="service.E004"))
    if any(len(set(key)) < _FEWEST_DISTINCT_BYTES for key in settings.TOKEN_ENCRYPTION_KEYS):
        hint = (
            'python -c "import base64, secrets; '
            'print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())"'
        )
        found.append(
            Error("TOKEN_ENCRYPTION_KEYS contains a key that is not random.", hint=hint, id="service.E005")
        )
    return found


@register(deploy=True)
def check_addresses(**_: Any) -> list[CheckMessage]:
    """How browsers and proxies reach the service."""
    return list(_address_messages())


def _address_messages() -> Iterator[CheckMessage]:
    address = _public_address()
    if "*" in settings.ALLOWED_HOSTS:
        yield CheckWarning(
            "ALLOWED_HOSTS contains '*': any Host header is accepted.",
            hint="Name the hosts, or leave it out: the host of PUBLIC_BASE_URL is always allowed.",
            id="service.W002",
        )
    elif not _allows(str(address.hostname)):
        yield CheckWarning(
            "ALLOWED_HOSTS does not contain the host of PUBLIC_BASE_URL.",
            hint="Add it, or leave ALLOWED_HOSTS out.",
            id="service.W003",
        )
    if not is_public_host(address.hostname):
        yield CheckWarning(
            "PUBLIC_BASE_URL is a loopback address: browsers elsewhere cannot reach it.",
            hint="The https address that browsers use, as https://feeds.your-domain.",
            id="service.W004",
        )
    elif address.scheme != "https":
        yield CheckWarning(
            "PUBLIC_BASE_URL is http on a public host: sessions and tokens are sent unencrypted.",
            hint="Put a proxy that terminates TLS in front, and use its https address.",
            id="service.W005",
        )
    if address.scheme == "https" and settings.TRUSTED_PROXIES == 0:
        yield CheckWarning(
            "PUBLIC_BASE_URL is https but TRUSTED_PROXIES is 0.",
            hint="The processes serve http behind a proxy. Unless it is counted, X-Forwarded-Proto is ignored and "
            "every page redirects to itself; all visitors also share the proxy's address.",
            id="service.W006",
        )


@register(deploy=True)
def check_stores(**_: Any) -> list[CheckMessage]:
    """Stores that are meant for one machine, and a demo in production."""
    found: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        hint = "Set DATABASE_URL to a PostgreSQL database: SQLite has one writer at a time, on one machine."
        found.append(CheckWarning("The database is SQLite.", hint=hint, id="service.W007"))
    if not settings.REDIS_URL:
        hint = "Cache and broker are folders of this machine. Set REDIS_URL."
        found.append(CheckWarning("REDIS_URL is not set.", hint=hint, id="service.W008"))
    if settings.DEMO:
        hint = "Leave DEMO out: its pages are for trying the service out."
        found.append(CheckWarning("DEMO is on.", hint=hint, id="service.W009"))
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        hint = "Set EMAIL_URL, as smtp+tls://user:password@host:587: editors are notified by mail when connections end."
        found.append(CheckWarning("Mail goes to the console.", hint=hint, id="service.W010"))
    return found


def _public_address() -> Any:
    return urlsplit(settings.PUBLIC_BASE_URL)


def _allows(host: str) -> bool:
    from django.http.request import validate_host

    return validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS)
