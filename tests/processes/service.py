"""The service as real processes on free ports, with its own database and the stand-in."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn
from tests.databases import fresh_database, template_database
from tests.processes import forking
from tests.processes.commands import CommandServer
from tests.processes.forking import ROOT as ROOT
from tests.processes.forking import Forked

REPEAT_SECONDS = 1.0  # venice_api.api.repeats
FEED_PATH = "/v1/integrations/instagram/feed"

_AGE = """
from datetime import timedelta
from paris_integration.models import Feed
from paris_integration.feeds import fast_copy
row = Feed.objects.get(source_value="{source_value}")
row.fetched_at -= timedelta(days=10)
row.save()
fast_copy.publish(row)
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(url: str, *, headers: dict[str, str] | None = None, timeout: float = 30) -> Answer:
    """GET that returns every status; OSError when nobody answers."""
    began = time.monotonic()
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(response.status, dict(response.headers), response.read(), time.monotonic() - began)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read(), time.monotonic() - began)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Service:
    """Handles to the running processes. `feed_url` addresses one of the web processes.

    `elsewhere`: what these processes, unlike commands, have in their environment, such as the addresses of proxies.
    """

    standin: StandIn
    environment: dict[str, str]
    log_path: Path
    elsewhere: dict[str, str] = field(default_factory=dict)
    web_ports: list[int] = field(default_factory=list)
    webs: list[Forked] = field(default_factory=list)
    processes: list[Forked] = field(default_factory=list)
    _shared: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)
    _servers: dict[frozenset[tuple[str, str]], CommandServer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def manage(self, *arguments: str) -> Any:
        """A management command's JSON."""
        done = self._commands().run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def _commands(self) -> CommandServer:
        """What runs commands in the environment as it is now."""
        with self._lock:
            wanted = frozenset(self.environment.items())
            if wanted not in self._servers:
                self._servers[wanted] = CommandServer(self.environment)
            return self._servers[wanted]

    def age(self, source_value: str) -> None:
        """Make the source's one feed ten days older than it is, copies included."""
        self.manage("shell", "-v", "0", "-c", _AGE.format(source_value=source_value))

    def workspace(self, plan: str = "pro", **kwargs: str) -> str:
        extra = [part for name, value in kwargs.items() for part in (f"--{name}", value)]
        created: dict[str, str] = self.manage("create_workspace", "Test", "--plan", plan, *extra)
        return created["workspaceId"]

    def instance(self, workspace: str, username: str, *more: str) -> dict[str, str]:
        created: dict[str, str] = self.manage(
            "create_instance", "--workspace", workspace, "--profile", username, *more
        )
        return created

    def shared_instance(self, username: str, *more: str) -> dict[str, str]:
        """An instance that no test changes; the same for the same account and options."""
        wanted = (username, *more)
        if wanted not in self._shared:
            self._shared[wanted] = self.instance(self._shared_workspace, *wanted)
        return self._shared[wanted]

    @cached_property
    def _shared_workspace(self) -> str:
        return self.workspace()

    def feed_url(self, token: str, *, web: int = 0, query: str = "") -> str:
        return f"http://127.0.0.1:{self.web_ports[web]}{FEED_PATH}?token={token}{query}"

    def read(self, token: str, *, web: int = 0, query: str = "") -> Answer:
        return get(self.feed_url(token, web=web, query=query))

    def read_anew(self, token: str, *, web: int = 0) -> Answer:
        """Read after a change, when answers from before it are no longer repeated."""
        time.sleep(REPEAT_SECONDS)
        return self.read(token, web=web)

    def read_at_once(self, token: str, readers: int) -> list[Answer]:
        """As many readers as asked for, spread over the web processes, all at the same moment."""
        with ThreadPoolExecutor(max_workers=readers) as pool:
            webs = [number % len(self.web_ports) for number in range(readers)]
            return list(pool.map(lambda web: self.read(token, web=web), webs))

    def start_web(self, count: int = 1) -> None:
        """Start so many web processes, at once, each on a port that was free."""
        ports = [free_port() for _ in range(count)]
        self.webs += [self._serve(port) for port in ports]
        self.web_ports += ports
        for port in ports:
            wait_until(lambda port=port: _answers(f"http://127.0.0.1:{port}/healthz"), 30)

    def restart_web(self, place: int) -> None:
        """Start a web process that has died again, on its port."""
        port = self.web_ports[place]
        self.webs[place] = self._serve(port)
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/healthz"), 30)

    def _serve(self, port: int) -> Forked:
        address = {"PORT": str(port), "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}"}
        return self._start(address, "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi")

    def start_worker(self, *, threads: int = 8, queues: str = "celery,refreshes") -> Forked:
        # Links to copies contain the address, which tests of pictures take from the first web process.
        address = {"PUBLIC_BASE_URL": f"http://127.0.0.1:{self.web_ports[0]}"} if self.web_ports else {}
        return self._start(
            address, "-m", "celery", "--app", "config", "worker", "--pool", "threads", "--concurrency", str(threads),
            "--queues", queues, "--without-gossip", "--without-mingle",
        )  # fmt: skip

    def start_beat(self) -> Forked:
        return self._start(
            {}, "-m", "celery", "--app", "config", "beat", "--scheduler", "celery.beat:Scheduler"
        )

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def tracebacks(self) -> list[str]:
        """The lines of the log with tracebacks, but for those of Celery, which writes them while the broker is away."""
        lines = self.log().splitlines()
        return [line for line in lines if "Traceback" in line and '"logger": "celery.' not in line]

    def refusals(self) -> str:
        """The lines of the log that say why requests were answered 503."""
        return "\n".join(line for line in self.log().splitlines() if "answered 503" in line)

    def _start(self, environment: dict[str, str], *arguments: str) -> Forked:
        whole = {**self.environment, **self.elsewhere, **environment}
        process = forking.start(arguments, whole, stdout=self.log_path, stderr=self.log_path)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal_to_group(signal.SIGTERM)
        for process in self.processes:
            process.end()
        for server in self._servers.values():
            server.end()


@contextmanager
def running_service(tmp_path: Path, *, webs: int = 1, **environment: str) -> Iterator[Service]:
    """A service with its own database, migrated, and `webs` web processes; everything is gone afterwards."""
    with StandIn() as standin, migrated_database(tmp_path) as database_url:
        service = Service(
            standin, _environment(standin, tmp_path, database_url, environment), tmp_path / "log"
        )
        if service.environment["DEBUG"] == "false":
            service.environment["STATIC_ROOT"] = _collected_static_files()
        try:
            service.start_web(webs)
            yield service
        finally:
            service.stop()


def wait_until(happens: Any, within_seconds: float) -> None:
    give_up_at = time.monotonic() + within_seconds
    while not happens():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.03)


def _environment(
    standin: StandIn, tmp_path: Path, database_url: str, overrides: dict[str, str]
) -> dict[str, str]:
    inherited = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "REDIS_URL", "DATABASE_POOL_SIZE", "LANG")
        if name in os.environ
    }
    return {
        **inherited,
        "SECRET_KEY": secrets.token_urlsafe(40),
        "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
        "DEBUG": "true",  # static files straight from their folders
        "STAFF_MFA": "optional",
        "VAR_DIR": str(tmp_path / "var"),
        "STATIC_ROOT": str(tmp_path / "static"),
        "DATABASE_URL": database_url,
        "PUBLIC_MODE_IG_USER_ID": OPERATOR_ID,
        "PUBLIC_MODE_ACCESS_TOKEN": OPERATOR_TOKEN,
        **standin.meta_urls,
        "INSTAGRAM_APP_ID": standin.settings.instagram_app_id,
        "INSTAGRAM_APP_SECRET": standin.settings.instagram_app_secret or "",
        "FACEBOOK_APP_ID": standin.settings.facebook_app_id,
        "FACEBOOK_APP_SECRET": standin.settings.facebook_app_secret or "",
        "MEDIA_HOSTS": "127.0.0.1",
        "MEDIA_COPIES": "false",  # costs time; tests of pictures switch it on
        "PYTHONWARNINGS": "ignore:You're running the worker",
        **overrides,
    }


@contextmanager
def own_database(tmp_path: Path) -> Iterator[str]:
    """An empty database of the kind this run of the suite is about."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield _sqlite_url(tmp_path)
        return
    with fresh_database(server) as url:
        yield url


@contextmanager
def migrated_database(tmp_path: Path) -> Iterator[str]:
    """A database of that kind with the service's tables, copied from one that was migrated once in this run."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield migrated_sqlite(tmp_path)
        return
    with fresh_database(server, template=template_database(server, _migrate)) as url:
        yield url


def migrated_sqlite(folder: Path) -> str:
    """The address of an SQLite database with the service's tables, where VAR_DIR=`folder`/var has it by default."""
    url = _sqlite_url(folder)
    shutil.copy(_migrated_file(), url.removeprefix("sqlite:///"))
    return url


def _sqlite_url(folder: Path) -> str:
    (folder / "var").mkdir(exist_ok=True)
    return f"sqlite:///{folder / 'var' / 'db.sqlite3'}"


@cache
def _folder_of_this_run() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="service-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def _migrated_file() -> Path:
    url = _sqlite_url(_folder_of_this_run())
    _migrate(url)
    return Path(url.removeprefix("sqlite:///"))


@cache
def _collected_static_files() -> str:
    folder = str(_folder_of_this_run() / "static")
    _manage("collectstatic", STATIC_ROOT=folder)
    return folder


def _migrate(database_url: str) -> None:
    _manage("migrate", DATABASE_URL=database_url)


def _manage(command: str, **settings: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": secrets.token_urlsafe(40),
        "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
        "VAR_DIR": str(_folder_of_this_run() / "var"),
        **settings,
    }
    # Long, because it fails all tests of a run on a busy machine.
    done = forking.run("manage.py", command, "--noinput", "--verbosity", "0", env=environment, timeout=300)
    assert done.returncode == 0, done.stderr


def _answers(url: str) -> bool:
    try:
        return get(url, timeout=2).status == 200
    except OSError:
        return False
