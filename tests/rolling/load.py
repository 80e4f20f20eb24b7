"""The previous release and this one side by side, on one database migrated by this one, and one Redis.

    DATABASE_URL=postgres://… REDIS_URL=redis://… python -m tests.rolling.load --minutes 10 [--previous REVISION]

Runs a web process and a worker of each, and beat of this one, with the stand-in as Meta. First it checks that each
reads what the other has cached, and runs what the other has queued. Then clients send every request to either at
random, as a load balancer would: reads with tokens and sessions, pages, forced refreshes, logins, and disconnects.
Every answer is checked against the schema of the release that gave it. Prints one line of figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import requests
from jsonschema import Draft202012Validator

from tests.fuzz.schema import NO_LIMITS
from tests.processes.members import database_of
from tests.processes.service import FEED_PATH, ROOT, Service, free_port, get, running_service, wait_until
from tests.races.forced_refresh import PASSWORD, sign_in
from tests.repeating import repeated
from tests.rolling import previous

API = "/v1/integrations/instagram"
CLIENTS = 6


@dataclass
class Release:
    """One of the two: its folder, and its processes. `port` is that of its web process."""

    name: str
    folder: Path
    service: Service
    log_path: Path
    port: int = 0
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_web(self, **environment: str) -> int:
        port = free_port()
        self._start(
            "gunicorn", "--config", "config/gunicorn.py", "config.wsgi", PORT=str(port), **environment
        )
        wait_until(lambda: answers(port), 180)
        return port

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start(
            "celery", "--app", "config", "worker", "--pool", "threads", "--concurrency", "8",
            "--without-gossip", "--without-mingle", "--hostname", f"{self.name}@%h",
        )  # fmt: skip

    def start_beat(self) -> None:
        self._start("celery", "--app", "config", "beat", "--scheduler", "celery.beat:Scheduler")

    def stop(self) -> None:
        for process in self.running:
            end(process)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @cached_property
    def schema(self) -> Any:
        return json.loads((self.folder / "docs/openapi.json").read_text())

    def problems(self, path: str, method: str, answer: requests.Response) -> list[str]:
        """What the schema of this release says against an answer."""
        declared = self.schema["paths"][path][method]["responses"].get(str(answer.status_code))
        if declared is None:
            return [f"undeclared status {answer.status_code}"]
        if "content" not in declared:
            return []
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        if kind not in declared["content"]:
            return [f"undeclared type {kind}"]
        whole = declared["content"][kind]["schema"] | {"components": self.schema["components"]}
        return [error.message for error in Draft202012Validator(whole).iter_errors(answer.json())]

    def _start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        whole = {
            **self.service.environment,
            # Each host has a separate folder for metrics and static files; pictures are shared.
            "VAR_DIR": str(self.log_path.with_suffix(".var")),
            "STATIC_ROOT": str(self.folder / "staticfiles"),
            **environment,
        }
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(
                [self.folder / ".venv/bin" / program, *arguments],
                cwd=self.folder, env=whole, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        return process


def answers(port: int) -> bool:
    with suppress(OSError):
        return get(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Figures:
    """What the clients saw. `answers`: by release, act and status."""

    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    tasks: dict[str, Counter[str]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, release: Release, act: str, answer: requests.Response, problems: list[str]) -> None:
        with self._lock:
            self.answers[release.name, act, answer.status_code] += 1
            for problem in problems:
                self.errors.append(
                    f"{release.name} {act} {answer.status_code}: {problem}: {answer.text[:300]}"
                )

    def fail(self, text: str) -> None:
        with self._lock:
            self.errors.append(text)

    def of(self, release: Release) -> int:
        return sum(count for (name, _, _), count in self.answers.items() if name == release.name)


@dataclass(frozen=True)
class Widget:
    instance_id: str
    token: str
    username: str


class Client:
    """An editor with widgets that no other client uses, whose requests go to either release."""

    connecting = threading.Lock()

    def __init__(
        self, number: int, releases: list[Release], widgets: list[Widget], base: str, figures: Figures
    ) -> None:
        self.chance = random.Random(number)  # noqa: S311 - the same order in every run
        self.releases, self.widgets, self.base, self.figures = releases, widgets, base, figures
        self.session = requests.Session()
        # A load balancer passes on the host that the browser asked for.
        self.session.headers["Host"] = urlsplit(base).netloc
        cookies = sign_in(releases[number % 2].port, f"editor-{number}")
        self.cookies = {"sessionid": cookies.session, "csrftoken": cookies.csrf}
        self.acts: list[Callable[[Widget], None]] = [
            *[self.read] * 50, *[self.read_as_member] * 20, *[self.refresh] * 12, *[self.connect_and_disconnect] * 6,
            *[self.open_editor] * 6, *[self.fetch_picture] * 6,
        ]  # fmt: skip

    def run(self, ends_at: float) -> None:
        while time.monotonic() < ends_at:
            try:
                self.chance.choice(self.acts)(self.chance.choice(self.widgets))
            except requests.RequestException as error:
                self.figures.fail(f"no answer: {error}")

    def read(self, widget: Widget) -> None:
        self._checked("read", "feed", params={"token": widget.token})

    def read_as_member(self, widget: Widget) -> None:
        self._checked("member read", "feed", params={"instanceId": widget.instance_id}, cookies=self.cookies)

    def refresh(self, widget: Widget) -> None:
        self._checked("refresh", "refresh", {"instanceId": widget.instance_id}, cookies=self.cookies)

    def open_editor(self, widget: Widget) -> None:
        release, answer = self._ask("GET", f"/editor/{widget.instance_id}/", cookies=self.cookies)
        said = [] if answer.status_code == 200 else ["the editor's page doesn't open"]
        self.figures.note(release, "editor", answer, said)

    def fetch_picture(self, widget: Widget) -> None:
        posts = self._checked("read", "feed", params={"token": widget.token}).get("posts", [])
        links = [
            post["thumbnailUrl"] for post in posts if post["thumbnailUrl"].startswith(f"{self.base}/media/")
        ]
        if links:
            release, answer = self._ask("GET", urlsplit(self.chance.choice(links)).path)
            self.figures.note(release, "picture", answer, [] if answer.ok else ["no picture"])

    def connect_and_disconnect(self, widget: Widget) -> None:
        # One at a time: while a grant is revoked at Meta, no login of the same person is accepted.
        with self.connecting:
            before = self.revocations()
            if self._connect(widget):
                self._checked(
                    "disconnect", "disconnect", {"instanceId": widget.instance_id}, cookies=self.cookies
                )
                wait_until(lambda: self.revocations() > before, 60)

    def _connect(self, widget: Widget) -> bool:
        query = {"instanceId": widget.instance_id, "login": "instagram"}
        release, begun = self._ask("GET", f"{API}/connect", params=query, cookies=self.cookies)
        is_begun = begun.status_code == 302 and "state=" in begun.headers["Location"]
        self.figures.note(release, "connect", begun, [] if is_begun else ["no way to Meta"])
        if not is_begun:
            return False
        consent = {"standin_auto": "approve", "standin_account": widget.username}
        back = requests.get(begun.headers["Location"], params=consent, allow_redirects=False, timeout=30)
        returned = urlsplit(back.headers["Location"])
        # Often not the release where the login began.
        release, landed = self._ask("GET", f"{returned.path}?{returned.query}", cookies=self.cookies)
        ended = parse_qs(urlsplit(landed.headers.get("Location", "")).query)
        said = [] if ended.get("status") == ["connected"] else [f"not connected: {ended}"]
        self.figures.note(release, "callback", landed, said)
        data = self._checked(
            "member read", "feed", params={"instanceId": widget.instance_id}, cookies=self.cookies
        )
        if not data.get("posts"):
            self.figures.fail(f"no posts of a connected account: {data}")
        return not said

    def revocations(self) -> int:
        calls = self.releases[0].service.standin.calls
        return sum(call["path"].endswith("/me/permissions") and call["method"] == "DELETE" for call in calls)

    def _checked(self, act: str, name: str, body: Any = None, **options: Any) -> Any:
        method = "GET" if body is None else "POST"
        release, answer = self._ask(method, f"{API}/{name}", json=body, **options)
        problems = release.problems(f"{API}/{name}", method.lower(), answer)
        if answer.status_code not in (200, 409):
            problems.append("unexpected")
        self.figures.note(release, act, answer, problems)
        return answer.json() if answer.status_code == 200 else {}

    def _ask(self, method: str, path: str, **options: Any) -> tuple[Release, requests.Response]:
        release = self.chance.choice(self.releases)
        answer = self.session.request(
            method, f"http://127.0.0.1:{release.port}{path}", allow_redirects=False, timeout=60,
            headers={"X-CSRFToken": self.cookies["csrftoken"]}, **options,
        )  # fmt: skip
        self.session.cookies.clear()
        return release, answer


def check_cached_values(writer: Release, reader: Release, widget: Widget, figures: Figures) -> None:
    """`reader`, without a database, answers from what `writer` has cached."""
    ids = [post["id"] for post in read(writer, widget)["posts"]]
    # Refused by the database. Its address stays the same, as it is part of the names in the cache.
    database = urlsplit(reader.service.environment["DATABASE_URL"])
    refused = database._replace(netloc=f"nobody-of-this-name@{database.netloc.rpartition('@')[2]}").geturl()
    alone = reader.start_web(DATABASE_URL=refused)
    answer = get(f"http://127.0.0.1:{alone}{FEED_PATH}?token={widget.token}", timeout=60)
    end(reader.running.pop())
    if answer.status != 200 or not ids or [post["id"] for post in answer.json["posts"]] != ids:
        figures.fail(
            f"{reader.name} can't read what {writer.name} cached: {answer.status} {answer.body[:300]!r}"
        )


def check_queued_task(
    sender: Release, runner: Release, widget: Widget, service: Service, figures: Figures
) -> None:
    """A refresh that `sender` queues is made by the worker of `runner`, the only one."""
    read(sender, widget)
    make_old(service, widget)
    before = runner.log().count("refresh succeeded")
    worker = runner.start_worker()
    try:
        wait_until(lambda: not read(sender, widget)["stale"], 120)
        wait_until(lambda: runner.log().count("refresh succeeded") > before, 15)
    except AssertionError:
        figures.fail(f"{runner.name} doesn't make the refresh that {sender.name} has queued")
    end(worker)
    runner.running.remove(worker)


# One process makes them all: a command for each would take minutes.
_PREPARE = """
import io, json
from django.core.management import call_command

