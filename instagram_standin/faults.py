"""Everything that can go wrong at Meta, one class per kind; fault_book.py says when.

A fault gets the call and the answer that would have been given, and returns the one to give. It knows nothing of
sockets (messages.py names the ways of sending) and nothing of hosts.
"""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from instagram_standin import graph_errors
from instagram_standin.calls import Call
from instagram_standin.graph_errors import envelope
from instagram_standin.messages import (
    Answer,
    CutShort,
    Delivery,
    Dripped,
    Late,
    Reset,
    Silent,
    Streamed,
    json_answer,
    text_answer,
)
from instagram_standin.paging import decode_cursor, encode_cursor
from instagram_standin.usage import BUSINESS_HEADER, business_usage

Normal = Callable[[], Answer]

_CHUNK_BYTES = 64 * 1024
_HTML = "<!DOCTYPE html><title>Facebook</title><h1>Sorry, something went wrong.</h1>"


class Fault(ABC):
    kind: ClassVar[str]

    def concerns(self, call: Call) -> bool:
        """Whether there is anything to spoil; a call that is not concerned does not use the rule up."""
        return True

    @abstractmethod
    def spoil(self, call: Call, normal: Normal) -> Answer: ...


# Instead of an answer


@dataclass(frozen=True, slots=True)
class Status(Fault):
    """An error: Meta's envelope when there is a `code`, else the HTML page of some gateway.

    `retry_after`: seconds or an HTTP date. `regain_minutes`: told in the usage header, as for a closed window.
    """

    kind: ClassVar[str] = "status"
    status: int = 503
    code: int | None = None
    subcode: int | None = None
    message: str = "An error that was asked for"
    is_transient: bool | None = None
    retry_after: int | str | None = None
    regain_minutes: int | None = None

    def spoil(self, call: Call, normal: Normal) -> Answer:
        if self.code is None:
            answer = text_answer(f"<html><h1>{self.status}</h1></html>", self.status, "text/html")
        else:
            error = envelope(
                self.message, code=self.code, subcode=self.subcode, is_transient=self.is_transient
            )
            answer = json_answer(error, self.status)
        return replace(answer, headers={**answer.headers, **self._limits(call)})

    def _limits(self, call: Call) -> dict[str, str]:
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.regain_minutes is not None:
            node_id = next((part for part in call.request.path.split("/") if part.isdecimal()), "0")
            full = {"call_count": 100, "total_time": 100, "total_cputime": 100}
            headers[BUSINESS_HEADER] = business_usage(node_id, full, self.regain_minutes)
        return headers


@dataclass(frozen=True, slots=True)
class LaterPage(Status):
    """The first page comes, the second fails."""

    kind: ClassVar[str] = "page2"
    status: int = 500

    def concerns(self, call: Call) -> bool:
        return call.after is not None


@dataclass(frozen=True, slots=True)
class Error200(Status):
    """An error envelope under HTTP 200."""

    kind: ClassVar[str] = "error200"
    status: int = 200
    code: int | None = 2


@dataclass(frozen=True, slots=True)
class Hang(Fault):
    """The connection is taken, and nothing comes until it is closed `seconds` later."""

    kind: ClassVar[str] = "hang"
    seconds: float = 30

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, delivery=Silent(self.seconds))


@dataclass(frozen=True, slots=True)
class ResetConnection(Fault):
    kind: ClassVar[str] = "reset"

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, delivery=Reset())


@dataclass(frozen=True, slots=True)
class Html(Fault):
    """A web page where JSON was expected."""

    kind: ClassVar[str] = "html"

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return text_answer(_HTML, 200, "text/html")


