"""A second process that is started again when it ends, and ends with this one, however that happens."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from foundation import threads

logger = logging.getLogger(__name__)

RESTART_AFTER_SECONDS = 5.0
STOP_WITHIN_SECONDS = 30.0


class Companion:
    """Runs `command` until `stop`. `changes`: environment variables that differ from this process's."""

    def __init__(self, command: Sequence[str], changes: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environment = {**os.environ, **changes}
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        threads.start(self._keep_running)

    def begin_to_stop(self) -> None:
        """Ask the process to end, and don't start it again."""
        self._stopping.set()
        with self._lock:
            if self._process is not None:
                self._process.terminate()

    def stop(self) -> None:
        """End the process: ask it, then kill it after a while."""
        self.begin_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(timeout=STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                if self._stopping.is_set():
                    return
                # The pipe is never written to. It closes when this process ends, even if it is killed.
                process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                    self._command, env=self._environment, stdin=subprocess.PIPE
                )
            with process:
                status = process.wait()
            if not self._stopping.is_set():
                logger.error("the companion process ended with status %s and is started again", status)
            self._stopping.wait(RESTART_AFTER_SECONDS)


def end_with_parent() -> None:
    """For the companion: end, as on SIGTERM, when the process that started it has ended."""

    def watch() -> None:
        # Not sys.stdin: Python ends only when its lock is free, and aborts after a while.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threads.start(watch)