def made(*arguments):
    said = io.StringIO()
    call_command(*arguments, stdout=said)
    return json.loads(said.getvalue())

prepared = []
for name in {names}:
    workspace = made("create_workspace", name, "--plan", "business", "--editor", name, "--password", "{password}")
    for key in ("instagram.refresh.forcePerDay.max", "instagram.refresh.forcePerHour.max"):
        made("set_override", workspace["workspaceId"], key, "unlimited")
    own = ("create_instance", "--workspace", workspace["workspaceId"], "--profile")
    prepared.append([
        {{"username": username, **made(*own, username)}}
        for username in ("acme.bakery", "tiny.studio", "northern.trails", "acme.bakery")
    ])
print(json.dumps({{"prepared": prepared}}))
"""


def prepare(service: Service) -> list[list[Widget]]:
    """The widgets of a workspace per client, and those of one more."""
    names = [f"editor-{number}" for number in range(CLIENTS + 1)]
    script = _PREPARE.format(names=names, password=PASSWORD)
    return [
        [Widget(made["instanceId"], made["embedToken"], made["username"]) for made in widgets]
        for widgets in service.manage("shell", "-v", "0", "-c", script)["prepared"]
    ]


def read(release: Release, widget: Widget) -> Any:
    """A read that no kept answer repeats."""
    url = f"http://127.0.0.1:{release.port}{FEED_PATH}?token={widget.token}"
    return get(url, headers={"Cache-Control": "no-cache"}, timeout=60).json


_AGE = """
from datetime import timedelta
from paris_integration.models import Feed
from paris_integration.feeds import fast_copy
for row in Feed.objects.filter(instance_id="{instance_id}", fetched_at__isnull=False):
    row.fetched_at -= timedelta(days=10)
    row.save()
    fast_copy.publish(row)
