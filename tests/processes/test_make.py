"""The Makefile's targets in a separate checkout: what they write, and that they end what they started."""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes.service import ROOT, free_port, get, migrated_sqlite, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.sqlite_leg]

SECRETS = {"SECRET_KEY": "s" * 40, "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "="}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would hand out, with this checkout's packages, and the code compiled as after the first run."""
    folder = tmp_path_factory.mktemp("files")
    listed = subprocess.run(
        ("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "clients/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=1)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    os.utime(folder / "requirements-dev.txt", (0, 0))  # the packages are there
    return folder


@pytest.fixture
def checkout(files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(files, tmp_path / "checkout", symlinks=True))


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **SECRETS, "VAR_DIR": str(tmp_path / "var"), **more}


def make(checkout: Path, tmp_path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = ("make", "--no-print-directory", *arguments)
    env = environment(tmp_path, **more)
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, timeout=120)


@contextmanager
def making(checkout: Path, log: Path, env: dict[str, str], target: str) -> Iterator[subprocess.Popen[bytes]]:
    """`make TARGET` in a separate process group, as a terminal starts it."""
    # Tests started in the background, or by nohup, inherit ignored signals.
    with log.open("ab") as output:
        process = subprocess.Popen(
            ("env", "--default-signal", "make", "--no-print-directory", target),
            cwd=checkout, env=env, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def contents(folder: Path) -> dict[str, str]:
    """Every file of a checkout with its digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def is_up(port: int) -> bool:
    try:
        return get(f"http://127.0.0.1:{port}/healthz", timeout=2).status == 200
    except OSError:
        return False


def test_the_processes_write_nothing_into_the_checkout_that_install_prepared(
    checkout: Path, tmp_path: Path
) -> None:
    installed = make(checkout, tmp_path, "install")
    assert installed.returncode == 0, installed.stderr
    assert (checkout / "staticfiles" / "staticfiles.json").exists()
    assert make(checkout, tmp_path, "migrate").returncode == 0
    before = contents(checkout)
    assert make(checkout, tmp_path, "install").returncode == 0, "a second time"
    assert contents(checkout) == before
    ports, log = [free_port() for _ in range(3)], tmp_path / "log"
    targets = [("web", {"PORT": str(port)}) for port in ports] + [("worker", {}), ("beat", {})]
    started = []
    for target, more in targets:  # all at once, and not one after another
        manager = making(checkout, log, environment(tmp_path, **more), target)
        started.append((manager, manager.__enter__()))
    try:
        for port in ports:
            wait_until(lambda port=port: is_up(port), 60)
            page = get(f"http://127.0.0.1:{port}/accounts/login/")
            style = page.body.decode().partition('href="/static/')[2].partition('"')[0]
            assert get(f"http://127.0.0.1:{port}/static/{style}").status == 200
        wait_until(lambda: "celery@" in log.read_text() and "beat: Starting" in log.read_text(), 60)
        assert [process.poll() for _, process in started] == [None] * len(started)
    finally:
        for _, process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for manager, process in started:
            process.wait(timeout=90)
            manager.__exit__(None, None, None)

    assert contents(checkout) == before
    assert "Traceback" not in log.read_text()


def test_nothing_starts_before_make_install(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".venv").unlink()
    for target in ("web", "worker", "beat"):
        done = make(checkout, tmp_path, target)

        assert done.returncode != 0
        assert "make install" in done.stderr
    assert not (checkout / ".venv").exists()


class Demo:
    """`make run`, watched."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, var_dir: str) -> None:
        self.process, self.log, self._mark = process, log, f"VAR_DIR={var_dir}".encode()

    def said(self) -> str:
        return self.log.read_text()

    def children(self) -> list[int]:
        """Everything that was started with this demo's data folder, and still runs."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append(int(path.name))
            except OSError:
                continue
        return found


@pytest.fixture
def demo(checkout: Path, tmp_path: Path) -> Iterator[Demo]:
    migrated_sqlite(tmp_path)  # as from an earlier run
    ports = {"PORT": str(free_port()), "STANDIN_PORT": str(free_port())}
    env = {name: value for name, value in environment(tmp_path, **ports).items() if name not in SECRETS}
    with making(checkout, tmp_path / "log", env, "run") as process:
        running = Demo(process, tmp_path / "log", env["VAR_DIR"])
        yield running
        for pid in running.children():
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("send", "number"),
    [
        (os.kill, signal.SIGHUP),
        (os.kill, signal.SIGTERM),
        (os.killpg, signal.SIGTERM),
        (os.killpg, signal.SIGINT),
    ],
    ids=["SIGHUP to make", "SIGTERM to make", "SIGTERM to all", "SIGINT to all"],
)
def test_make_run_ends_what_it_started(demo: Demo, send: Any, number: signal.Signals) -> None:
    wait_until(lambda: "Starting web" in demo.said(), 150)
    wait_until(lambda: len(demo.children()) > 4, 150)

    send(demo.process.pid, number)
    send(demo.process.pid, number)  # as people press twice, and make passes on what all have been told
    demo.process.wait(timeout=90)

    wait_until(lambda: demo.children() == [], 20)
    assert "Traceback" not in demo.said()


@pytest.mark.parametrize("step", ["Preparing static files", "Preparing the database"])
def test_make_run_says_what_it_does_and_can_be_ended_at_any_step(demo: Demo, step: str) -> None:
    wait_until(lambda: step in demo.said(), 150)
    for _ in range(3):
        os.killpg(demo.process.pid, signal.SIGTERM)
        time.sleep(0.05)
    demo.process.wait(timeout=90)

    wait_until(lambda: demo.children() == [], 20)
    assert "The service is running." not in demo.said()


def test_make_run_ends_all_when_its_terminal_is_closed(checkout: Path, tmp_path: Path) -> None:
    keyboard, terminal = os.openpty()
    env: dict[str, Any] = environment(tmp_path, PORT=str(free_port()), STANDIN_PORT=str(free_port()))
    process = subprocess.Popen(
        ("setsid", "--ctty", "--wait", "make", "run"),
        cwd=checkout, env=env, stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    watched = Demo(process, tmp_path / "log", env["VAR_DIR"])
    said = b""
    while b"The service is running." not in said:
        said += os.read(keyboard, 4_096)
    os.close(keyboard)  # the kernel sends SIGHUP, and whatever is printed now fails

    process.wait(timeout=90)
    wait_until(lambda: watched.children() == [], 20)
