"""The client's address, behind any number of trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

UNKNOWN = "unknown"
_IPV6_PREFIX = 64  # bits: one subscriber's network, so that one client can't use countless addresses


def client_address(meta: Mapping[str, Any], trusted_proxies: int) -> str:
    """The client's address: an IPv4 address, an IPv6 network of 64 bits, or "unknown".

    `meta` is a WSGI environment. Each proxy appends the address it received the request from to X-Forwarded-For.
    Behind `trusted_proxies` of them, the client is that many entries from the right; any client can forge the entries
    further left. With 0 proxies, or fewer entries than proxies, the address is the peer's, REMOTE_ADDR.
    """
    peer = str(meta.get("REMOTE_ADDR") or "")
    if trusted_proxies <= 0:
        return _group(peer)
    forwarded = [part.strip() for part in str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",")]
    if len(forwarded) < trusted_proxies:
        return _group(peer)
    named = _group(forwarded[-trusted_proxies])
    return _group(peer) if named == UNKNOWN else named


@lru_cache(maxsize=4_096)
def _group(text: str) -> str:
    try:
        address = ipaddress.ip_address(_without_port(text).partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def _without_port(text: str) -> str:
    """Some proxies add a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
