"""Many POSTs at once over several web processes against a small quota, with or without processes being killed.

    python -m tests.races.forced_refresh --posts 10000 --webs 8 --caps 1 96 2000 [--kill]

Needs DATABASE_URL of a PostgreSQL server. Creates a database there. Afterwards it compares three counts: the clients'
answers, the provider's calls, and the ledger with its windows.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from tests.databases import direct_url
from tests.processes.service import Service, running_service

LOGIN = "/accounts/login/"
REFRESH = "/v1/integrations/instagram/refresh"
PASSWORD = "race-password-1"
SETTLED_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Cookies:
    session: str
    csrf: str


@dataclass
class Answers:
    """How often the clients got each answer, and how many calls got none."""

    answers: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Verdict:
    cap: int
    answers: Counter[str]
    provider_calls: int
    used: int
    lines: Counter[str]
    events: Counter[str]
    open_after_wait: int
    seconds: float
    kills: int = 0

    @property
    def kept(self) -> int:
        return self.lines["succeeded"] + self.lines["in_doubt"]

    @property
    def unaudited(self) -> dict[str, int]:
        """Answers and settled lines without an event."""
        return {
            "successes": max(0, self.answers["200"] - self.events["done"]),
            "refusals": max(0, self.answers["409 QUOTA_EXCEEDED"] - self.events["refused"]),
            "lines in doubt": abs(self.lines["in_doubt"] - self.events["in_doubt"]),
        }

    @property
    def surplus_events(self) -> int:
        """Events of requests whose clients got no answer."""
        answered = self.answers["200"] + self.answers["409 QUOTA_EXCEEDED"]
        return self.events["done"] + self.events["refused"] - answered

    def complaints(self, *, with_kills: bool, lost_commits: int = 0) -> list[str]:
        """The deviations. Empty when all counts agree.

        `lost_commits`: how many requests the database's server may have left without its answer when it died. Their
        clients got a 503, and the unit of one whose call had begun is in doubt.
        """
        said = {
            "more units kept than the cap": self.kept > self.cap,
            "window and ledger disagree": self.used != self.kept,
            "lines left open": self.open_after_wait > 0,
            "a call without a unit": self.provider_calls > sum(self.lines.values()),
            "a success without a call": self.lines["succeeded"] > self.provider_calls,
            "nothing succeeded": self.lines["succeeded"] == 0,
            "unexpected answers": bool(set(self.answers) - {"200", "409 QUOTA_EXCEEDED", "503", "lost"}),
        }
        if with_kills:
            said |= {
                "more units in doubt than kills": self.lines["in_doubt"] > self.kills + lost_commits,
                **{f"{what} without an audit event": number > 0 for what, number in self.unaudited.items()},
                "events without a request": self.surplus_events > self.answers["lost"] + lost_commits,
            }
        else:
            said |= {
                "provider calls and ledger disagree": self.provider_calls != self.lines["succeeded"],
                "units in doubt": self.lines["in_doubt"] > 0,
                "answers lost": self.answers["lost"] > 0,
                "successes answered and audited differ": self.answers["200"] != self.events["done"],
                "refusals answered and audited differ": self.answers["409 QUOTA_EXCEEDED"]
                != self.events["refused"],
            }
        return [complaint for complaint, holds in said.items() if holds]


def run(
    service: Service,
    *,
    cap: int,
    posts: int | Iterable[int],
    clients: int,
    with_kills: bool,
    kill_every: tuple[float, float] = (0.5, 1.5),
    name: str = "",
) -> Verdict:
    """Run one race for a new widget; `posts`: how many, or one for each item.

    `service` has its web processes, worker and beat running.
    """
    username = f"load.race{cap}{'k' if with_kills else ''}{name}"
    editor = f"editor-{username}"
    workspace = service.workspace("business", editor=editor, password=PASSWORD)
    service.manage("set_override", workspace, "instagram.refresh.forcePerDay.max", str(cap))
    service.manage("set_override", workspace, "instagram.refresh.forcePerHour.max", "unlimited")
    instance_id = service.instance(workspace, username)["instanceId"]
    cookies = sign_in(service.web_ports[0], editor)
    received = Answers()
    began = time.monotonic()
    with killing(service, kill_every) if with_kills else nothing() as killed:
        _post_all(service, instance_id, cookies, received, posts=posts, clients=clients)
    seconds = time.monotonic() - began
    return compare(
        service, instance_id, username, cap=cap, answers=received.answers, seconds=seconds, kills=len(killed)
    )


def compare(
    service: Service,
    instance_id: str,
    username: str,
    *,
    cap: int,
    answers: Counter[str],
    seconds: float,
    kills: int = 0,
) -> Verdict:
    """The books of one widget, once all lines are settled."""
    with psycopg.connect(_postgres_url(service), autocommit=True) as database:
        open_lines = _wait_until_settled(database, instance_id)
        calls = sum(call["username"] == username for call in service.standin.calls)
        return Verdict(
            cap=cap,
            answers=answers,
            provider_calls=calls,
            used=_number(
                database,
                "SELECT sum(used) FROM paris_integration_quotawindow WHERE kind='day' AND",
                instance_id,
            ),
            lines=_counts(
                database, "SELECT state, count(*) FROM paris_integration_forcedrefresh WHERE", instance_id
            ),
            events=_counts(
                database,
                "SELECT outcome, count(*) FROM paris_integration_auditevent WHERE action = 'forced_refresh' AND",
                instance_id,
            ),
            open_after_wait=open_lines,
            seconds=seconds,
            kills=kills,
        )


def sign_in(port: int, username: str) -> Cookies:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", LOGIN)
        csrf = _cookie(connection.getresponse(), "csrftoken")
        form = urlencode({"username": username, "password": PASSWORD, "csrfmiddlewaretoken": csrf})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={csrf}"}
        connection.close()
        connection.request("POST", LOGIN, form, headers)
        response = connection.getresponse()
        cookies = response.headers.get_all("Set-Cookie") or []
        found = dict(cookie.split(";")[0].split("=", 1) for cookie in cookies)
        return Cookies(found["sessionid"], found.get("csrftoken", csrf))
    finally:
        connection.close()


def repeat(service: Service, *, posts: int, clients: int) -> list[tuple[Counter[str], int, int]]:
    """Send the same request many times at once, twice. The second time its receipt is a day old.

    Returns the answers, the provider's calls and the used units after each time.
    """
    workspace = service.workspace("business", editor="editor-repeats", password=PASSWORD)
    instance_id = service.instance(workspace, "load.repeats")["instanceId"]
    cookies = sign_in(service.web_ports[0], "editor-repeats")
    used = "SELECT sum(used) FROM paris_integration_quotawindow WHERE kind='day' AND"
    found = []
    with psycopg.connect(_postgres_url(service), autocommit=True) as database:
        for _ in range(2):
            received = Answers()
            _post_all(service, instance_id, cookies, received, posts=posts, clients=clients, key="click-1")
            calls = sum(call["username"] == "load.repeats" for call in service.standin.calls)
            found.append((received.answers, calls, _number(database, used, instance_id)))
            database.execute(
                "UPDATE paris_integration_refreshreceipt SET created_at = created_at - interval '25 hours'"
            )
    return found


def post(
    connection: http.client.HTTPConnection, instance_id: str, cookies: Cookies, key: str | None = None
) -> str:
    """The answer as a status and an error code. Raises OSError or HTTPException when there is none."""
    headers = {
        "Content-Type": "application/json",
        "Cookie": f"sessionid={cookies.session}; csrftoken={cookies.csrf}",
        "X-CSRFToken": cookies.csrf,
        **({"Idempotency-Key": key} if key else {}),
    }
    connection.request("POST", REFRESH, json.dumps({"instanceId": instance_id}), headers)
    response = connection.getresponse()
    body = response.read()
    return f"409 {json.loads(body)['reasonCode']}" if response.status == 409 else str(response.status)


@contextmanager
def killing(service: Service, every: tuple[float, float]) -> Iterator[list[int]]:
    """Kill a random running web process this often, and restart it on its port. Yields the ids of the killed."""
    stop = threading.Event()
    chance = random.Random(7)  # noqa: S311 - the same deaths in every run
    killed: list[int] = []
    running = set(range(len(service.web_ports)))
    shortest, longest = every

    def restart(place: int) -> None:
        service.restart_web(place)
        running.add(place)

    def kill_and_restart() -> None:
        # Two at a time: a start takes longer than the time between two kills.
        with ThreadPoolExecutor(max_workers=2) as restarts:
            begun = []
            while not stop.wait(shortest + (longest - shortest) * chance.random()):
                if len(running) < 2:
                    continue
                place = chance.choice(sorted(running))
                running.discard(place)
                web = service.webs[place]
                os.killpg(web.pid, signal.SIGKILL)
                web.wait()
                killed.append(web.pid)
                begun.append(restarts.submit(restart, place))
        for each in begun:
            each.result()

    with ThreadPoolExecutor(max_workers=1) as thread:
        killer = thread.submit(kill_and_restart)
        try:
            yield killed
        finally:
            stop.set()
            killer.result()


@contextmanager
def nothing() -> Iterator[list[int]]:
    yield []


def _post_all(
    service: Service,
    instance_id: str,
    cookies: Cookies,
    received: Answers,
    *,
    posts: int | Iterable[int],
    clients: int,
    key: str | None = None,
) -> None:
    numbers = iter(range(posts) if isinstance(posts, int) else posts)
    lock = threading.Lock()

    def client(place: int) -> None:
        port = service.web_ports[place % len(service.web_ports)]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                if next(numbers, None) is None:
                    break
            try:
                answer = _post_to_a_running_one(connection, instance_id, cookies, key)
            except (OSError, http.client.HTTPException):
                answer = "lost"
                connection.close()
                time.sleep(0.05)
            with lock:
                received.answers[answer] += 1
        connection.close()

    with ThreadPoolExecutor(max_workers=clients) as pool:
        list(pool.map(client, range(clients)))


def _post_to_a_running_one(
    connection: http.client.HTTPConnection, instance_id: str, cookies: Cookies, key: str | None
) -> str:
    """A refused connection carried no request, so it is tried again."""
    give_up_at = time.monotonic() + 60
    while True:
        try:
            return post(connection, instance_id, cookies, key)
        except ConnectionRefusedError:
            connection.close()
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)


def _wait_until_settled(database: psycopg.Connection, instance_id: str) -> int:
    sql = "SELECT count(*) FROM paris_integration_forcedrefresh WHERE state='reserved' AND"
    give_up_at = time.monotonic() + SETTLED_WITHIN_SECONDS
    while (open_lines := _number(database, sql, instance_id)) and time.monotonic() < give_up_at:
        time.sleep(0.5)
    return open_lines


def _number(database: psycopg.Connection, sql: str, instance_id: str) -> int:
    row = database.execute(f"{sql} instance_id = %s".encode(), [instance_id]).fetchone()
    return int(row[0] or 0) if row else 0


def _counts(database: psycopg.Connection, sql: str, instance_id: str) -> Counter[str]:
    rows = database.execute(f"{sql} instance_id = %s GROUP BY 1".encode(), [instance_id]).fetchall()
    return Counter({name: int(count) for name, count in rows})


def _postgres_url(service: Service) -> str:
    return direct_url(service.environment["DATABASE_URL"])


def _cookie(response: http.client.HTTPResponse, name: str) -> str:
    response.read()
    for cookie in response.headers.get_all("Set-Cookie") or []:
        if cookie.startswith(f"{name}="):
            return cookie.split(";")[0].partition("=")[2]
    raise AssertionError(f"no cookie {name}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--webs", type=int, default=8)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--caps", type=int, nargs="+", default=[1, 96, 2_000])
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    failed = False
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), webs=options.webs, LOG_LEVEL="ERROR") as service,
    ):
        service.start_worker()
        service.start_beat()
        for cap in options.caps:
            verdict = run(
                service, cap=cap, posts=options.posts, clients=options.clients, with_kills=options.kill
            )
            complaints = verdict.complaints(with_kills=options.kill)
            failed |= bool(complaints)
            report = {
                "cap": cap,
                "answers": dict(verdict.answers),
                "providerCalls": verdict.provider_calls,
                "used": verdict.used,
                "ledger": dict(verdict.lines),
                "audit": dict(verdict.events),
                "openAfterWait": verdict.open_after_wait,
                "seconds": round(verdict.seconds, 1),
                "complaints": complaints,
            }
            print(json.dumps(report), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
