"""Processes that start in a fraction of a second: forked from a server that has the third-party packages imported.

A Python that imports Django, Celery and the rest takes two to three seconds of a processor before the service's own
code runs, and the tests start hundreds of them. Here `multiprocessing`'s fork server imports those packages once. The
service's own modules, its settings and its metrics are imported in each process, after the fork, from that process's
own environment. `make` targets and deployment steps are tested with real command lines (tests/processes/test_make.py,
tests/deployment).
"""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent

# Packages that read no settings and no environment when they are imported, and start no threads.
# prometheus_client is not among them: it looks for PROMETHEUS_MULTIPROC_DIR at import.
PACKAGES = (
    "celery.app.base",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "django.contrib.admin",
    "django.core.management",
    "django.core.management.commands.migrate",
    "django.core.management.commands.shell",
    "django.contrib.postgres.fields",
    "django.core.serializers.json",
    "django.db.migrations.executor",
    "django.test.client",
    "django.db.backends.sqlite3.base",
    "environ",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "jsonschema",
    "jwt",
    "kombu.transport.filesystem",
    "kombu.transport.redis",
    "msgspec",
    "psycopg",
    "psycopg_pool",
    "redis",
    "requests",
    "social_core.backends.facebook",
    "social_core.backends.instagram",
    "social_core.backends.oauth",
    "social_core.strategy",
    "whitenoise.storage",
    "tests.processes.frozen",
)

PR_SET_PDEATHSIG = 1

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(PACKAGES))


class Forked:
    """A running process; what of `subprocess.Popen` the tests use."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid: int = process.pid

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; negative for a signal. Raises TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def send_signal_to_group(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(self.pid, number)

    def end(self, within_seconds: float = 15) -> None:
        """End the process and all of its group, gently at first."""
        self.send_signal_to_group(signal.SIGTERM)
        try:
            self.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.send_signal_to_group(signal.SIGKILL)
            self.wait()


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: Path,
    stderr: Path,
    cwd: Path = ROOT,
) -> Forked:
    """Run `python ARGUMENTS` in a new session. Output is appended to the two files, which may be the same."""
    is_ready, ready = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(
        target=_become,
        args=(tuple(arguments), dict(environment), str(cwd), str(stdout), str(stderr), ready),
        daemon=True,
    )
    process.start()
    ready.close()
    with is_ready:
        is_ready.recv()  # it leads its own session now, and can be ended with its children
    return Forked(process)


def run(
    *arguments: str, env: Mapping[str, str], cwd: Path = ROOT, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` to its end."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        process = start(arguments, env, stdout=stdout, stderr=stderr, cwd=cwd)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.end(0)
            raise
        said = [path.read_text(encoding="utf-8", errors="replace") for path in (stdout, stderr)]
    return subprocess.CompletedProcess(arguments, code, *said)


def _become(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    folder: str,
    stdout: str,
    stderr: str,
    ready: Connection,
) -> None:
    """Turn this fork into `python ARGUMENTS`. Runs in the new process."""
    os.setsid()
    write_to(stdout, stderr)
    ready.send(True)
    ready.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:] = [folder, *(entry for entry in sys.path if entry not in {"", folder, str(ROOT)})]
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    run_main(arguments)


def write_to(stdout: str, stderr: str) -> None:
    """Append this process's output to these files, and end it with its parent, as when the tests are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for number, path in ((1, stdout), (2, stderr)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(opened, number)
        os.close(opened)


def run_main(arguments: tuple[str, ...]) -> NoReturn:
    """Run `python ARGUMENTS` in this process, and end it."""
    code = 0
    try:
        match arguments:
            case ("-m", module, *rest):
                sys.argv = [module, *rest]
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            case ("-c", script, *rest):
                sys.argv = ["-c", *rest]
                main = ModuleType("__main__")
                sys.modules["__main__"] = main
                exec(compile(script, "<string>", "exec"), main.__dict__)  # noqa: S102
            case (path, *rest):
                sys.argv = [path, *rest]
                runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, int) or end.code is None:
            code = end.code or 0
        else:
            print(end.code, file=sys.stderr)
            code = 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    # As the interpreter does at its end; multiprocessing leaves out the second.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
