"""What comes in, what goes out, and how it is to be sent. Plain values; sockets are server.py's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Request:
    """`path`: percent-decoded, without query. `query`: the last value of each name. `headers`: names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def host(self) -> str:
        """The host the caller named, with its port."""
        return self.headers["host"]

    def json(self) -> object:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    def object(self) -> dict[str, object]:
        """The body as a JSON object. Raises ValueError."""
        given = self.json()
        if not isinstance(given, dict):
            raise ValueError("an object is needed")
        return given

    def form(self) -> Mapping[str, Sequence[str]]:
        """The fields of a form, urlencoded or multipart; nothing of a body that is none."""
        kind = self.headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            return _multipart(kind, self.body)
        return parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def parameters(self) -> dict[str, str]:
        """Query and form as one, for endpoints that take both; the form wins."""
        return {**self.query, **{name: values[-1] for name, values in self.form().items()}}


@dataclass(frozen=True, slots=True)
class AtOnce:
    """As any server would."""


@dataclass(frozen=True, slots=True)
class Late:
    """Nothing for a while, then everything."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Dripped:
    """One byte at a time: the body alone, or the head as well."""

    seconds_per_byte: float
    with_head: bool = False


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing for a while, then the connection is closed without an answer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down (RST) before a byte is sent."""


@dataclass(frozen=True, slots=True)
class CutShort:
    """The head promises `missing_bytes` more than come before the connection is closed."""

    missing_bytes: int


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body made while it is sent, in chunks, instead of `Answer.body`."""

    chunks: Callable[[], Iterator[bytes]]


Delivery = AtOnce | Late | Dripped | Silent | Reset | CutShort | Streamed


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = AtOnce()

    @property
    def is_sent(self) -> bool:
        """Whether the caller gets to see the status at all."""
        return not isinstance(self.delivery, Silent | Reset)


def json_answer(payload: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    # ASCII, as Meta escapes: it is also the one way in which a lone surrogate can travel.
    body = json.dumps(payload, separators=(",", ":")).encode("ascii")
    return Answer(status, body, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})})


def text_answer(text: str, status: int, kind: str = "text/plain") -> Answer:
    return Answer(status, text.encode(), {"Content-Type": f"{kind}; charset=utf-8"})


def _multipart(kind: str, body: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    head = b"Content-Type: " + kind.encode("latin-1", "replace") + b"\r\n\r\n"
    for part in BytesParser().parsebytes(head + body).walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            found.setdefault(name, []).append(_text_of(part))
    return found


def _text_of(part: Message) -> str:
    content = part.get_payload(decode=True)
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
