"""Everything that can go wrong at Meta, one class per kind, and the rules that say which calls a fault strikes.

A fault gets the call and the answer that would have been given, and returns the one to give. Odd posts need no fault:
plant them (`Profiles.plant`).
"""

from __future__ import annotations

import json
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from instagram_standin.errors import business_usage, envelope, unknown_field
from instagram_standin.fields import decode_cursor, encode_cursor
from instagram_standin.media import MEDIA_PREFIX
from instagram_standin.messages import Answer, Call, fitted, json_answer, text_answer

Normal = Callable[[], Answer]

_CHUNK_BYTES = 64 * 1024

KINDS: dict[str, type[Fault]] = {}


class Fault(ABC):
    kind: ClassVar[str]

    def __init_subclass__(cls, kind: str = "") -> None:
        if kind:
            cls.kind = kind
            KINDS[kind] = cls

    def concerns(self, call: Call) -> bool:
        """Whether there is anything to spoil; a call that is not concerned does not use the rule up."""
        return True

    @abstractmethod
    def spoil(self, call: Call, normal: Normal) -> Answer: ...


@dataclass(frozen=True)
class Status(Fault, kind="status"):
    """An error: Meta's envelope when there is a `code`, else a gateway's HTML page.

    `retry_after`: seconds or an HTTP date. `regain_minutes`: in the usage header, as for a closed window.
    """

    status: int = 503
    code: int | None = None
    subcode: int | None = None
    is_transient: bool | None = None
    retry_after: int | str | None = None
    regain_minutes: int | None = None

    def spoil(self, call: Call, normal: Normal) -> Answer:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.regain_minutes is not None:
            node_id = next((part for part in call.request.path.split("/") if part.isdecimal()), "0")
            full = {"call_count": 100, "total_time": 100, "total_cputime": 100}
            headers |= business_usage(node_id, full, self.regain_minutes)
        if self.code is None:
            answer = text_answer(f"<html><h1>{self.status}</h1></html>", self.status, "text/html")
            return replace(answer, headers={**answer.headers, **headers})
        others: Any = {"error_subcode": self.subcode, "is_transient": self.is_transient}
        error = envelope("An error that was asked for", self.code, **others)
        return json_answer(error, self.status, headers)


@dataclass(frozen=True)
class Error200(Status, kind="error200"):
    """An error envelope under HTTP 200."""

    status: int = 200
    code: int | None = 2


class Html(Fault, kind="html"):
    """A web page where JSON was expected."""

    body = b"<!DOCTYPE html><title>Facebook</title><h1>Sorry</h1>"
    content_type = "text/html; charset=utf-8"

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, self.body, {"Content-Type": self.content_type})


class Empty(Html, kind="empty"):
    body, content_type = b"", "application/json"


class Null(Empty, kind="null"):
    body = b"null"


class Deep(Empty, kind="deep"):
    """Brackets in brackets, to overflow a recursive parser."""

    body = b"[" * 100_000 + b"]" * 100_000


@dataclass(frozen=True)
class Hang(Fault, kind="hang"):
    """The connection is accepted, and nothing comes until it is closed `seconds` later."""

    seconds: float = 30

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, wait=self.seconds, ending="none")


class ResetConnection(Fault, kind="reset"):
    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, ending="reset")


@dataclass(frozen=True)
class Redirect(Fault, kind="redirect"):
    url: str = "http://127.0.0.1:9/elsewhere"

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(302, b"", {"Location": self.url})


