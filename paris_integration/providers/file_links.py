"""Which links the service may fetch files from: strict parsing, the allow-list of hosts, and public addresses.

Anything unusual is refused, so that no other parser can read a link differently than this one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LENGTH_LIMIT = 4096
LOCALHOST = "localhost"
DEFAULT_PORTS = {"https": 443, "http": 80}

# Printable ASCII without the backslash, which browsers read as a slash.
_UNUSUAL = re.compile(r"[^\x21-\x5b\x5d-\x7e]")
_LINK = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<target>[^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]{2,45})\]|(?P<name>[0-9a-z_.-]{1,253}))(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_NAME = re.compile(r"(?:[0-9a-z_](?:[0-9a-z_-]{0,61}[0-9a-z_])?\.)*[a-z](?:[0-9a-z-]{0,61}[0-9a-z])?")

_EMBEDS_IPV4 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_6TO4_RELAYS = ipaddress.ip_network("192.88.99.0/24")


class LinkRefused(Exception):
    """The message is the reason: `link_not_allowed` or `host_not_allowed`."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may be fetched. `host`: in lower case, an IPv6 address without brackets. `target`: path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.target}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the allow-list. `is_local`: an IP address or localhost, the only hosts with plain HTTP."""

    host: str
    port: int | None
    is_local: bool

    def allows(self, link: Link) -> bool:
        if self.is_local:
            return link.host == self.host and self.port in (None, link.port)
        is_inside = link.host == self.host or link.host.endswith(f".{self.host}")
        return is_inside and link.scheme == "https" and link.port == (self.port or DEFAULT_PORTS["https"])


class AllowedHosts:
    """The allow-list: domains, which include their subdomains, IP addresses and `localhost`; each with a port or not.

    Domains: https, on port 443 or the entry's. IP addresses and localhost: also http, on any port or the entry's.
    """

    def __init__(self, entries: Collection[str]) -> None:
        self._entries = [entry for entry in map(_entry_of, entries) if entry is not None]

    def parse(self, url: str) -> Link:
        """The link, if it is allowed. Raises LinkRefused."""
        link = _parse(url)
        if not any(entry.allows(link) for entry in self._entries):
            raise LinkRefused("host_not_allowed")
        return link

    def follow(self, link: Link, location: str) -> Link:
        """The link of a redirect, if it is allowed. Raises LinkRefused."""
        if not location or _UNUSUAL.search(location):  # `urljoin` would drop tabs, newlines and spaces
            raise LinkRefused("link_not_allowed")
        try:
            return self.parse(urljoin(link.url, location))
        except ValueError:
            raise LinkRefused("link_not_allowed") from None


def may_connect(host: str, addresses: Collection[str]) -> bool:
    """Whether an allowed host may have all these addresses: public ones, loopback for localhost, itself for an IP."""
    try:
        found = [ipaddress.ip_address(address) for address in addresses]
    except ValueError:  # also an IPv6 address with a zone that isn't one
        return False
    if not found:
        return False
    if (literal := _ip_of(host)) is not None:
        return found == [literal]
    if host == LOCALHOST:
        return all(address.is_loopback for address in found)
    return all(map(is_public, found))


def is_public(address: IPAddress) -> bool:
    """Whether the address, and an IPv4 address embedded in it, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _EMBEDS_IPV4:  # NAT64, which networks without IPv4 use for every IPv4 host
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.scope_id is not None or address not in _GLOBAL_UNICAST:
            return False
        # An IPv4-mapped address isn't global unicast, and Teredo isn't global. 6to4 is retired (RFC 7526), but Python
        # counts it as private only from 3.13 on.
        if address.sixtofour is not None:
            return False
    elif address in _6TO4_RELAYS:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _parse(url: str) -> Link:
    if len(url) > LENGTH_LIMIT or _UNUSUAL.search(url):
        raise LinkRefused("link_not_allowed")
    parts = _LINK.fullmatch(url)
    host, port = _host_and_port(parts["authority"]) if parts else (None, None)
    if parts is None or host is None:
        raise LinkRefused("link_not_allowed")
    scheme, target = parts["scheme"].lower(), parts["target"]
    if not target.startswith("/"):
        target = f"/{target}"
    return Link(scheme, host, port or DEFAULT_PORTS[scheme], target)


def _host_and_port(text: str) -> tuple[str | None, int | None]:
    """The host in lower case and the port. The host is None if it is neither a plain name nor an IP address."""
    parts = _AUTHORITY.fullmatch(text.lower())
    if parts is None or int(parts["port"] or 0) > 65_535:
        return None, None
    host: str = parts["ipv6"] or parts["name"]
    address = _ip_of(host)
    port = int(parts["port"]) if parts["port"] else None
    if parts["ipv6"]:
        return (str(address), port) if address is not None and address.version == 6 else (None, None)
    # Resolvers read names that end in a number, such as 127.1 or 0x7f000001, as IPv4 addresses.
    return (host, port) if address is not None or _NAME.fullmatch(host) else (None, None)


def _ip_of(host: str) -> IPAddress | None:
    """The address in the usual spelling only: `ipaddress` refuses short, octal and hexadecimal IPv4 addresses."""
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None


def _entry_of(text: str) -> _Entry | None:
    text = text.strip().lower()
    if (
        address := _ip_of(text)
    ) is not None:  # before the split: an IPv6 address without brackets has no port
        return _Entry(str(address), None, is_local=True)
    host, port = _host_and_port(text.removeprefix("."))
    if host is None:
        return None
    return _Entry(host, port, is_local=host == LOCALHOST or _ip_of(host) is not None)
