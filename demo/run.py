"""`make run`: the whole service on loopback, with a stand-in for Instagram, until Ctrl-C, SIGTERM or SIGHUP.

Web, worker, beat and the stand-in run as separate processes, as in production, with settings made here. Secrets and
the demo's password are generated once and kept under VAR_DIR, in a file that only its owner can read.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

BASE_DIR = Path(__file__).resolve().parent.parent
READY_WITHIN_SECONDS = 30.0
STOP_WITHIN_SECONDS = 15.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OPERATOR_ID = "17841400000000001"
OPERATOR_TOKEN = "standin-operator-token"  # noqa: S105 - known to the stand-in only


class CannotRun(Exception):
    """Why the demo cannot start, in a sentence."""


class Asked(Exception):
    """The user pressed Ctrl-C, ended the process, or closed the terminal."""


class Asking:
    """Whether we were asked to end. The signal handler only sets a flag: an exception could lose a child process.

    Not every request reaches us as a signal. When a terminal closes, the kernel signals only its first process.
    And make passes on only SIGTERM: after any other signal it blocks that signal and waits for us.
    """

    def __init__(self) -> None:
        self._asked = False
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup sets it
                signal.signal(number, self._note)
        self._has_terminal = sys.stdout.isatty()
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None
        self._blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def pause(self) -> None:
        """A tenth of a second. Raises Asked."""
        time.sleep(0.1)
        is_hung_up = self._has_terminal and not sys.stdout.isatty()
        if self._asked or is_hung_up or (self._make is not None and self._make_was_signalled(self._make)):
            raise Asked

    def _make_was_signalled(self, make: int) -> bool:
        if os.getppid() != make:
            return True
        try:
            status = Path(f"/proc/{make}/status").read_text()
        except OSError:  # not Linux
            return False
        blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
        return any(blocked >> (number - 1) & 1 for number in set(ENDING) - self._blocked_before)


@dataclass(frozen=True, slots=True)
class Addresses:
    host: str
    port: int
    standin_port: int

    @property
    def web(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def standin(self) -> str:
        return f"http://{self.host}:{self.standin_port}"


class Processes:
    """The child processes. Each has its own process group, so that the terminal's signals reach only us."""

    def __init__(self, environment: dict[str, str], asking: Asking) -> None:
        self.asking = asking
        self._environment = environment
        self.static_root = environment["STATIC_ROOT"]
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, *command: str, output: int | None = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, cwd=BASE_DIR, env=self._environment, start_new_session=True, stdout=output
        )
        self._running[name] = process
        return process

    def manage(self, *arguments: str) -> bytes:
        """What a management command printed. Raises CannotRun, or Asked."""
        name = arguments[0]
        process = self.start(name, sys.executable, "manage.py", *arguments, output=subprocess.PIPE)
        while True:
            try:
                printed, _ = process.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                self.asking.pause()
        del self._running[name]
        if process.returncode:
            raise CannotRun(f"{name} failed; its output is shown above.")
        return printed

    def look(self) -> None:
        """Wait a moment. Raises CannotRun when a process has ended, or Asked."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise CannotRun(f"the {name} process ended unexpectedly; its output is shown above.")
        self.asking.pause()

    def stop(self) -> None:
        """Ask all processes to end, then kill those still running and any children they left."""
        for process in self._running.values():
            _signal_group(process, signal.SIGTERM)
        give_up_at = time.monotonic() + STOP_WITHIN_SECONDS
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, give_up_at - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()


def main() -> int:
    asking = Asking()
    try:
        _run(asking)
    except CannotRun as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    except Asked:
        return 0


def _run(asking: Asking) -> NoReturn:
    addresses = Addresses("127.0.0.1", _port("PORT", 8000), _port("STANDIN_PORT", 8001))
    if addresses.port == addresses.standin_port:
        raise CannotRun("PORT and STANDIN_PORT must differ.")
    _need_free_port("PORT", addresses.host, addresses.port)
    _need_free_port("STANDIN_PORT", addresses.host, addresses.standin_port)
    kept = kept_secrets()
    processes = Processes(demo_environment(addresses, kept), asking)
    try:
        seeded = bring_up(processes, addresses)
        _announce(addresses, seeded, kept["DEMO_PASSWORD"])
        while True:
            processes.look()
    finally:
        say("\nStopping …")
        processes.stop()


def bring_up(processes: Processes, addresses: Addresses) -> dict[str, object]:
    python = sys.executable
    celery = (python, "-m", "celery", "--app", "config")
    say("Starting the stand-in for Instagram …")
    processes.start(
        "stand-in", python, "-m", "instagram_standin",
        "--host", addresses.host, "--port", str(addresses.standin_port), "--quiet",
    )  # fmt: skip
    with _one_at_a_time(processes.asking):
        collect_static_files(processes)
        say("Preparing the database …")
        seeded: dict[str, object] = json.loads(processes.manage("seed_demo"))
    say("Starting web, worker and beat …")
    processes.start(
        "web", python, "-m", "gunicorn", "--config", "config/gunicorn.py", "--log-level", "warning",
        "config.wsgi:application",
    )  # fmt: skip
    # It prints the mails, unless EMAIL_URL names a server.
    processes.start(
        "worker", *celery[:3], "--quiet", *celery[3:], "worker", "--pool", "threads", "--concurrency", "8",
        "--loglevel", "WARNING", "--without-gossip", "--without-mingle", output=None,
    )  # fmt: skip
    processes.start("beat", *celery, "beat", "--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING")
    _wait_for(processes, f"{addresses.standin}/_control")
    _wait_for(processes, f"{addresses.web}/healthz")
    say("Filling the demo's feeds …")
    for token in tokens(seeded):
        _wait_for(processes, f"{addresses.web}/v1/integrations/instagram/feed?token={token}")
    return seeded


def collect_static_files(processes: Processes) -> None:
    """Run collectstatic if a file or package has changed since the last run: it takes seconds."""
    note, made_from = _var_dir() / "staticfiles-made-from", _static_sources(processes.static_root)
    if note.exists() and note.read_text() == made_from and Path(processes.static_root).is_dir():
        return
    say("Preparing static files …")
    note.unlink(missing_ok=True)
    processes.manage("collectstatic", "--noinput", "--verbosity", "0")
    note.write_text(made_from)


def _static_sources(static_root: str) -> str:
    """A digest of the names, sizes and times of our own static files, of the list of packages, and of where they go."""
    files = [
        BASE_DIR / "requirements.txt",
        BASE_DIR / "config" / "settings.py",
        *BASE_DIR.glob("*/static/**/*"),
    ]
    facts = [(str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in sorted(files)]
    return hashlib.sha256(json.dumps([static_root, facts]).encode()).hexdigest()


@contextlib.contextmanager
def _one_at_a_time(asking: Asking) -> Iterator[None]:
    """A lock, because two demos with one VAR_DIR would write the same files at once."""
    with (_var_dir() / "demo.lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                asking.pause()
        yield


def demo_environment(addresses: Addresses, kept: dict[str, str]) -> dict[str, str]:
    """The child processes' environment. Variables set outside win, except Meta's addresses."""
    standin = addresses.standin
    defaults = {
        **kept,
        "DEMO": "true",
        "STAFF_MFA": "optional",
        "LOG_FORMAT": "human",
        "LOG_LEVEL": "WARNING",
        "PUBLIC_BASE_URL": addresses.web,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        # Kept apart from production's: these include the demo's static files.
        "STATIC_ROOT": str(_var_dir() / "staticfiles"),
        # Celery warns when it runs as root, as it does in many local containers.
        "PYTHONWARNINGS": "ignore:You're running the worker",
    }
    fixed = {
        "HOST": addresses.host,
        "PORT": str(addresses.port),
        "INSTAGRAM_WWW_URL": f"{standin}/ig-www",
        "INSTAGRAM_API_URL": f"{standin}/ig-api",
        "INSTAGRAM_GRAPH_URL": f"{standin}/ig-graph",
        "FACEBOOK_WWW_URL": f"{standin}/fb-www",
        "FACEBOOK_GRAPH_URL": f"{standin}/fb-graph",
        "INSTAGRAM_APP_ID": "standin-instagram-app",
        "INSTAGRAM_APP_SECRET": "standin-instagram-secret",
        "FACEBOOK_APP_ID": "standin-facebook-app",
        "FACEBOOK_APP_SECRET": "standin-facebook-secret",
        "PUBLIC_MODE_IG_USER_ID": OPERATOR_ID,
        "PUBLIC_MODE_ACCESS_TOKEN": OPERATOR_TOKEN,
        "MEDIA_HOSTS": f"{addresses.host}",
    }
    return {**defaults, **os.environ, **fixed}


def _announce(addresses: Addresses, seeded: dict[str, object], password: str) -> None:
    widget = seeded["widgets"][0]  # type: ignore[index]
    say(
        f"""