"""
# What makes a feed due: beat hands it to a worker of either release.
_MAKE_DUE = """
UPDATE paris_integration_feed SET fetched_at = fetched_at - interval '10 days', next_refresh_at = now(),
    last_read_at = now()
WHERE id IN (
    SELECT id FROM paris_integration_feed WHERE fetched_at > now() - interval '1 day' ORDER BY random() LIMIT 4
)
"""


def make_old(service: Service, widget: Widget) -> None:
    service.manage("shell", "-v", "0", "-c", _AGE.format(instance_id=widget.instance_id))


@contextmanager
def due_feeds(service: Service) -> Iterator[None]:
    """Make a few feeds due every two seconds."""
    with database_of(service) as database:

        def make_due() -> None:
            with suppress(psycopg.errors.DeadlockDetected):
                database.execute(_MAKE_DUE)

        with repeated(make_due, every_seconds=2):
            yield


def run(releases: list[Release], service: Service, *, minutes: float) -> Figures:
    figures = Figures()
    new = releases[1]
    base = service.environment["PUBLIC_BASE_URL"]
    prepared = prepare(service)
    checks = iter(prepared.pop())
    for pair in (releases, releases[::-1]):
        check_cached_values(*pair, next(checks), figures)
        check_queued_task(*pair, next(checks), service, figures)
    for release in releases:
        release.start_worker()
    new.start_beat()
    clients = [Client(number, releases, widgets, base, figures) for number, widgets in enumerate(prepared)]
    began = time.monotonic()
    with due_feeds(service), ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda client: client.run(began + minutes * 60), clients))
    figures.seconds = time.monotonic() - began
    for release in releases:
        with requests.get(f"http://127.0.0.1:{release.port}/readyz", timeout=30) as ready:
            if ready.status_code != 200 or ready.json()["status"] != "ready":
                figures.fail(f"{release.name} isn't ready: {ready.text}")
        release.stop()
    judge_logs(releases, figures)
    return figures


def judge_logs(releases: list[Release], figures: Figures) -> None:
    """Tasks that ran, tasks that were dropped as unknown, and everything that looks like a bug."""
    new = releases[1]
    scheduled = {entry["task"] for entry in schedule_of(new)}
    for release in releases:
        log = release.log()
        figures.tasks[release.name] = Counter(re.findall(r"Task (\S+)\[[^]]*\] succeeded", log))
        dropped = Counter(re.findall(r"Received unregistered task of type '?\"?\\?'?([\w.]+)", log))
        figures.dropped += dropped
        # Beat sends a scheduled task again; nothing sends another one again.
        for name in dropped.keys() - scheduled:
            figures.fail(f"{release.name} dropped {name}, which isn't sent again")
        others = [
            line
            for line in log.splitlines()
            if '"level": "ERROR"' in line and "unregistered task" not in line
        ]
        for line in others[:5]:
            figures.fail(f"{release.name} logged {line[:500]}")
        if not figures.of(release) or not figures.tasks[release.name]:
            figures.fail(f"{release.name} had nothing to do")


_SCHEDULE = "import json; from django.conf import settings; print(json.dumps([{'task': entry['task']} for entry in settings.CELERY_BEAT_SCHEDULE.values()]))"  # noqa: E501


def schedule_of(release: Release) -> list[dict[str, str]]:
    said = subprocess.run(
        [release.folder / ".venv/bin/python", "manage.py", "shell", "-v", "0", "-c", _SCHEDULE],
        cwd=release.folder, env=release.service.environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: list[dict[str, str]] = json.loads(said.stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument(
        "--previous", metavar="REVISION", help="default: the last tag v*, else the recorded revision"
    )
    parser.add_argument("--folder", type=Path, help="where to unpack it, and to find it the next time")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left
    revision = options.previous or previous.revision()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name) / "previous"
        previous.install(revision, folder)
        if options.previous is None and previous.last_migrations(folder) != previous.recorded().migrations:
            sys.exit(
                f"{previous.RECORD.name} is out of date: run python -m tests.rolling.previous --record {revision}"
            )
        (Path(name) / "service").mkdir()
        with running_service(
            Path(name) / "service",
            webs=0,
            DEBUG="false",
            MEDIA_COPIES="true",
            MEDIA_ROOT=str(Path(name) / "media"),
            **NO_LIMITS,
        ) as service:
            old = Release("old", folder, service, Path(name) / "old.log")
            new = Release("new", ROOT, service, Path(name) / "new.log")
            service.environment["PUBLIC_BASE_URL"] = f"http://127.0.0.1:{free_port()}"
            try:
                for release in (old, new):
                    release.port = release.start_web()
                service.web_ports = [new.port]
                figures = run([old, new], service, minutes=options.minutes)
            finally:
                for release in (old, new):
                    release.stop()
                    if os.environ.get("ROLLING_LOGS"):
                        Path(os.environ["ROLLING_LOGS"], f"{release.name}.log").write_text(release.log())
    for error in figures.errors[:20]:
        print(error, file=sys.stderr)
    acts = Counter[str]()
    for (_, act, status), count in figures.answers.items():
        acts[f"{act} {status}"] += count
    shares = ", ".join(
        f"{release.name} {figures.of(release)} requests and {figures.tasks[release.name].total()} tasks"
        for release in (old, new)
    )
    print(
        f"rolling upgrade from {revision[:12]}: {figures.seconds:.0f} s, {shares}, {len(figures.errors)} errors; "
        f"answers: {', '.join(f'{act} x{count}' for act, count in sorted(acts.items()))}; "
        f"scheduled tasks unknown to old and sent again: {dict(figures.dropped)}"
    )
    return 1 if figures.errors else 0


if __name__ == "__main__":
    sys.exit(main())
