"""Answers to reads of feeds, repeated for at most a second without asking the view or Redis.

Widgets on busy pages read the same feed many times a second. The first read is answered by the view. What it answers is
kept as bytes, under everything in the request that the answer depends on, and sent again to equal requests: for
REPEAT_SECONDS, or until the view says that the answer may change with time. Before that time is over, a thread asks the
cache whether the values from which the answers in use were made are still the same, all in one round trip. Those that
are stay good for another REPEAT_SECONDS. For each of the others, one request goes to the view early, so that the rest
needn't wait for it. Another thread checks the cached values of the answers in use against the database before they get
too old for that.

The view stays the only place that decides what is answered. A repeated answer counts like any other: towards throttles,
metrics, daily usage, sightings and the access log. Repeated are answers to `GET` requests with an embed token, without
cookies and without `Cache-Control`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import parse_etags
from prometheus_client import Counter

from foundation import buffers, counters, logs, threads
from foundation.cache import Lookups, Origin, check_again, find_marks
from paris_integration import public as paris
from venice_api import sightings
from venice_api.api import feed_results, throttles
from venice_api.middleware import request_id_for

PATH = "/v1/integrations/instagram/feed"
REPEAT_SECONDS = 1.0
SETTLE_SECONDS = 0.5
CHECK_SECONDS = 0.2
CHECK_EARLY_SECONDS = 0.5  # before an answer's time is over
CHECK_DATABASE_SECONDS = 0.5
IN_USE_SECONDS = 30.0  # since the last request; other answers are checked when they are asked for
RENEWAL_SECONDS = 1.0  # how long a request waits for another one that renews the answer
FORGET_SECONDS = 30.0  # after its time: an answer that nobody asks for may hold posts that were deleted
MAX_BYTES = 64 * 1024 * 1024
MAX_HOSTS = 100  # of one answer, noted in half a second
OFFER = "venice.repeatable"  # in the WSGI environment: what the view says about its answer
LOOKUPS = "venice.lookups"
JSON = "application/json"
_OF_ONE_ANSWER = ("X-Request-ID", "Content-Type", "Content-Length")
# A client that sends Cache-Control or Pragma wants no kept answer: the editor's previews do so.
_NOT_REPEATED = (
    "HTTP_COOKIE",
    "HTTP_CACHE_CONTROL",
    "HTTP_PRAGMA",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_FORWARDED_PROTOCOL",
)

access_logger = logging.getLogger("access")
monotonic = time.monotonic

answers_repeated = Counter(
    "feed_answers_repeated_total",
    "Answers to feed requests that were repeated without asking the view; they count as feed requests, too.",
    namespace=settings.METRICS_NAMESPACE,
)

Key = tuple[str, ...]
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer that may be repeated, from the view. `body`: of the answer 200, also if this one was 304."""

    body: bytes
    etag: str
    workspace_id: str
    instance_id: str
    view: paris.FeedView
    route: str


class Answer(NamedTuple):
    """`headers`: without X-Request-ID, which is `request_id`. `lines`: the same, as they are sent."""

    status: str
    headers: Headers
    lines: bytes
    request_id: str
    body: bytes


class Kept:
    """A kept answer, and how often it was repeated since that was last counted."""

    def __init__(
        self, offer: Offer, headers: Headers, lookups: Lookups, *, fresh_until_monotonic: float
    ) -> None:
        self.offer = offer
        bare = [(name, value) for name, value in headers if name not in _OF_ONE_ANSWER]
        length = str(len(offer.body))
        self.headers = [("Content-Type", JSON), *bare, ("Content-Length", length)]
        self.headers_without_body = bare
        self.lines, self.lines_without_body = _lines(self.headers), _lines(self.headers_without_body)
        self.size_bytes = len(offer.body) + 8_192  # roughly what the rest needs
        self.lookups = lookups
        self.fresh_until_monotonic = fresh_until_monotonic
        self.same_until_seconds = 0.0 if offer.view.same_until is None else offer.view.same_until.timestamp()
        self.used_at_monotonic = monotonic()
        self.must_be_renewed = self.is_sent_to_view = False
        self.repeated = self.not_modified = 0
        self.hosts: set[str] = set()
        self._logged = (
            f', "workspace": {json.dumps(offer.workspace_id)}, "instance": {json.dumps(offer.instance_id)}'
        )

    def log_line(self, request_id: str, status: int, began: float) -> str:
        """The line that the middleware writes for other answers."""
        route = self.offer.route
        duration_ms = round((time.perf_counter() - began) * 1_000, 1)
        return logs.json_line(
            access_logger.name,
            f"GET {route} {status}",
            f', "request_id": "{request_id}"{self._logged}, "method": "GET", "route": "{route}", '
            f'"status": {status}, "duration_ms": {duration_ms}',
        )