The service is running. Start here:  {addresses.web}/

A publisher's page   http://localhost:{addresses.port}/demo/publisher/
The widget's iframe  {addresses.web}/embed/{widget["instanceId"]}?token={widget["embedToken"]}
The editor           {addresses.web}/editor/
  username: {seeded["editor"]}
  password: {password}
The admin            {addresses.web}/admin/
  username: {seeded["admin"]}
  password: {password}

The stand-in for Instagram runs at {addresses.standin}. Press Ctrl-C to stop everything.
"""
    )


def tokens(seeded: dict[str, object]) -> list[str]:
    return [widget["embedToken"] for widget in seeded["widgets"]]  # type: ignore[attr-defined]


def _wait_for(processes: Processes, url: str) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        processes.look()
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
    raise CannotRun(f"no answer from {url.split('?')[0]} within {READY_WITHIN_SECONDS:.0f} seconds.")


def _port(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise CannotRun(f"{name} must be a port number, not {text!r}.")
    return int(text)


def _need_free_port(name: str, host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise CannotRun(
                f"port {port} is taken. Stop the process that uses it, or choose another: make run {name}={port + 10}"
            ) from None


def kept_secrets() -> dict[str, str]:
    path = _var_dir() / "demo-secrets.json"
    if not path.exists():
        made = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "TOKEN_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "DEMO_PASSWORD": secrets.token_urlsafe(9),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(made), encoding="utf-8")
    kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _var_dir() -> Path:
    folder = Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the whole group, even if its first process has ended and left others running."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def say(line: str) -> None:
    """Print the line. A closed terminal must not interrupt an orderly stop."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
