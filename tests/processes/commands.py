"""A process that has the service's settings and apps loaded, and runs each management command in a fork.

Loading them takes most of a second of a processor, and most tests of processes run several commands.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from tests.processes import forking


class CommandServer:
    """Runs `manage.py` commands in this environment. Commands may run at the same time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="commands-"))
        self._address = str(self._folder / "socket")
        self._log = self._folder / "log"
        self._process = forking.start(
            ("-m", __name__, self._address), environment, stdout=self._log, stderr=self._log
        )

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="run-") as folder, self._connected() as connection:
            stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
            connection.send((arguments, str(stdout), str(stderr)))
            group = connection.recv()
            if not connection.poll(timeout):
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout)
            code = connection.recv()
            said = [path.read_text(encoding="utf-8", errors="replace") for path in (stdout, stderr)]
        return subprocess.CompletedProcess(arguments, code, *said)

    def end(self) -> None:
        self._process.end()
        shutil.rmtree(self._folder)

    def _connected(self) -> Connection:
        for _ in range(6_000):
            with suppress(FileNotFoundError, ConnectionRefusedError):
                return Client(self._address)
            try:
                self._process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError(f"commands can't be run: {self._log.read_text()}")


def serve(address: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.urls import get_resolver

    _ = get_resolver().url_patterns  # the system checks of most commands load them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes ended forks
    with Listener(address, backlog=64) as listener:
        while True:
            with listener.accept() as connection:
                if os.fork() == 0:
                    _run_command(connection)


def _run_command(connection: Connection) -> None:
    """Run one command in a process group that the caller can end, and send its exit status. Doesn't return."""
    try:
        arguments, stdout, stderr = connection.recv()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        connection.send(os.getpid())
        command = os.fork()
        if command == 0:
            connection.close()
            forking.write_to(stdout, stderr)
            forking.run_main(("manage.py", *arguments))
        _, status = os.waitpid(command, 0)
        connection.send(os.waitstatus_to_exitcode(status))
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
