"""What was asked of the hosts: the log that tests count with.

A call is logged when it arrives, before its answer is sent: one that is never answered has been made all the same.
Tokens appear as fingerprints only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from instagram_standin.messages import Request
from instagram_standin.tokens import fingerprint


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


class LoggedCall(TypedDict):
    """As the control API shows it.

    `at`: ISO 8601 in UTC. `status`: None when the caller got no answer at all. `fault`: what was done to it.
    """

    at: str
    method: str
    path: str
    username: str | None
    after: str | None
    token_hash: str | None
    status: int | None
    fault: str | None


class CallLog:
    """Oldest first. Iterating is safe while calls come in."""

    def __init__(self) -> None:
        self._calls: list[LoggedCall] = []
        self._lock = threading.Lock()

    def add(self, call: Call, *, status: int | None, fault: str | None) -> None:
        logged = LoggedCall(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            method=call.request.method,
            path=call.request.path,
            username=call.username,
            after=call.after,
            token_hash=fingerprint(call.token) if call.token else None,
            status=status,
            fault=fault,
        )
        with self._lock:
            self._calls.append(logged)

    def of(self, username: str) -> list[LoggedCall]:
        return [call for call in self if call["username"] == username]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def __iter__(self) -> Iterator[LoggedCall]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)

    def __getitem__(self, place: int) -> LoggedCall:
        with self._lock:
            return self._calls[place]
