"""HTTP client for all calls to Meta: JSON with a total deadline, a size limit and no redirects.

The only module that imports `requests`. Requests may carry secrets in headers and queries, so no URL, parameter or
provider text appears in logs or exceptions. Answers are untrusted: any length, any speed, any content.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import re
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from prometheus_client import Counter
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util.connection import allowed_gai_family, create_connection

from foundation.metrics import timed
from paris_integration.errors import ProviderUnavailable
from paris_integration.providers.base import Usage
from paris_integration.providers.deadlines import Deadline, Watchdog
from paris_integration.types import Secret

# urllib3's DEBUG lines contain the query, which may hold secrets; so do its warnings of malformed headers.
logging.getLogger("urllib3").setLevel(logging.ERROR)

MAX_BODY_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
CONNECTIONS_KEPT = 32
RETRY_AFTER_CAP_SECONDS = 86_400.0
LOOKUPS_AT_ONCE = 16

provider_calls = Counter(
    "instagram_provider_calls_total",
    "HTTP calls to Meta, by class of answer (2xx, 3xx, 4xx, 5xx, none).",
    ["result"],
)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: status, JSON (None if the body isn't JSON), and rate-limit headers.

    `retry_after_seconds`: from Retry-After, between 0 and a day; None if missing or unreadable. `api_version`: the
    version of the Graph API that answered, if the answer names it.
    """

    status: int
    payload: object
    is_json: bool
    usage: Usage
    retry_after_seconds: float | None
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    url: str
    token: Secret | None
    params: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None


def _class_of(answer: HttpAnswer | str) -> str:
    """The metric label: `2xx` and so on; `none` if there is no answer."""
    return "none" if isinstance(answer, str) else f"{answer.status // 100}xx"