class Repeats:
    """The kept answers of this process: as many as fit into `max_bytes`, the ones used last."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._uncounted: dict[Kept, None] = {}
        self._lines: list[str] = []
        self._renewals: dict[Key, threading.Event] = {}
        self._lock = threading.Lock()
        self._settler = threads.Repeater(self._tidy, seconds=lambda: SETTLE_SECONDS, name="repeats")
        self._checker = threads.Repeater(self.check_used, seconds=lambda: CHECK_SECONDS, name="check-repeats")
        self._database_checker = threads.Repeater(
            self.check_database, seconds=lambda: CHECK_DATABASE_SECONDS, name="check-cached-values"
        )

    def find(self, environ: Mapping[str, Any], *, may_ask: bool) -> Answer | None:
        """The answer to this request, counted and logged; None: the view must answer.

        `may_ask`: ask the cache whether an answer is still the same once its time is over. Otherwise nothing waits.
        """
        began = time.perf_counter()
        key = key_of(environ)
        if key is None:
            return None
        now = monotonic()
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            kept.used_at_monotonic = now
            self._kept.move_to_end(key)
        if kept.fresh_until_monotonic <= now:
            kept = self._renew(key, kept) if may_ask else None
            if kept is None:
                return None
        elif kept.must_be_renewed and self._claim_renewal(key, kept, is_last_stop=may_ask):
            return None
        if not counters.reads.raise_within(throttles.read_limits(environ, kept.offer.instance_id)):
            return None  # the view refuses it
        return self._repeat(kept, environ, began)

    def _claim_renewal(self, key: Key, kept: Kept, *, is_last_stop: bool) -> bool:
        """Make this request the one that goes to the view before the answer's time is over, if it's the first.

        It passes here twice: when the main loop has read it, and last in the thread that then takes it.
        """
        with self._lock:
            if is_last_stop:
                is_first = key not in self._renewals
                self._renewals.setdefault(key, threading.Event())
            else:
                is_first, kept.is_sent_to_view = not kept.is_sent_to_view, True
            return is_first

    def _renew(self, key: Key, kept: Kept) -> Kept | None:
        """The answer, if it is still the same or another request is renewing it. None: this request has to do it.

        One request asks the cache, and the view if need be. The others wait for it, as long as a view may take.
        """
        with self._lock:
            renewal = self._renewals.get(key)
            if renewal is None:
                self._renewals[key] = threading.Event()
        if renewal is None:
            is_same = self._check([kept]) == []
            if is_same:
                self._end_renewal(key)
            return kept if is_same else None
        renewal.wait(RENEWAL_SECONDS)
        with self._lock:
            renewed = self._kept.get(key)
            return renewed if renewed and renewed.fresh_until_monotonic > monotonic() else None

    def end(self, environ: Mapping[str, Any]) -> None:
        """The view has answered, or failed."""
        key = key_of(environ)
        if key is not None and key in self._renewals:
            self._end_renewal(key)

    def _end_renewal(self, key: Key) -> None:
        with self._lock:
            renewal = self._renewals.pop(key, None)
            kept = self._kept.get(key)
            if kept is not None and kept.fresh_until_monotonic <= monotonic():
                self._drop(key)  # the view doesn't answer so any more
        if renewal is not None:
            renewal.set()

    def keep(self, environ: Mapping[str, Any], headers: Headers, began_monotonic: float) -> None:
        """Keep the view's answer if it may be repeated. `began_monotonic`: before anything was read for it."""
        offer: Offer | None = environ.get(OFFER)
        key = key_of(environ)
        if offer is None or key is None or offer.view.same_until is None:
            return
        left_seconds = offer.view.same_until.timestamp() - time.time()
        fresh_until = min(began_monotonic + REPEAT_SECONDS, monotonic() + left_seconds)
        kept = Kept(offer, headers, environ[LOOKUPS], fresh_until_monotonic=fresh_until)
        if kept.size_bytes > self._max_bytes // 8:
            return
        for repeater in (self._settler, self._checker, self._database_checker):
            repeater.ensure_started()
        with self._lock:
            self._drop(key)
            self._kept[key] = kept
            self._bytes += kept.size_bytes
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def settle(self) -> None:
        """Count the repeated answers of the last half second."""
        with self._lock:
            lines, self._lines = self._lines, []
            uncounted, self._uncounted = self._uncounted, {}
            taken = [(kept, kept.repeated, kept.not_modified, kept.hosts) for kept in uncounted]
            for kept in uncounted:
                kept.repeated, kept.not_modified, kept.hosts = 0, 0, set()
        if lines:
            access_logger.info(logs.PreparedLines(lines, f"{len(lines)} reads answered by repeated answers"))
        now = timezone.now()
        answers_repeated.inc(sum(repeated + not_modified for _, repeated, not_modified, _ in taken))
        for kept, repeated, not_modified, hosts in taken:
            offer = kept.offer
            for result, number in (
                (feed_results.result_of(200, offer.view), repeated),
                (feed_results.result_of(304, offer.view), not_modified),
            ):
                if number:
                    paris.count_feed_request(offer.workspace_id, result, number=number)
            sightings.note_read(offer.instance_id, now=now, number=repeated + not_modified)
            for host in hosts:
                sightings.note_page(offer.instance_id, host, now=now)

    def forget_old(self) -> None:
        """Drop the answers that nobody has asked for lately."""
        with self._lock:
            before = monotonic() - FORGET_SECONDS
            for key in [key for key, kept in self._kept.items() if kept.fresh_until_monotonic < before]:
                self._drop(key)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._uncounted.clear()
            self._lines.clear()
            self._bytes = 0

    def check_used(self) -> None:
        """Check the answers in use whose time will soon be over."""
        now = monotonic()
        due = [
            kept
            for kept in self._used()
            if now < kept.fresh_until_monotonic < now + CHECK_EARLY_SECONDS and not kept.must_be_renewed
        ]
        for kept in self._check(due):
            kept.must_be_renewed = True

    def check_database(self) -> None:
        """Check the cached values of the answers in use against the database if that is soon due."""
        now_seconds = time.time()
        origins: dict[str, Origin[Any]] = {}
        for kept in self._used():
            origins |= kept.lookups.due_for_check(now_seconds)
        if origins:
            check_again(origins)

    def _used(self) -> list[Kept]:
        """The answers that were asked for lately."""
        before = monotonic() - IN_USE_SECONDS
        with self._lock:
            # The ones used last come last.
            return list(
                takewhile(lambda kept: kept.used_at_monotonic >= before, reversed(self._kept.values()))
            )

    def _check(self, answers: Sequence[Kept]) -> list[Kept]:
        """Those that may not be the same any more. The others are good for another REPEAT_SECONDS."""
        began, now_seconds = monotonic(), time.time()
        marks = find_marks({key for kept in answers for key in kept.lookups.keys})
        different = []
        for kept in answers:
            left_seconds = kept.same_until_seconds - now_seconds
            if left_seconds > 0 and kept.lookups.are_same(marks, now_seconds=now_seconds):
                kept.fresh_until_monotonic = began + min(REPEAT_SECONDS, left_seconds)
                kept.lookups.note_checks(marks)
                paris.ask_again(kept.offer.view)
            else:
                different.append(kept)
        return different

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size_bytes

    def _repeat(self, kept: Kept, environ: Mapping[str, Any], began: float) -> Answer:
        has_already = _has_already(environ.get("HTTP_IF_NONE_MATCH", ""), kept.offer.etag)
        host = sightings.host_of(environ.get("HTTP_ORIGIN"), environ.get("HTTP_REFERER"))
        sent_id = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = request_id_for(sent_id)
        line = kept.log_line(
            logs.redact(request_id) if sent_id else request_id, 304 if has_already else 200, began
        )
        with self._lock:
            self._lines.append(line)
            if has_already:
                kept.not_modified += 1
            else:
                kept.repeated += 1
            if host and len(kept.hosts) < MAX_HOSTS:
                kept.hosts.add(host)
            self._uncounted[kept] = None
        if has_already:
            return Answer(
                "304 Not Modified", kept.headers_without_body, kept.lines_without_body, request_id, b""
            )
        return Answer("200 OK", kept.headers, kept.lines, request_id, kept.offer.body)

    def _tidy(self) -> None:
        self.settle()
        self.forget_old()


