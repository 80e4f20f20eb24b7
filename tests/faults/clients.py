"""Clients that all arrive in one moment, and clients that keep reading."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.processes.service import FEED_PATH
from tests.races.forced_refresh import REFRESH, Cookies

LOCATION = re.compile(rb"^Location: (.*?)\r?$", re.IGNORECASE | re.MULTILINE)
WARNINGS = re.compile(rb'"warnings":\s*\[([^\]]*)\]')


@dataclass(frozen=True)
class Request:
    port: int
    content: bytes


@dataclass(frozen=True)
class Answer:
    """`status`: 0 if there was none within the time."""

    status: int
    body: bytes
    seconds: float
    location: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def word(self) -> str:
        """The status, and of a refusal its code."""
        return f"409 {self.json['reasonCode']}" if self.status == 409 else str(self.status)


def read_request(port: int, token: str) -> Request:
    head = f"GET {FEED_PATH}?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    return Request(port, head.encode())


def refresh_request(port: int, instance_id: str, cookies: Cookies, key: str | None = None) -> Request:
    body = json.dumps({"instanceId": instance_id})
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cookie": f"sessionid={cookies.session}; csrftoken={cookies.csrf}",
        "X-CSRFToken": cookies.csrf,
        **({"Idempotency-Key": key} if key else {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Request(port, f"POST {REFRESH} HTTP/1.1\r\n{lines}\r\n{body}".encode())


def at_once(requests: Sequence[Request], *, timeout: float = 60) -> list[Answer]:
    """Connect all, send everything but the last byte, and then the last bytes in one go."""
    return asyncio.run(_at_once(requests, timeout))


async def _at_once(requests: Sequence[Request], timeout: float) -> list[Answer]:
    released = asyncio.Event()
    arrived = 0
    all_arrived = asyncio.Event()

    async def one(request: Request) -> Answer:
        nonlocal arrived
        reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
        try:
            writer.write(request.content[:-1])
            await writer.drain()
            arrived += 1
            if arrived == len(requests):
                all_arrived.set()
            await released.wait()
            began = time.monotonic()
            writer.write(request.content[-1:])
            try:
                answer = await asyncio.wait_for(reader.read(), timeout)
            except (TimeoutError, OSError):
                answer = b""
            return _parsed(answer, time.monotonic() - began)
        finally:
            writer.close()

    async def release() -> None:
        await all_arrived.wait()
        await asyncio.sleep(0.05)  # the servers have read the heads
        released.set()

    answers = await asyncio.gather(release(), *(one(request) for request in requests))
    return list(answers[1:])


def _parsed(answer: bytes, seconds: float) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return Answer(0, b"", seconds)
    if b"transfer-encoding: chunked" in head.lower():
        body = _unchunked(body)
    location = LOCATION.search(head)
    return Answer(int(head.split(b" ", 2)[1]), body, seconds, location[1].decode() if location else "")


def _unchunked(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        body = rest[length + 2 :] if length else b""
    return b"".join(parts)


def words(answers: Sequence[Answer]) -> dict[str, int]:
    return dict(Counter(answer.word for answer in answers))


@dataclass(frozen=True)
class Seen:
    """`status`: 0 without an answer, and `error` says why."""

    phase: str
    client: int
    status: int
    seconds: float
    warnings: str = ""
    error: str = ""


@dataclass
class Readers:
    """Clients that read again and again, each on its own connection, which it keeps. `phase` labels what they see."""

    targets: Sequence[tuple[int, str]]
    clients: int = 50
    every_seconds: float = 0.25
    timeout_seconds: float = 10
    phase: str = "before"
    seen: list[Seen] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Readers:
        self._threads = [
            threading.Thread(target=self._read, args=(number,), daemon=True) for number in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout_seconds + 5)

    def during(self, phase: str, seconds: float) -> list[Seen]:
        """What they saw within so many seconds from now."""
        self.phase = phase
        time.sleep(seconds)
        return self.of(phase)

    def of(self, phase: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.phase == phase]

    def latest(self) -> list[Seen]:
        """What each client saw last."""
        return list({seen.client: seen for seen in list(self.seen)}.values())

    def _read(self, number: int) -> None:
        port, token = self.targets[number % len(self.targets)]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self.timeout_seconds)
        self._stop.wait(self.every_seconds * number / self.clients)
        while not self._stop.is_set():
            phase, began = self.phase, time.monotonic()
            status, warnings, problem = 0, "", ""
            try:
                connection.request("GET", f"{FEED_PATH}?token={token}")
                response = connection.getresponse()
                body = response.read()
                status = response.status
                found = WARNINGS.search(body)
                warnings = found[1].decode() if found else ""
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                problem = repr(error)
            took = time.monotonic() - began
            self.seen.append(Seen(phase, number, status, took, warnings, problem))
            self._stop.wait(max(0.0, self.every_seconds - took))
        connection.close()


def statuses(seen: Sequence[Seen]) -> dict[str, int]:
    return dict(Counter(str(each.status or "none") for each in seen))


def tracebacks(log: str) -> list[str]:
    """The lines with a traceback, without those in which Celery reports a broker that is away."""
    return [line for line in log.splitlines() if "Traceback" in line and '"logger": "celery' not in line]
