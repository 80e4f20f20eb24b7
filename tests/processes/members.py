"""Signed-in members of a running service, and whether the connection pool of a web process is whole."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.databases import direct_url
from tests.processes.service import FEED_PATH, Answer, Service, wait_until
from tests.races.forced_refresh import PASSWORD, Cookies, sign_in


@dataclass(frozen=True)
class Member:
    """An editor of one widget."""

    workspace: str
    instance_id: str
    token: str
    cookies: Cookies

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"sessionid={self.cookies.session}; csrftoken={self.cookies.csrf}"}

    @property
    def feed(self) -> str:
        return f"{FEED_PATH}?instanceId={self.instance_id}"

    @property
    def editor(self) -> str:
        return f"/editor/{self.instance_id}/"


def join(service: Service, name: str, username: str = "tiny.studio", *, plan: str = "business") -> Member:
    """A new workspace with one widget, and its editor signed in."""
    workspace = service.workspace(plan, editor=name, password=PASSWORD)
    made = service.instance(workspace, username)
    return Member(workspace, made["instanceId"], made["embedToken"], sign_in(service.web_ports[0], name))


@contextmanager
def calling(service: Service, *, web: int = 0, timeout: float = 30) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", service.web_ports[web], timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: str | None = None,
) -> Answer:
    began = time.monotonic()
    connection.request(method, path, body, dict(headers or {}))
    response = connection.getresponse()
    return Answer(response.status, dict(response.headers), response.read(), time.monotonic() - began)


def read_as(service: Service, member: Member, path: str = "", *, timeout: float = 30) -> Answer:
    with calling(service, timeout=timeout) as connection:
        return ask(connection, path or member.feed, member.headers)


@contextmanager
def database_of(service: Service) -> Iterator[psycopg.Connection]:
    with psycopg.connect(direct_url(service.environment["DATABASE_URL"]), autocommit=True) as database:
        yield database


def usable_connections(service: Service, member: Member, *, pool_size: int) -> int:
    """How many connections the first web process can use at once: readers are held up at a lock and counted there."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def held_up() -> int:
        row = watcher.execute(waiting).fetchone()
        return int(row[0]) if row else 0

    with (
        database_of(service) as blocker,
        database_of(service) as watcher,  # inside a transaction the view stands still
        ThreadPoolExecutor(max_workers=pool_size + 2) as readers,
    ):
        with blocker.transaction():
            blocker.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
            answers = [readers.submit(read_as, service, member) for _ in range(pool_size + 2)]
            most = 0

            def is_whole() -> bool:
                nonlocal most
                most = max(most, held_up())
                return most >= pool_size or all(answer.done() for answer in answers)

            wait_until(is_whole, 10)
        for answer in answers:
            answer.result()
    return most
