"""A PostgreSQL server and its synchronous replica, in folders of the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.processes.service import free_port, wait_until

USER: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}  # PostgreSQL doesn't run as root
_SETTINGS = (
    "fsync = off\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n"
)


def bin_folder() -> Path | None:
    """Of the newest version that Debian has installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Cluster:
    """`primary` serves; `replica` has each commit before its client hears of it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._programs = programs
        self.folders = {"primary": folder / "primary", "replica": folder / "replica"}
        self.ports = {name: free_port() for name in self.folders}

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.ports[name]}/postgres"

    def start(self) -> None:
        primary = self.folders["primary"]
        self._run("initdb", "-D", str(primary), "-U", "postgres", "-A", "trust", "--no-sync")
        with (primary / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        self._start("primary")
        target = ("-h", "127.0.0.1", "-p", str(self.ports["primary"]), "-U", "postgres")
        self._run(
            "pg_basebackup", *target, "-D", str(self.folders["replica"]), "-R", "-c", "fast", "--no-sync"
        )
        self._start("replica")
        with psycopg.connect(self.url("primary"), autocommit=True) as database:
            database.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            database.execute("SELECT pg_reload_conf()")
            ready = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            wait_until(lambda: database.execute(ready).fetchone() == (1,), 20)

    def stop(self, name: str) -> None:
        """At once, as a crash does."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", str(self.folders[name]), "-m", "immediate", "-w", "stop")

    def promote(self) -> None:
        with psycopg.connect(self.url("replica"), autocommit=True) as database:
            database.execute("SELECT pg_promote()")

    def _start(self, name: str) -> None:
        folder = self.folders[name]
        log = ("-l", str(folder / "log"))
        self._run("pg_ctl", "-D", str(folder), *log, "-o", f"-p {self.ports[name]}", "-w", "start")

    def _run(self, program: str, *arguments: str) -> None:
        command = (str(self._programs / program), *arguments)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **USER)


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        if USER:
            shutil.chown(name, user="postgres")
        made = Cluster(Path(name), programs)
        try:
            made.start()
            yield made
        finally:
            for server in made.folders:
                made.stop(server)