@dataclass(frozen=True, slots=True)
class Empty(Fault):
    kind: ClassVar[str] = "empty"

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, b"", {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Null(Fault):
    kind: ClassVar[str] = "null"

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return json_answer(None)


@dataclass(frozen=True, slots=True)
class Redirect(Fault):
    kind: ClassVar[str] = "redirect"
    url: str = "http://127.0.0.1:9/elsewhere"
    status: int = 302

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(self.status, b"", {"Location": self.url})


@dataclass(frozen=True, slots=True)
class Deep(Fault):
    """Brackets in brackets, to overflow a recursive parser."""

    kind: ClassVar[str] = "deep"
    depth: int = 100_000

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return Answer(200, b"[" * self.depth + b"]" * self.depth, {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Bomb(Fault):
    """A very large body of valid JSON; compressed, it travels as a thousandth of its size."""

    kind: ClassVar[str] = "bomb"
    megabytes: int = 64
    gzip: bool = False

    def spoil(self, call: Call, normal: Normal) -> Answer:
        headers = {"Content-Type": "application/json"}
        if self.gzip:
            headers["Content-Encoding"] = "gzip"
        return Answer(200, headers=headers, delivery=Streamed(self._packed if self.gzip else self._plain))

    def _plain(self) -> Iterator[bytes]:
        yield b'{"padding":"'
        filler = b"A" * _CHUNK_BYTES
        for _ in range(self.megabytes * 1024 * 1024 // _CHUNK_BYTES):
            yield filler
        yield b'"}'

    def _packed(self) -> Iterator[bytes]:
        packer = zlib.compressobj(wbits=31)
        for chunk in self._plain():
            packed = packer.compress(chunk)
            if packed:
                yield packed
        yield packer.flush()


# A good answer, badly sent


@dataclass(frozen=True, slots=True)
class Slow(Fault):
    kind: ClassVar[str] = "slow"
    seconds: float = 2

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return _sent(normal(), Late(self.seconds))


@dataclass(frozen=True, slots=True)
class Drip(Fault):
    """A byte at a time, so that no read ever times out. `with_head`: from the status line on."""

    kind: ClassVar[str] = "drip"
    seconds_per_byte: float = 0.5
    with_head: bool = False

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return _sent(normal(), Dripped(self.seconds_per_byte, self.with_head))


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """The first half of the JSON: with its own length, or with the length of the whole and a closed connection."""

    kind: ClassVar[str] = "truncated"
    claims_whole: bool = False

    def spoil(self, call: Call, normal: Normal) -> Answer:
        answer = normal()
        half = replace(answer, body=answer.body[: len(answer.body) // 2])
        missing = len(answer.body) - len(half.body)
        return _sent(half, CutShort(missing)) if self.claims_whole else half


# A good answer with something odd in it


class Defect(StrEnum):
    CAPTION = "caption"  # a NUL and half a surrogate pair
    TIMESTAMP = "timestamp"  # no date at all
    ID = "id"  # missing
    MEDIA_TYPE = "media_type"  # one that nobody has heard of
    NULL_ITEM = "null_item"  # null where an object should be


class _SpoiledPage(Fault):
    """Changes the page of media inside an answer; an answer without one is left alone."""

    def spoil(self, call: Call, normal: Normal) -> Answer:
        answer = normal()
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            return answer
        payload = json.loads(answer.body)
        page = _page_in(payload)
        if page is None:
            return answer
        self.change(page, call)
        return json_answer(payload, answer.status, answer.headers)

    @abstractmethod
    def change(self, page: dict[str, Any], call: Call) -> None: ...


@dataclass(frozen=True, slots=True)
class BrokenItem(_SpoiledPage):
    """One item of the page is broken; `place` is counted from zero, a shorter page loses its last."""

    kind: ClassVar[str] = "broken_item"
    defect: Defect = Defect.CAPTION
    place: int = 3

    def change(self, page: dict[str, Any], call: Call) -> None:
        items = page["data"]
        if not items:
            return
        place = min(self.place, len(items) - 1)
        match self.defect:
            case Defect.CAPTION:
                items[place]["caption"] = "before\x00 \ud83d after"
            case Defect.TIMESTAMP:
                items[place]["timestamp"] = "the day after tomorrow"
            case Defect.ID:
                items[place].pop("id", None)
            case Defect.MEDIA_TYPE:
                items[place]["media_type"] = "HOLOGRAM"
            case Defect.NULL_ITEM:
                items[place] = None


@dataclass(frozen=True, slots=True)
class RepeatCursor(_SpoiledPage):
    """The cursor leads back to the page it came with: who follows it reads the same posts for ever."""

    kind: ClassVar[str] = "repeat_cursor"

    def change(self, page: dict[str, Any], call: Call) -> None:
        _lead_to(page, call.after or encode_cursor(0))


@dataclass(frozen=True, slots=True)
class EmptyPages(_SpoiledPage):
    """No items but a cursor, as after privacy filtering. The cursor is new, and the next good page loses nothing."""

    kind: ClassVar[str] = "empty_pages"

    def change(self, page: dict[str, Any], call: Call) -> None:
        offset, lap = decode_cursor(call.after) if call.after else (0, 0)
        page["data"] = []
        _lead_to(page, encode_cursor(offset, lap + 1))


@dataclass(frozen=True, slots=True)
class RejectField(Fault):
    """Code 100, naming a field, for every call that asks for it."""

    kind: ClassVar[str] = "reject_field"
    field: str = "thumbnail_url"
    node_type: str = "Media"

    def concerns(self, call: Call) -> bool:
        return self.field in call.fields

    def spoil(self, call: Call, normal: Normal) -> Answer:
        return graph_errors.unknown_field(self.field, self.node_type).answer()


KINDS: Mapping[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        Bomb, BrokenItem, Deep, Drip, Empty, EmptyPages, Error200, Hang, Html, LaterPage, Null, Redirect, RejectField,
        RepeatCursor, ResetConnection, Slow, Status, Truncated,
    )
}  # fmt: skip


def _sent(answer: Answer, delivery: Delivery) -> Answer:
    return replace(answer, delivery=delivery)


def _page_in(payload: Any) -> dict[str, Any] | None:
    """The page of media in an answer: of a discovered account, or of the account itself."""
    if not isinstance(payload, dict):
        return None
    discovered = payload.get("business_discovery")
    page = discovered.get("media") if isinstance(discovered, dict) else payload
    return page if isinstance(page, dict) and isinstance(page.get("data"), list) else None


def _lead_to(page: dict[str, Any], cursor: str) -> None:
    """Make `cursor` the way on from this page, also in the address of the next where there is one."""
    paging = page.setdefault("paging", {})
    paging["cursors"] = {**paging.get("cursors", {}), "after": cursor}
    if "next" in paging:
        parts = urlsplit(paging["next"])
        query = {**dict(parse_qsl(parts.query)), "after": cursor}
        paging["next"] = urlunsplit(parts._replace(query=urlencode(query)))