repeats = Repeats()
buffers.before_writing(lambda: repeats.settle())


def offer(request: HttpRequest, offered: Offer) -> None:
    """For the view: this answer may be repeated to equal requests."""
    request.META[OFFER] = offered


def key_of(environ: Mapping[str, Any]) -> Key | None:
    """What an answer depends on. None for requests whose answers aren't repeated."""
    if environ["REQUEST_METHOD"] != "GET" or environ["PATH_INFO"] != PATH or environ.get("SCRIPT_NAME"):
        return None
    if environ.get("CONTENT_LENGTH") or environ.get("CONTENT_TYPE"):
        return None
    if any(name in environ for name in _NOT_REPEATED):
        return None
    host = environ.get("HTTP_HOST")
    if not host:
        return None
    origin, scheme = environ.get("HTTP_ORIGIN"), environ.get("HTTP_X_FORWARDED_PROTO", "")
    return (
        environ["QUERY_STRING"],
        environ.get("HTTP_AUTHORIZATION", ""),
        "" if origin is None else f"={origin}",
        host,
        scheme,
        # gunicorn believes X-Forwarded-Proto of some peers only.
        environ["REMOTE_ADDR"] if scheme else "",
    )


def _lines(headers: Headers) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")


@lru_cache(maxsize=4_096)
def _has_already(if_none_match: str, etag: str) -> bool:
    if not if_none_match:
        return False
    named = parse_etags(if_none_match)
    return "*" in named or etag in {name.removeprefix("W/") for name in named}
