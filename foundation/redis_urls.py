"""URLs of Redis or Valkey: one server, or the primary that Sentinels name.

    redis://[user:password@]host[:port]/database                                  rediss:// with TLS
    redis+sentinel://[user:password@]host[:port],host[:port]/database?service=NAME    rediss+sentinel:// with TLS

The hosts of the second form are Sentinels (port 26379 unless given); user and password are those of the servers.
More options after `?service=`: `sentinel_username` and `sentinel_password`, if the Sentinels require a sign-in, and
redis-py's `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs` and `ssl_check_hostname`, for both kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

SENTINEL_PORT = 26379
ENCRYPTED = {"redis+sentinel": False, "rediss+sentinel": True}
_PARTS = re.compile(r"([^/?#]+://)((?:[^/?#]*@)?)([^/?#]*)(.*)", re.DOTALL)
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")


class BadUrl(Exception):
    """What is wrong with a URL. The text contains no part of it."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Where to ask for the primary of a service, and how to connect to both."""

    addresses: tuple[tuple[str, int], ...]
    service: str
    database: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    is_encrypted: bool = False
    tls: dict[str, Any] = field(default_factory=dict)

    @property
    def for_sentinels(self) -> dict[str, Any]:
        """redis-py's options for connections to the Sentinels. Its own retries would multiply the time-outs."""
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0)}
        if self.sentinel_password is not None:
            options |= {"username": self.sentinel_username, "password": self.sentinel_password}
        return {**options, "ssl": True, **self.tls} if self.is_encrypted else options

    @property
    def for_servers(self) -> dict[str, Any]:
        """redis-py's options for connections to the servers."""
        options = {"db": self.database, "username": self.username, "password": self.password}
        return {**options, "ssl": True, **self.tls} if self.is_encrypted else options

    @property
    def celery_url(self) -> str:
        """Celery's form: one URL per Sentinel. Its transport options name the service."""
        user = quote(self.username or "", safe="")
        login = "" if self.password is None else f"{user}:{quote(self.password, safe='')}@"
        hosts = (f"[{host}]" if ":" in host else host for host, _ in self.addresses)
        return ";".join(
            f"sentinel://{login}{host}:{port}/{self.database}"
            for host, (_, port) in zip(hosts, self.addresses, strict=True)
        )


class _WatchedSentinel(Sentinel):
    """Calls `on_new_primary` when the primary isn't the one that was found before."""

    def __init__(self, *arguments: Any, on_new_primary: Callable[[], object] | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_new_primary = on_new_primary
        self._last_found: tuple[str, int] | None = None

    def discover_master(self, service_name: str) -> tuple[str, int]:
        found: tuple[str, int] = super().discover_master(service_name)
        before, self._last_found = self._last_found, found
        if self._on_new_primary is not None and before not in (None, found):
            self._on_new_primary()
        return found


class _PrimaryPool(SentinelConnectionPool):
    def close(self) -> None:
        super().close()
        self.sentinel_manager.close()


def check(url: str) -> None:
    """Raises BadUrl unless it is a URL of one of the two forms."""
    if sentinels_of(url) is not None:
        return
    try:
        parts = urlsplit(url)
        parse_url(url)
        is_whole = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname)
    except ValueError:
        raise BadUrl("not a valid URL of Redis") from None
    if not is_whole:
        raise BadUrl("the host is missing")


def sentinels_of(url: str) -> Sentinels | None:
    """The Sentinels that a URL of the second form names; None for other schemes. Raises BadUrl."""
    scheme = url.partition(":")[0].lower()
    if scheme not in ENCRYPTED:
        return None
    found = _PARTS.fullmatch(url)
    if found is None:
        raise BadUrl("not a valid URL of Sentinels")
    start, login, hosts, end = found.groups()
    try:
        # Without the hosts: newer versions of Python refuse a list with an IPv6 address.
        parts = urlsplit(f"{start}{login}hosts{end}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        addresses = tuple(_address(host) for host in hosts.split(","))
        database = int(parts.path.strip("/") or 0)
        username, password = parts.username, parts.password
    except ValueError:
        raise BadUrl("not a valid URL of Sentinels") from None
    service = options.pop("service", "")
    if not service:
        raise BadUrl("?service= is missing: the name that the Sentinels have for the primary")
    sentinel_username = options.pop("sentinel_username", None) or None
    sentinel_password = options.pop("sentinel_password", None) or None
    tls = {name: options.pop(name) for name in _TLS_OPTIONS if name in options}
    if database < 0:
        raise BadUrl("the database is a number")
    if options:
        raise BadUrl("unknown options after the question mark")
    if tls and not ENCRYPTED[scheme]:
        raise BadUrl("options for TLS need rediss+sentinel")
    return Sentinels(
        addresses,
        service,
        database,
        unquote(username) if username else None,
        unquote(password) if password else None,
        sentinel_username,
        sentinel_password,
        is_encrypted=ENCRYPTED[scheme],
        tls=_typed(tls),
    )


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text.strip()}")
    if not parts.hostname or parts.username is not None:
        raise BadUrl("a Sentinel has no host name")
    return parts.hostname, parts.port or SENTINEL_PORT


def _typed(tls: dict[str, str]) -> dict[str, Any]:
    """As redis-py takes them."""
    if tls.get("ssl_cert_reqs", "none") not in {"none", "optional", "required"}:
        raise BadUrl("ssl_cert_reqs is none, optional or required")
    if "ssl_check_hostname" not in tls:
        return dict(tls)
    if tls["ssl_check_hostname"] not in {"true", "false"}:
        raise BadUrl("ssl_check_hostname is true or false")
    return {**tls, "ssl_check_hostname": tls["ssl_check_hostname"] == "true"}


def pool_of(
    url: str, *, on_new_primary: Callable[[], object] | None = None, **options: Any
) -> redis.ConnectionPool:
    """A pool of connections to the server, or to the Sentinels' current primary.

    `on_new_primary` is called when a connection finds another primary than the one before it.
    """
    sentinels = sentinels_of(url)
    if sentinels is None:
        return redis.ConnectionPool.from_url(url, **options)
    waits = {name: value for name, value in options.items() if name.startswith("socket_")}
    manager = _WatchedSentinel(
        sentinels.addresses,
        sentinel_kwargs={**waits, **sentinels.for_sentinels},
        on_new_primary=on_new_primary,
    )
    return _PrimaryPool(sentinels.service, manager, **{**options, **sentinels.for_servers})
