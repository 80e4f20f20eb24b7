"""`make run`: the whole service on loopback, with a stand-in for Instagram, until Ctrl-C.

Web, worker, beat and the stand-in run as they do in production, each a process of its own; only their settings are
made up here. Secrets and the demo's password are made once and kept under VAR_DIR, readable by their owner alone.
"""

from __future__ import annotations

import base64
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
from dataclasses import dataclass
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
READY_WITHIN_SECONDS = 30.0
STOP_WITHIN_SECONDS = 15.0
OPERATOR_ID = "17841400000000001"
OPERATOR_TOKEN = "standin-operator-token"  # noqa: S105 - known to the stand-in only


class CannotRun(Exception):
    """Why the demo cannot start, in a sentence."""


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
    """The children, started in groups of their own so that Ctrl-C reaches them through us, in order."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        self._running[name] = subprocess.Popen(
            command, cwd=BASE_DIR, env=self._environment, start_new_session=True, stdout=subprocess.DEVNULL
        )

    def first_to_end(self) -> str | None:
        return next((name for name, process in self._running.items() if process.poll() is not None), None)

    def stop(self) -> None:
        """Ask all to end, then make them; a second Ctrl-C does not leave any of them behind."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for process in self._running.values():
            _signal_group(process, signal.SIGTERM)
        give_up_at = time.monotonic() + STOP_WITHIN_SECONDS
        for process in self._running.values():
            try:
                process.wait(timeout=max(0.1, give_up_at - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run()
    except CannotRun as problem:
        print(f"make run: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _run() -> int:
    addresses = Addresses("127.0.0.1", _port("PORT", 8000), _port("STANDIN_PORT", 8001))
    if addresses.port == addresses.standin_port:
        raise CannotRun("PORT and STANDIN_PORT must differ.")
    _need_free_port("PORT", addresses.host, addresses.port)
    _need_free_port("STANDIN_PORT", addresses.host, addresses.standin_port)
    kept = _kept_secrets()
    environment = demo_environment(addresses, kept)
    processes = Processes(environment)
    try:
        seeded = _bring_up(processes, environment, addresses)
        _announce(addresses, seeded, kept["DEMO_PASSWORD"])
        while (ended := processes.first_to_end()) is None:
            time.sleep(0.5)
        raise CannotRun(f"the {ended} process ended by itself; its last words stand above.")
    finally:
        print("\nStopping …", flush=True)
        processes.stop()


def _bring_up(processes: Processes, environment: dict[str, str], addresses: Addresses) -> dict[str, object]:
    python = sys.executable
    celery = (python, "-m", "celery", "--app", "config")
    processes.start(
        "stand-in", python, "-m", "instagram_standin",
        "--host", addresses.host, "--port", str(addresses.standin_port), "--quiet",
    )  # fmt: skip
    _manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
    _manage(environment, "migrate", "--noinput", "--verbosity", "0")
    seeded: dict[str, object] = json.loads(_manage(environment, "seed_demo"))
    processes.start(
        "web", python, "-m", "gunicorn", "--config", "config/gunicorn.py", "--log-level", "warning",
        "config.wsgi:application",
    )  # fmt: skip
    processes.start(
        "worker", *celery, "worker", "--pool", "threads", "--concurrency", "8", "--loglevel", "WARNING",
        "--without-gossip", "--without-mingle",
    )  # fmt: skip
    processes.start("beat", *celery, "beat", "--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING")
    _wait_for(processes, f"{addresses.standin}/_control/health")
    _wait_for(processes, f"{addresses.web}/healthz")
    for token in _tokens(seeded):
        _wait_for(processes, f"{addresses.web}/v1/integrations/instagram/feed?token={token}")
    return seeded


def demo_environment(addresses: Addresses, kept: dict[str, str]) -> dict[str, str]:
    """The children's environment: what is set outside wins, Meta's addresses aside."""
    standin = addresses.standin
    made_up = {
        **kept,
        "DEMO": "true",
        "LOG_FORMAT": "human",
        "LOG_LEVEL": "WARNING",
        "PUBLIC_BASE_URL": addresses.web,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        # Celery objects to running as root, which is what a container on somebody's laptop does.
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
    return {**made_up, **os.environ, **fixed}


def _announce(addresses: Addresses, seeded: dict[str, object], password: str) -> None:
    widget = seeded["widgets"][0]  # type: ignore[index]
    print(
        f"""
The service is running. Start here:  {addresses.web}/

A publisher's page   http://localhost:{addresses.port}/demo/publisher/
The widget's frame   {addresses.web}/embed/{widget["instanceId"]}?token={widget["embedToken"]}
The editor           {addresses.web}/editor/
  username: {seeded["editor"]}
  password: {password}
The admin            {addresses.web}/admin/
  username: {seeded["admin"]}
  password: {password}

Instagram is played by {addresses.standin}. Ctrl-C stops everything.
""",
        flush=True,
    )


def _tokens(seeded: dict[str, object]) -> list[str]:
    return [widget["embedToken"] for widget in seeded["widgets"]]  # type: ignore[attr-defined]


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        (sys.executable, "manage.py", *arguments),
        cwd=BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise CannotRun(f"{arguments[0]} failed; its last words stand above.")
    return done.stdout


def _wait_for(processes: Processes, url: str) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        if (ended := processes.first_to_end()) is not None:
            raise CannotRun(f"the {ended} process ended by itself; its last words stand above.")
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
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
                f"port {port} is taken. Stop what listens there, or choose another: make run {name}={port + 10}"
            ) from None


def _kept_secrets() -> dict[str, str]:
    folder = Path(os.environ.get("VAR_DIR") or BASE_DIR / "var")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "demo-secrets.json"
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


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


if __name__ == "__main__":
    sys.exit(main())
