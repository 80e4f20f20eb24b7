"""Whose request it is, as far as an address tells."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

UNKNOWN = "unknown"
_IPV6_PREFIX = 64  # bits: what one subscriber gets, so that no one has endlessly many addresses


def client_address(meta: Mapping[str, Any], trusted_proxies: int) -> str:
    """The client's address: an IPv4 address, an IPv6 network of 64 bits, or "unknown".

    `meta` is a WSGI environment. Each proxy appends whom it heard from to X-Forwarded-For, so behind
    `trusted_proxies` of them the client is that many from the right; what stands further left anybody may have
    written. With 0, or a list too short to have come through them all, it is the peer, REMOTE_ADDR.
    """
    peer = str(meta.get("REMOTE_ADDR") or "")
    if trusted_proxies <= 0:
        return _group(peer)
    heard = [part.strip() for part in str(meta.get("HTTP_X_FORWARDED_FOR") or "").split(",")]
    if len(heard) < trusted_proxies:
        return _group(peer)
    named = _group(heard[-trusted_proxies])
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
    """Some proxies write a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
