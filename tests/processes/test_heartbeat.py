"""The heartbeat file of a real worker and beat: while they work, while Redis is away, and when the loop hangs."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.conftest import needs
from tests.processes.forking import Forked
from tests.processes.service import Service, free_port, running_service, wait_until

pytestmark = pytest.mark.processes

SILENT_SECONDS = 1
# As `celery worker`, with shorter times. The loop hangs as soon as the file `hang` is there.
WORKER = """
import os, sys, time
from foundation import heartbeat
heartbeat.TOUCH_SECONDS, heartbeat.SILENT_AT_MOST_SECONDS = 0.1, {silent}
from celery.signals import worker_ready
from config.celery import app

@worker_ready.connect(weak=False)
def arm(sender, **_):
    sender.timer.call_repeatedly(0.1, lambda: time.sleep(60) if os.path.exists({hang!r}) else None)

app.worker_main(["worker", "--pool", "threads", "--concurrency", "1", "--without-gossip", "--without-mingle"])
"""
BEAT = """
from foundation import heartbeat
heartbeat.TOUCH_SECONDS = 0.1
from config.celery import app
app.start(["beat", "--scheduler", "celery.beat:Scheduler"])
"""


@contextmanager
def redis_server(port: int) -> Iterator[None]:
    needs("redis-server", shutil.which("redis-server") is not None)
    command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        wait_until(lambda: _answers(client), 20)
        yield
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def lives_on(path: Path, seconds: float) -> None:
    """The file is touched after so many seconds from now."""
    until = time.time() + seconds
    wait_until(lambda: path.exists() and path.stat().st_mtime > until, seconds + 60)


def start(service: Service, script: str) -> tuple[Forked, Path]:
    path = Path(service.environment["HEARTBEAT_FILE"])
    process = service._start({}, "-c", script)
    wait_until(path.exists, 60)
    return process, path


def test_a_worker_lives_through_an_outage_of_redis_and_not_with_a_hanging_loop(tmp_path: Path) -> None:
    port, hang = free_port(), tmp_path / "hang"
    environment = {"HEARTBEAT_FILE": str(tmp_path / "heartbeat"), "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
    with running_service(tmp_path, webs=0, **environment) as service:
        with redis_server(port):
            worker, path = start(service, WORKER.format(silent=SILENT_SECONDS, hang=str(hang)))
            wait_until(lambda: "ready." in service.log(), 60)
        lives_on(path, SILENT_SECONDS + 1)
        with redis_server(port):
            wait_until(lambda: service.log().count("Connected to") >= 2, 60)
            lives_on(path, SILENT_SECONDS + 1)
            hang.touch()
            wait_until(lambda: time.time() - path.stat().st_mtime > SILENT_SECONDS + 1, 60)
            worker.end(within_seconds=0)  # it hangs, so it does not react to SIGTERM


def test_beat_lives_without_its_broker(tmp_path: Path) -> None:
    environment = {
        "HEARTBEAT_FILE": str(tmp_path / "heartbeat"),
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
    }
    with running_service(tmp_path, webs=0, **environment) as service:
        _, path = start(service, BEAT)
        lives_on(path, 1)
        assert "beat: Starting" in service.log()