class HttpClient:
    """One session for all calls of a process. Thread-safe.

    `before_call` releases what a waiting call must not hold, such as a database connection.
    """

    def __init__(
        self, *, max_body_bytes: int = MAX_BODY_BYTES, before_call: Callable[[], object] = lambda: None
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._before_call = before_call
        self._session = _NoRedirects()
        self._session.trust_env = False  # ignore proxies and .netrc of the environment
        adapter = _WatchedAdapter(pool_connections=8, pool_maxsize=CONNECTIONS_KEPT, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def get_json(
        self, url: str, *, params: Mapping[str, str], token: Secret | None, deadline: Deadline
    ) -> HttpAnswer:
        """GET `url`, ending by `deadline`. The token is sent in the Authorization header.

        Raises ProviderUnavailable for no connection, a timeout, a redirect, and an answer that is too large. An answer
        that isn't JSON is returned with `is_json` False.
        """
        return self._ask(_Asked("GET", url, token, params=params), deadline)

    def post_form(self, url: str, *, form: Mapping[str, str], deadline: Deadline) -> HttpAnswer:
        """POST a form. Limits and errors as for `get_json`."""
        return self._ask(_Asked("POST", url, None, form=form), deadline)

    def delete(
        self, url: str, *, params: Mapping[str, str], token: Secret | None, deadline: Deadline
    ) -> HttpAnswer:
        """DELETE `url`. Limits and errors as for `get_json`."""
        return self._ask(_Asked("DELETE", url, token, params=params), deadline)

    def _ask(self, asked: _Asked, deadline: Deadline) -> HttpAnswer:
        if deadline.is_over:
            raise ProviderUnavailable("timed out")
        self._before_call()
        with timed("provider"), Watchdog(deadline) as watchdog:
            answer = self._answer_or_problem(asked, deadline)
        provider_calls.labels(result="none" if watchdog.has_expired else _class_of(answer)).inc()
        # A connection cut while it sends headers can look like an answer that just ended early.
        if watchdog.has_expired:
            raise ProviderUnavailable("timed out")
        if isinstance(answer, str):
            raise ProviderUnavailable(answer)
        return answer

    def _answer_or_problem(self, asked: _Asked, deadline: Deadline) -> HttpAnswer | str:
        """The answer, or a short reason. The library's exceptions contain the URL, so they must not leave here."""
        try:
            return self._send(asked, deadline)
        except Unusable as reason:
            return str(reason)
        except requests.Timeout:
            return "timed out"
        except (requests.RequestException, HTTPError, OSError, ValueError, AttributeError) as error:
            # When the watchdog cuts a socket, the library raises any of these, AttributeError included.
            return f"connection failed ({type(error).__name__})"

    def _send(self, asked: _Asked, deadline: Deadline) -> HttpAnswer:
        seconds = max(deadline.remaining_seconds, 0.001)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if asked.token is not None:
            headers["Authorization"] = f"Bearer {asked.token.reveal()}"
        with self._session.request(
            asked.method,
            asked.url,
            params=asked.params,
            data=asked.form,
            headers=headers,
            timeout=(seconds, seconds),
            stream=True,
            allow_redirects=False,
        ) as response:
            self._session.cookies.clear()  # the session is shared by all accounts
            if 300 <= response.status_code < 400:
                raise Unusable("redirected")
            body = self._read(response, deadline)
            payload, is_json = parse_json(body)
            return HttpAnswer(
                status=response.status_code,
                payload=payload,
                is_json=is_json,
                usage=usage_of(response.headers),
                retry_after_seconds=retry_after_of(response.headers, now=datetime.now(UTC)),
                api_version=_api_version_of(response.headers),
            )

    def _read(self, response: requests.Response, deadline: Deadline) -> bytes:
        """The decoded body. Raises Unusable over the size limit."""
        body = bytearray()
        # Counts decoded bytes, so that a small compressed body can't expand beyond the limit.
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._max_body_bytes:
                raise Unusable("answer too large")
            if deadline.is_over:
                raise requests.Timeout
        # An answer that was cut off must not pass for a shorter one.
        expected = response.headers.get("Content-Length", "")
        if (
            expected.isdecimal()
            and response.raw.headers.get("Content-Encoding") is None
            and len(body) < int(expected)
        ):
            raise requests.ConnectionError
        return bytes(body)


class _NoRedirects(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        # Even with `allow_redirects=False`, requests prepares the next request, for which it reads this whole body.
        return None


def parse_json(body: bytes) -> tuple[object, bool]:
    """The body's JSON and True, or None and False. Never raises, also for deep nesting, bad encoding and NaN."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant), True
    except (ValueError, RecursionError):
        return None, False


def usage_of(headers: Mapping[str, str]) -> Usage:
    """The highest percentage and the longest wait in the usage headers. Unreadable values are ignored.

    Source: Graph API "Rate limits" (2026). All counts are percentages; estimated_time_to_regain_access is in minutes.
    """
    entries = [_json_header(headers, "X-App-Usage")]
    by_business = _json_header(headers, "X-Business-Use-Case-Usage")
    for listed in by_business.values() if isinstance(by_business, dict) else ():
        entries += listed if isinstance(listed, list) else []
    known = [entry for entry in entries if isinstance(entry, dict)]
    percents = [
        _number(entry.get(name)) for entry in known for name in ("call_count", "total_time", "total_cputime")
    ]
    minutes = [_number(entry.get("estimated_time_to_regain_access")) for entry in known]
    return Usage(percent=max(percents, default=0.0), regain_minutes=max(minutes, default=0.0))


def retry_after_of(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds from Retry-After, given in seconds or as an HTTP date; at most a day, None if unreadable."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii():
        return float(min(int(text[:12]), int(RETRY_AFTER_CAP_SECONDS)))
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_CAP_SECONDS)
    return None


def _api_version_of(headers: Mapping[str, str]) -> str | None:
    text = headers.get("facebook-api-version", "")
    return text if re.fullmatch(r"v[0-9]{1,3}\.[0-9]", text, re.ASCII) else None


def _json_header(headers: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(headers.get(name, ""))
    except (ValueError, RecursionError):
        return {}


def _number(value: object) -> float:
    # Python reads NaN and Infinity in JSON, which are no counts.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        return 0.0
    return float(min(max(value, 0), 1_000_000))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


class Unusable(Exception):
    """The answer can't be used; the message is a short reason."""


_lookups = threading.BoundedSemaphore(LOOKUPS_AT_ONCE)


def addresses_of(host: str, port: int, deadline: Deadline) -> list[str]:
    """The addresses of a host name, in the system's order.

    Raises TimeoutError; OSError or ValueError if the name can't be resolved.
    """
    # `getaddrinfo` has no timeout and can't be interrupted, so it runs in a daemon thread that is abandoned at the
    # deadline. The semaphore limits these threads if DNS is down.
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    found: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            found.set_exception(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=max(deadline.remaining_seconds, 0)):
        raise TimeoutError
    try:
        threading.Thread(target=look_up, name="name-lookup", daemon=True).start()
    except RuntimeError:
        _lookups.release()
        raise OSError("no thread") from None
    entries = found.result(timeout=max(deadline.remaining_seconds, 0))
    return list(dict.fromkeys(address[0] for *_, address in entries))


class WatchedMixin:
    """A connection whose DNS lookup, connect and reads end by the deadline of its thread's watchdog."""

    sock: Any
    host: str
    port: int
    socket_options: Any
    _dns_host: str

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        Watchdog.watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        Watchdog.watch(self.sock)  # `connect` isn't called for a reused connection
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        """Like urllib3's, which has no timeout for the lookup and gives each address the whole time."""
        deadline = Watchdog.current.watchdog.deadline
        failure: OSError = OSError("no address")
        try:
            addresses = self._addresses(deadline)
            for place, address in enumerate(addresses):
                if deadline.is_over:
                    raise TimeoutError
                # The remaining time is shared by the remaining addresses.
                seconds = deadline.remaining_seconds / (len(addresses) - place)
                try:
                    sock = create_connection(
                        (address, self.port), seconds, socket_options=self.socket_options
                    )
                except OSError as error:
                    failure = error
                    continue
                sock.settimeout(max(deadline.remaining_seconds, 0.001))  # for the TLS handshake
                return sock
            raise failure
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error  # type: ignore[arg-type]

    def _addresses(self, deadline: Deadline) -> list[str]:
        return addresses_of(self._dns_host, self.port, deadline)


class _WatchedHTTPConnection(WatchedMixin, HTTPConnection):
    pass


class _WatchedHTTPSConnection(WatchedMixin, HTTPSConnection):
    pass


class _WatchedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTPConnection


class _WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedHTTPPool, "https": _WatchedHTTPSPool}
