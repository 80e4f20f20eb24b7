"""The heartbeat file: touched while the loop lives or waits for the broker, and judged by its age."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from celery.signals import beat_init, before_task_publish

from config import heartbeat as hooks
from config import process_hooks
from foundation import heartbeat, threads
from foundation.heartbeat import OLD_AFTER_SECONDS, SILENT_AT_MOST_SECONDS, Heartbeat
from tests.processes.service import ROOT

LONG_AGO = 1_000_000.0


@pytest.fixture
def heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Heartbeat:
    """Started, without its thread."""
    monkeypatch.setattr(threads, "repeat", lambda step, name: None)
    started = Heartbeat()
    started.start(tmp_path / "heartbeat")
    return started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def is_touched(heart: Heartbeat, path: Path) -> bool:
    os.utime(path, (LONG_AGO, LONG_AGO))
    heart.touch()
    return path.stat().st_mtime != LONG_AGO


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the monotonic clock."""
    now = time.monotonic()

    def move(seconds: float) -> None:
        monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now + seconds)

    move(0)
    return move


def test_it_is_touched_until_the_loop_has_been_silent_for_too_long(
    heart: Heartbeat, path: Path, passes: Any
) -> None:
    heart.beat()
    passes(SILENT_AT_MOST_SECONDS - 1)
    assert is_touched(heart, path)
    passes(SILENT_AT_MOST_SECONDS + 1)
    assert not is_touched(heart, path)
    heart.beat()
    assert is_touched(heart, path)


def test_a_loop_that_waits_for_the_broker_lives_however_long_it_waits(
    heart: Heartbeat, path: Path, passes: Any
) -> None:
    passes(10 * SILENT_AT_MOST_SECONDS)
    assert is_touched(heart, path), "before the first connection"
    heart.beat()
    heart.wait()
    passes(20 * SILENT_AT_MOST_SECONDS)
    assert is_touched(heart, path), "after the connection was lost"


def test_a_full_disk_does_not_end_the_thread(
    heart: Heartbeat, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.unlink()
    path.parent.rmdir()
    heart.touch()
    assert "heartbeat file not written" in caplog.text


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    heart = Heartbeat()
    heart.beat()
    heart.touch()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_reported_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        Heartbeat().start(tmp_path / "missing" / "heartbeat")


def test_beat_shows_life_by_each_message_that_it_tries_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    heart = Heartbeat()
    monkeypatch.setattr(hooks, "heart", heart)
    before = list(before_task_publish.receivers)
    try:
        beat_init.send(sender=None)
        assert heart._last_beat is None
        before_task_publish.send(sender="a.task")
        assert heart._last_beat is not None
    finally:
        before_task_publish.receivers[:] = before


def test_the_companion_for_pictures_leaves_the_file_to_its_worker(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MEDIA_COPIES, settings.PICTURE_THREADS = True, 1
    changes: dict[str, str] = {}

    class Recorded:
        def __init__(self, command: object, changed: dict[str, str]) -> None:
            changes.update(changed)

        def start(self) -> None:
            pass

    monkeypatch.setattr(process_hooks.companion, "Companion", Recorded)
    monkeypatch.setattr(process_hooks, "_companions", [])
    process_hooks.start_pictures(sender=None)
    assert changes["HEARTBEAT_FILE"] == ""


def probe(**environment: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-X", "importtime", "-m", "foundation.heartbeat")
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("age", "code", "said"),
    [(0, 0, ""), (OLD_AFTER_SECONDS + 5, 1, "seconds ago"), (None, 1, "No such file or directory")],
)
def test_the_probe_judges_the_age(path: Path, age: float | None, code: int, said: str) -> None:
    if age is not None:
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    done = probe(HEARTBEAT_FILE=str(path))
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == code
    assert said in "\n".join(lines)
    assert bool(lines) == bool(said)
    assert "django" not in done.stderr, "it is run often"


def test_the_probe_says_when_no_file_is_configured() -> None:
    done = probe()
    assert (done.returncode, "HEARTBEAT_FILE is not set" in done.stderr) == (1, True)
