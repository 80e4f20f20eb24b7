"""Fetches picture files from allowed hosts. Links and answers are untrusted: any address, length, speed and content.

No link appears in logs or exceptions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.poolmanager import PoolManager
from urllib3.response import BaseHTTPResponse

from paris_integration.errors import FileRefused
from paris_integration.providers.deadlines import Deadline, Watchdog
from paris_integration.providers.file_links import AllowedHosts, Link, LinkRefused, may_connect
from paris_integration.providers.http import (
    CHUNK_BYTES,
    CONNECTIONS_KEPT,
    Unusable,
    WatchedMixin,
)

MAX_FILE_BYTES = 25 * 1024 * 1024
MAX_REDIRECTS = 3
PICTURE_TYPES = ("image/avif", "image/webp", "image/jpeg", "image/png")
SIGNATURE_BYTES = 12
# The major brands of AVIF files (AV1 Image File Format, §6 and §8); `mif1` and `msf1` are also HEIF files.
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"miaf")
# Meta's CDN answers an expired or altered link with 403.
REASON_OF_STATUS = {403: "link_expired", 404: "not_found", 410: "link_expired"}


class FileClient:
    """Fetches pictures from allowed hosts, and connects to no address that isn't public. Thread-safe.

    `allowed_hosts`: see AllowedHosts. `before_call`: as for HttpClient.
    """

    # urllib3 without requests, which rewrites URLs: what is requested is the link that was checked.

    def __init__(
        self,
        *,
        allowed_hosts: Collection[str],
        max_bytes: int = MAX_FILE_BYTES,
        before_call: Callable[[], object] = lambda: None,
    ) -> None:
        self._allowed = AllowedHosts(allowed_hosts)
        self._max_bytes = max_bytes
        self._before_call = before_call
        self._pools = PoolManager(num_pools=8, maxsize=CONNECTIONS_KEPT, ca_certs=certifi.where())
        self._pools.pool_classes_by_scheme = {"http": _CheckedHTTPPool, "https": _CheckedHTTPSPool}

    def fetch(self, url: str, *, deadline: Deadline) -> bytes:
        """The content of a picture file. It begins like a JPEG, PNG, WebP or AVIF file; the rest is unchecked.

        Raises FileRefused: `link_not_allowed`, `host_not_allowed`, `address_not_allowed`, `redirected` (too often, or
        to a link that isn't allowed), `timed_out`, `unreachable`, `link_expired` (403 or 410), `not_found`,
        `http_error`, `too_large`, `not_a_picture`.
        """
        if deadline.is_over:
            raise FileRefused("timed_out")
        self._before_call()
        with Watchdog(deadline) as watchdog:
            content = self._content_or_reason(url, deadline)
        if watchdog.has_expired:
            raise FileRefused("timed_out")
        if isinstance(content, str):
            raise FileRefused(content)
        return content

    def _content_or_reason(self, url: str, deadline: Deadline) -> bytes | str:
        """The content, or the reason of FileRefused. Exceptions contain the URL, so they must not leave here."""
        try:
            return self._follow(self._allowed.parse(url), deadline)
        except (LinkRefused, Unusable) as reason:
            return str(reason)
        except NewConnectionError:  # to urllib3 a kind of timeout
            return "unreachable"
        except (TimeoutError, ConnectTimeoutError, ReadTimeoutError):
            return "timed_out"
        except (HTTPError, OSError, ValueError, AttributeError):
            return "unreachable"

    def _follow(self, link: Link, deadline: Deadline) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._get(link, deadline)
            try:
                if answer.status not in (301, 302, 303, 307, 308):
                    return self._read(answer, deadline)
                link = self._redirect_of(answer, link)
            finally:
                answer.close()  # keeps the connection only if the whole answer was read
        raise Unusable("redirected")

    def _get(self, link: Link, deadline: Deadline) -> BaseHTTPResponse:
        if deadline.is_over:
            raise TimeoutError
        pool = self._pools.connection_from_host(
            f"[{link.host}]" if ":" in link.host else link.host, link.port, link.scheme
        )
        return pool.urlopen(
            "GET",
            link.target,
            headers={"Accept": ", ".join(PICTURE_TYPES), "Accept-Encoding": "identity"},
            retries=False,
            redirect=False,
            timeout=max(deadline.remaining_seconds, 0.001),
            preload_content=False,
        )

    def _redirect_of(self, answer: BaseHTTPResponse, link: Link) -> Link:
        try:
            return self._allowed.follow(link, answer.headers.get("Location", ""))
        except LinkRefused:
            raise Unusable("redirected") from None

    def _read(self, answer: BaseHTTPResponse, deadline: Deadline) -> bytes:
        """The decoded body of a picture."""
        if answer.status != 200:
            raise Unusable(REASON_OF_STATUS.get(answer.status, "http_error"))
        announced = answer.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > self._max_bytes:
            raise Unusable("too_large")
        body = bytearray()
        is_checked = False
        # Counts decoded bytes, so that a small compressed body can't expand beyond the limit.
        for chunk in answer.stream(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                raise Unusable("too_large")
            if not is_checked and len(body) >= SIGNATURE_BYTES:
                is_checked = _check_signature(body)
            if deadline.is_over:
                raise TimeoutError
        _check_signature(body)
        return bytes(body)


def _check_signature(content: bytes | bytearray) -> bool:
    """Raises Unusable if the content doesn't begin like a JPEG, PNG, WebP or AVIF file."""
    is_known = (
        content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")
        or (content[4:8] == b"ftyp" and content[8:12] in AVIF_BRANDS)
    )
    if not is_known:
        raise Unusable("not_a_picture")
    return True


class _CheckedMixin(WatchedMixin):
    """A connection to an address that was checked. A name with any address that isn't allowed is refused.

    TLS and the Host header use the name.
    """

    def _addresses(self, deadline: Deadline) -> list[str]:
        addresses = super()._addresses(deadline)
        if not may_connect(self._dns_host, addresses):
            raise Unusable("address_not_allowed")
        return addresses


class _CheckedHTTPConnection(_CheckedMixin, HTTPConnection):
    pass


class _CheckedHTTPSConnection(_CheckedMixin, HTTPSConnection):
    pass


class _CheckedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _CheckedHTTPConnection


class _CheckedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedHTTPSConnection
