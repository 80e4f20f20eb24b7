"""The PostgreSQL and the Redis of this run, which scenarios may stop, pause, kill and fill up.

Both are found again by their folder, so that the tests of a run can control the servers that `tests.faults` started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from tests.processes.service import free_port, wait_until

FOLDER = "FAULTS_STORES"
START_WITHIN_SECONDS = 30


@dataclass(frozen=True)
class Postgres:
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "postgres"

    @property
    def port(self) -> int:
        return int((self.folder / "postgres.port").read_text())

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self.data.mkdir()
        (self.folder / "postgres.port").write_text(str(free_port()))
        if os.geteuid() == 0:
            shutil.chown(self.data, "postgres", "postgres")
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
        )
        # Without fsync: it protects from power cuts, and processes die here.
        options = {
            "fsync": "off",
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "max_connections": 200,
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in options.items())
        self.start()

    def start(self) -> None:
        log = str(self.data / "server.log")
        self._run(
            "pg_ctl", "-D", str(self.data), "-l", log, "-o", f"-p {self.port}", "-w", "-t", "60", "start"
        )

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` leaves without a checkpoint, as a crash does."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Connections are accepted, and nothing is answered."""
        with _paused(self._processes()):
            yield

    def _processes(self) -> list[int]:
        """The server and its children; each is the leader of its own session."""
        main = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def _run(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        user = {"user": "postgres", "group": "postgres", "extra_groups": ()} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [_program(program), *arguments], cwd="/", capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, **user,  # type: ignore[call-overload]
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


@dataclass(frozen=True)
class Redis:
    folder: Path

    @property
    def port(self) -> int:
        return int((self.folder / "redis.port").read_text())

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def create(self) -> None:
        (self.folder / "redis.port").write_text(str(free_port()))
        self.start()

    def start(self) -> None:
        arguments = {
            "port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "daemonize": "yes",
            "dir": str(self.folder), "pidfile": str(self.folder / "redis.pid"),
        }  # fmt: skip
        flags = [part for name, value in arguments.items() for part in (f"--{name}", value)]
        subprocess.run(["redis-server", *flags], check=True, capture_output=True)
        wait_until(self._answers, START_WITHIN_SECONDS)

    def stop(self) -> None:
        """As `kill -9`: connections are refused afterwards."""
        process = self._process()
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{process}").exists(), 10)

    @contextmanager
    def paused(self) -> Iterator[None]:
        with _paused([self._process()]):
            yield

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def _process(self) -> int:
        return int((self.folder / "redis.pid").read_text())

    def _answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self.client().ping())
        return False


@dataclass(frozen=True)
class Stores:
    postgres: Postgres
    redis: Redis

    @classmethod
    def of_this_run(cls) -> Stores:
        folder = Path(os.environ[FOLDER])
        return cls(Postgres(folder), Redis(folder))

    def make_whole(self) -> None:
        """Start what a failed scenario left stopped, and forget what is in Redis."""
        if not self.redis._answers():
            self.redis.start()
        self.redis.client().flushall()
        with suppress(psycopg.OperationalError):
            psycopg.connect(
                self.postgres.url.replace("postgres://", "postgresql://", 1), connect_timeout=5
            ).close()
            return
        self.postgres.start()


@contextmanager
def stopped(server: Postgres | Redis) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


# Figures are named after these functions.


@contextmanager
def redis_refusing(server: Redis) -> Iterator[None]:
    """Connections are refused."""
    with stopped(server):
        yield


@contextmanager
def redis_hung(server: Redis) -> Iterator[None]:
    """Connections are accepted, and nothing is answered."""
    with server.paused():
        yield


@contextmanager
def running_stores() -> Iterator[dict[str, str]]:
    """Both servers on free ports. Yields the environment for tests that use them."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    folder.chmod(0o755)
    postgres, cache = Postgres(folder), Redis(folder)
    try:
        postgres.create()
        cache.create()
        yield {FOLDER: str(folder), "DATABASE_URL": postgres.url, "REDIS_URL": cache.url}
    finally:
        for server in (postgres, cache):
            with suppress(AssertionError, OSError):
                server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _paused(processes: list[int]) -> Iterator[None]:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    assert found, f"{name} is missing: install postgresql"
    return found
