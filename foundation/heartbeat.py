"""A file that is touched while a process's loop runs: for processes that a probe can't ask by HTTP.

`python -m foundation.heartbeat` is the probe. It exits with 1 if the file named by HEARTBEAT_FILE is missing or old. It
imports no Django, so that it can run often.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

logger = logging.getLogger(__name__)

TOUCH_SECONDS = 5.0
# Longer than a loop is held up by a broker that doesn't answer: `socket_timeout`, with its repetitions.
SILENT_AT_MOST_SECONDS = 180.0
OLD_AFTER_SECONDS = 60.0


class Heartbeat:
    """Touches a file while the loop calls `beat`, and from `wait` until the next `beat`.

    `wait` says that the loop waits for the broker, for as long as that takes: a restart wouldn't bring the broker back.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._last_beat: float | None = None  # monotonic; None while the loop waits

    def start(self, path: Path) -> None:
        """Touch the file now, and from a thread from now on. Raises OSError if the file can't be written."""
        from foundation import threads

        path.touch()
        self._path = path
        threads.repeat(self._step, name="heartbeat")

    def beat(self) -> None:
        self._last_beat = time.monotonic()

    def wait(self) -> None:
        self._last_beat = None

    def touch(self) -> None:
        """Touch the file, unless the loop has been silent for too long."""
        last = self._last_beat
        if self._path is None or (last is not None and time.monotonic() - last > SILENT_AT_MOST_SECONDS):
            return
        try:
            self._path.touch()
        except OSError as error:
            logger.error("heartbeat file not written: %s", error.strerror)

    def _step(self) -> None:
        time.sleep(TOUCH_SECONDS)
        self.touch()


def fault_of(path: Path) -> str | None:
    """Why the file doesn't show a living process; None if it does."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError as error:
        return f"No heartbeat: {path}: {error.strerror}"
    return f"The last heartbeat was {age:.0f} seconds ago." if age > OLD_AFTER_SECONDS else None


def main() -> int:
    name = os.environ.get("HEARTBEAT_FILE", "")
    fault = fault_of(Path(name)) if name else "HEARTBEAT_FILE is not set."
    if fault is None:
        return 0
    sys.stderr.write(f"{fault}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
