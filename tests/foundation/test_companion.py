"""A companion process: started again when it ends, and ended with the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation import companion
from foundation.companion import Companion

# Writes its process id and waits. It calls `end_with_parent` as the workers do.
COMPANION = """
import os, pathlib, sys, time
from foundation import companion
companion.end_with_parent()
with open(sys.argv[1], "a") as log:
    log.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def wait_until(happened: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < give_up_at, "it did not happen within 20 seconds"
        time.sleep(0.02)


def started(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_it_is_started_again_and_ends_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "RESTART_AFTER_SECONDS", 0.05)
    log = tmp_path / "log"
    beside = Companion((sys.executable, "-c", COMPANION, str(log)), {})
    beside.start()
    wait_until(lambda: len(started(log)) == 1)

    os.kill(started(log)[0], signal.SIGKILL)
    wait_until(lambda: len(started(log)) == 2)

    beside.stop()
    wait_until(lambda: not any(map(is_running, started(log))))
    assert len(started(log)) == 2


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    starter = f"""
import time
from foundation.companion import Companion
Companion(({sys.executable!r}, "-c", {COMPANION!r}, {str(log)!r}), {{}}).start()
time.sleep(60)
"""
    process = subprocess.Popen((sys.executable, "-c", starter))
    wait_until(lambda: started(log))

    process.kill()
    process.wait()

    wait_until(lambda: not any(map(is_running, started(log))))


def test_its_environment_has_the_changes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    writes = f"import os, time; open({str(log)!r}, 'w').write(os.environ['WHO']); time.sleep(60)"
    beside = Companion((sys.executable, "-c", writes), {"WHO": "pictures"})
    beside.start()
    wait_until(lambda: log.exists() and log.read_text() == "pictures")
    beside.stop()


def test_it_ends_in_order_while_the_process_that_started_it_lives() -> None:
    code = "from foundation import companion; companion.end_with_parent(); print('began', flush=True)"
    with subprocess.Popen(
        (sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as beside:
        status = beside.wait(timeout=20)
        assert beside.stderr is not None
        errors = beside.stderr.read().decode()

    assert (status, errors) == (0, "")
