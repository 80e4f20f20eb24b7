"""Requests, answers, and the log of calls. Plain values: server.py reads and sends them."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded and has no query. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def host(self) -> str:
        """The host that the caller named, with its port."""
        return self.headers["host"]

    def object(self) -> dict[str, object]:
        """The body as a JSON object. Raises ValueError."""
        given = json.loads(self.body)
        if not isinstance(given, dict):
            raise ValueError("the body must be a JSON object")
        return given

    def form(self) -> Mapping[str, Sequence[str]]:
        return parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def parameters(self) -> dict[str, str]:
        """Query and form together; the form wins."""
        return {**self.query, **{name: values[-1] for name, values in self.form().items()}}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and how it is sent.

    `wait`: seconds before anything is sent. `ending`: "none" closes the connection without an answer, "reset" with a
    TCP reset. `drip`: seconds between two bytes; `drips_head`: from the status line on. `missing`: how many bytes the
    head promises that never come. `chunks`: the body, made while it is sent.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0
    ending: str = ""
    drip: float = 0
    drips_head: bool = False
    missing: int = 0
    chunks: Callable[[], Iterator[bytes]] | None = None


def json_answer(payload: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    # ASCII, as Meta escapes: a lone surrogate can travel in no other way.
    body = json.dumps(payload, separators=(",", ":")).encode("ascii")
    return Answer(status, body, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})})


def text_answer(text: str, status: int, kind: str = "text/plain") -> Answer:
    return Answer(status, text.encode(), {"Content-Type": f"{kind}; charset=utf-8"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request as its host understands it.

    `username`: the account whose media are asked for. `after`: the cursor, None on a first page. `fields`: all names
    asked for, at any depth.
    """

    request: Request
    username: str | None = None
    after: str | None = None
    fields: frozenset[str] = frozenset()
    token: str | None = None


class CallLog(list[dict[str, Any]]):
    """The calls made to Meta's hosts, oldest first, each logged before its answer is sent.

    `at`: ISO 8601 in UTC. `status`: None when the caller got no answer. `fault`: the fault that struck, if any.
    """

    def add(self, call: Call, *, status: int | None, fault: str | None) -> None:
        self.append(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "method": call.request.method,
                "path": call.request.path,
                "username": call.username,
                "after": call.after,
                "token_hash": fingerprint(call.token) if call.token else None,
                "status": status,
                "fault": fault,
            }
        )


def fingerprint(token: str) -> str:
    """Enough to tell tokens apart in a log, too little to use one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def fitted(action: Callable[..., object], given: Mapping[str, object]) -> dict[str, Any]:
    """The arguments for `action`, from JSON, checked against its signature. Raises TypeError."""
    inspect.signature(action).bind(**given)
    hints = get_type_hints(action)
    return {name: _checked(value, hints.get(name, Any), name) for name, value in given.items()}


def _checked(value: object, hint: Any, name: str) -> object:
    for option in get_args(hint) if isinstance(hint, UnionType) else (hint,):
        kind = get_origin(option) or option
        if kind in (Any, object) or type(value) is kind:  # not isinstance: true is no number
            return value
        if (kind is float and type(value) is int) or (kind is Iterable and isinstance(value, list)):
            return value
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            with suppress(ValueError):
                return kind(str(value))
    raise TypeError(f"{name} cannot be {value!r}")
