"""A server that speaks S3."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.processes.service import free_port, get, wait_until

ACCESS_KEY, SECRET_KEY = "canary-access-key", "canary-secret-key"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its URL. It keeps objects in memory."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(f"{url}/moto-api/data.json"), 30)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return get(url, timeout=2).status == 200
    except OSError:
        return False