@dataclass(frozen=True)
class Bomb(Fault, kind="bomb"):
    """A very large body of valid JSON; compressed, it is sent as a thousandth of its size."""

    megabytes: int = 64
    gzip: bool = False

    def spoil(self, call: Call, normal: Normal) -> Answer:
        headers = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if self.gzip else {})
        return Answer(200, headers=headers, chunks=self._packed if self.gzip else self._plain)

    def _plain(self) -> Iterator[bytes]:
        yield b'{"padding":"'
        for _ in range(self.megabytes * 1024 * 1024 // _CHUNK_BYTES):
            yield b"A" * _CHUNK_BYTES
        yield b'"}'

    def _packed(self) -> Iterator[bytes]:
        packer = zlib.compressobj(wbits=31)
        yield from filter(None, (packer.compress(chunk) for chunk in self._plain()))
        yield packer.flush()


@dataclass(frozen=True)
class Slow(Fault, kind="slow"):
    """A good answer, late."""

    seconds: float = 2

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return replace(normal(), wait=self.seconds)


@dataclass(frozen=True)
class Drip(Fault, kind="drip"):
    """A byte at a time, so that no read ever times out. `with_head`: from the status line on."""

    seconds_per_byte: float = 0.5
    with_head: bool = False

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return replace(normal(), drip=self.seconds_per_byte, drips_head=self.with_head)


@dataclass(frozen=True)
class Truncated(Fault, kind="truncated"):
    """The first half of the JSON: with its own length, or with the length of the whole and a closed connection."""

    claims_whole: bool = False

    def spoil(self, call: Call, normal: Normal) -> Answer:
        answer = normal()
        half = answer.body[: len(answer.body) // 2]
        return replace(answer, body=half, missing=len(answer.body) - len(half) if self.claims_whole else 0)


class _SpoiledPage(Fault):
    """Changes the page of media inside an answer; an answer without one is left alone."""

    def spoil(self, call: Call, normal: Normal) -> Answer:
        answer = normal()
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            return answer
        payload = json.loads(answer.body)
        page = payload.get("business_discovery", {}).get("media", payload)
        if not isinstance(page.get("data"), list):
            return answer
        self.change(page, call)
        return json_answer(payload, answer.status, answer.headers)

    @abstractmethod
    def change(self, page: dict[str, Any], call: Call) -> None: ...


class RepeatCursor(_SpoiledPage, kind="repeat_cursor"):
    """The cursor leads back to the page it came with: a caller that follows it reads the same posts for ever."""

    def change(self, page: dict[str, Any], call: Call) -> None:
        _lead_to(page, call.after or encode_cursor(0))


class EmptyPages(_SpoiledPage, kind="empty_pages"):
    """No items but a cursor, as after privacy filtering. The cursor is new, and the next good page loses nothing."""

    def change(self, page: dict[str, Any], call: Call) -> None:
        offset, lap = decode_cursor(call.after) if call.after else (0, 0)
        page["data"] = []
        _lead_to(page, encode_cursor(offset, lap + 1))


@dataclass(frozen=True)
class RejectField(Fault, kind="reject_field"):
    """Code 100, naming a field, for every call that asks for it."""

    field: str = "thumbnail_url"
    node_type: str = "Media"

    def concerns(self, call: Call) -> bool:
        return self.field in call.fields

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return unknown_field(self.field, self.node_type).answer()


def _lead_to(page: dict[str, Any], cursor: str) -> None:
    """Make `cursor` the one after this page, also in the `next` address where there is one."""
    paging = page.setdefault("paging", {})
    paging["cursors"] = {**paging.get("cursors", {}), "after": cursor}
    if "next" in paging:
        parts = urlsplit(paging["next"])
        query = {**dict(parse_qsl(parts.query)), "after": cursor}
        paging["next"] = urlunsplit(parts._replace(query=urlencode(query)))


@dataclass(slots=True)
class Rule:
    """Which calls a fault strikes; None means any. `times`: how often it still does, None until it is cleared.

    `path` is a prefix; without one, pictures are spared. `after`: later pages only, or first pages only.
    `hits`: how often it has struck.
    """

    fault: Fault
    times: int | None = None
    path: str | None = None
    username: str | None = None
    after: bool | None = None
    hits: int = 0

    def strikes(self, call: Call) -> bool:
        path = call.request.path
        return (
            self.times != 0
            and (path.startswith(self.path) if self.path else not path.startswith(MEDIA_PREFIX))
            and (self.username is None or self.username.lower() == call.username)
            and (self.after is None or self.after is (call.after is not None))
            and self.fault.concerns(call)
        )


class FaultBook:
    """The rules in force, oldest first. The first that fits a call strikes it."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(
        self,
        fault: Fault | str,
        *,
        times: int | None = None,
        path: str | None = None,
        username: str | None = None,
        after: bool | None = None,
        **parameters: Any,
    ) -> Rule:
        """`add(Status(503), times=1)`, or by the fault's kind: `add("status", status=503, times=1)`.

        Raises ValueError for an unknown kind, TypeError for parameters that it does not have.
        """
        if isinstance(fault, str):
            if fault not in KINDS:
                raise ValueError(f"fault is one of {', '.join(sorted(KINDS))}")
            fault = KINDS[fault](**fitted(KINDS[fault], parameters))
        elif parameters:
            raise TypeError("parameters belong into the fault")
        rule = Rule(fault, times, path, username, after)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules = []

    def take(self, call: Call) -> Fault | None:
        """The fault that strikes this call, counted against its rule."""
        with self._lock:
            rule = next((rule for rule in self._rules if rule.strikes(call)), None)
            if rule is None:
                return None
            rule.hits += 1
            rule.times = None if rule.times is None else rule.times - 1
            return rule.fault

    def as_json(self) -> list[dict[str, object]]:
        with self._lock:
            return [
                {"kind": rule.fault.kind, **asdict(rule), "fault": repr(rule.fault)} for rule in self._rules
            ]
