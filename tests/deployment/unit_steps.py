"""`python -m tests.deployment.unit_steps [COMMAND …]`: run the units of deploy/systemd/ without systemd.


Follows docs/operations.md, "Without containers": `deploy/setup`, then the units' commands with their environment and
credentials, as another user if root runs this and others can read the interpreter. web must report that it is ready.
Reads a feed that web has filled and that worker and beat have refreshed, and stops the main process of each unit. Uses
a new database on the server of DATABASE_URL, REDIS_URL, and the stand-in instead of Meta. `COMMAND …`: runs the units'
commands, such as a sandbox.

It doesn't check the limits that only systemd sets: see test_systemd.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn
from tests.databases import fresh_database
from tests.deployment.image_steps import POSTGRES, REDIS, read_a_feed, say
from tests.deployment.units import CHECKOUT, NAMES, SETTINGS, STATE, Unit, read_unit
from tests.processes.service import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534
UNPRIVILEGED = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
    "--inh-caps=-all", "--bounding-set=-all",
)  # fmt: skip


@dataclass
class Host:
    """Folders that are used instead of the system's, and settings added to those in .env."""

    folder: Path
    through: Sequence[str]
    more: dict[str, str]

    def moved(self, text: str) -> str:
        text = text.replace(f"{CHECKOUT}/.venv/bin", os.path.dirname(sys.executable))
        for path, place in ((CHECKOUT, ROOT), (STATE, self.folder / "var"), (SETTINGS, self.folder / "etc")):
            text = text.replace(path, str(place))
        return text

    def prepare(self) -> None:
        command = (str(ROOT / "deploy" / "setup"), "--folder", str(self.folder / "etc"), "feeds.example")
        subprocess.run(command, check=True)
        (self.folder / "etc" / "secrets" / "public_mode_access_token").write_text(OPERATOR_TOKEN)
        (self.folder / "var").mkdir()
        self.folder.chmod(0o755)
        self.give(self.folder / "var")

    @cached_property
    def gives_away(self) -> bool:
        """Whether the processes can run as another user."""
        if os.geteuid() != 0:
            return False
        code = "import sys; print(sys.base_prefix)"
        found = subprocess.run(
            (*UNPRIVILEGED, "--", sys.executable, "-c", code), cwd="/", capture_output=True, text=True
        )
        able = found.stdout.strip() == sys.base_prefix
        if not able:
            say(f"As root: other users can't run {sys.executable}.")
        return able

    def give(self, path: Path) -> None:
        if self.gives_away:
            os.chown(path, NOBODY, NOBODY)

    def environment(self, unit: Unit) -> dict[str, str]:
        given = self.folder / "credentials" / unit.name
        if not given.exists():
            given.mkdir(parents=True)
            for name, path in unit.credentials.items():
                shutil.copyfile(self.moved(path), given / name)
                (given / name).chmod(0o400)
                self.give(given / name)
        own = {name: self.moved(value).replace("%d", str(given)) for name, value in unit.environment.items()}
        lines = Path(self.moved(unit.last("EnvironmentFile"))).read_text().splitlines()
        return {"LANG": "C.UTF-8", **own, **dict(line.split("=", 1) for line in lines), **self.more}

    def command(self, command: Sequence[str]) -> list[str]:
        unprivileged = (*UNPRIVILEGED, "--") if self.gives_away else ()
        return [*unprivileged, *self.through, *map(self.moved, command)]

    def run(self, command: Sequence[str], **more: str) -> str:
        """Run a command of manage.py as the unit `web` would. Returns its standard output."""
        environment = self.environment(read_unit("web")) | more
        python = f"{CHECKOUT}/.venv/bin/{command[0]}"
        done = subprocess.run(
            self.command((python, *command[1:])), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        done.check_returncode()
        return done.stdout


@contextmanager
def running(host: Host) -> Iterator[None]:
    """All units, migrate first, and web until it reports that it is ready."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    ready = host.folder / "notify"
    with (
        (host.folder / "log").open("ab") as log,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
    ):
        notified.bind(str(ready))
        notified.settimeout(60)
        ready.chmod(0o777)
        try:
            for unit in map(read_unit, NAMES):
                say(f"{unit.name}: {' '.join(unit.command)}")
                environment = host.environment(unit)
                if unit.last("Type") == "notify":
                    environment["NOTIFY_SOCKET"] = str(ready)
                process = subprocess.Popen(
                    host.command(unit.command), cwd=host.moved(unit.last("WorkingDirectory")), env=environment,
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
                if unit.last("Type") == "oneshot":
                    assert process.wait(timeout=120) == 0
                    continue
                started[unit.name] = process
                if unit.last("Type") == "notify":
                    while b"READY=1" not in (message := notified.recv(1000)):
                        pass
                    say(f"{unit.name} reports {message.splitlines()[0].decode()}")
            yield
            ended = {name: process.poll() for name, process in started.items() if process.poll() is not None}
            assert not ended, f"ended by themselves: {ended}"
        except BaseException:
            print((host.folder / "log").read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            stop(started)


def stop(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """SIGTERM for the main processes (KillMode=mixed); all must end within TimeoutStopSec."""
    for process in started.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    for name, process in started.items():
        try:
            say(f"{name} ended with {process.wait(timeout=40)} after {time.monotonic() - began:.1f} seconds")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def main() -> int:
    server = os.environ.get("DATABASE_URL") or POSTGRES
    with tempfile.TemporaryDirectory() as name, fresh_database(server) as database_url, StandIn() as standin:
        port = free_port()
        host = Host(
            Path(name),
            sys.argv[1:],
            {
                "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
                "PORT": str(port),
                "PUBLIC_MODE_IG_USER_ID": OPERATOR_ID,
                "DATABASE_URL": database_url,
                "REDIS_URL": os.environ.get("REDIS_URL") or REDIS,
                "MEDIA_HOSTS": "127.0.0.1",
                **standin.meta_urls,
            },
        )
        host.prepare()
        with running(host):
            read_a_feed(host, {}, standin, port)
        say(f"Settings: {json.dumps(sorted(host.environment(read_unit('web'))))}")
    say("The units' steps work.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
