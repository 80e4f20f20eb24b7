"""Measure how fast pictures are served: by the web process, by nginx after asking it (X-Accel-Redirect), and by nginx.

    python -m benchmarks.pictures_serving --kilobytes 40 --clients 16 --seconds 10

Needs nginx and wrk. Everything shares one machine, so compare the figures only with each other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.deployment.proxy import ASK_THE_SERVICE, running_proxy
from tests.processes.service import get, running_service

NAME = f"{'ab12' * 10}.avif"
PREFIX = "/_media/"
KINDS = (
    ("web process", "", None),
    ("web process behind nginx", "", ASK_THE_SERVICE),
    ("nginx after asking", PREFIX, ASK_THE_SERVICE),
    ("nginx", PREFIX, {}),
)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


def measure(base: str, clients: int, seconds: int) -> dict[str, float]:
    url = f"{base}/media/{NAME}"
    assert get(url).status == 200
    command = (
        "wrk",
        "--threads",
        "1",
        "--connections",
        str(clients),
        "--duration",
        f"{seconds}s",
        "--latency",
        url,
    )
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in said, said
    return {
        "picturesPerSecond": round(float(_found(r"Requests/sec:\s+([\d.]+)", said)[0])),
        "medianMilliseconds": _milliseconds(r"50%\s+([\d.]+)(us|ms|s)\b", said),
        "p99Milliseconds": _milliseconds(r"99%\s+([\d.]+)(us|ms|s)\b", said),
    }


def _milliseconds(pattern: str, text: str) -> float:
    number, unit = _found(pattern, text)
    return round(float(number) * _MILLISECONDS[unit], 1)


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match is not None, text
    return match.groups()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kilobytes", type=int, default=40)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=10)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media = folder / "pictures"
        (media / NAME[:2]).mkdir(parents=True)
        (media / NAME[:2] / NAME).write_bytes(os.urandom(arguments.kilobytes * 1_024))
        for kind, prefix, changes in KINDS:
            figures = measure_kind(folder / kind.replace(" ", "-"), media, prefix, changes, arguments)
            print(json.dumps({"sentBy": kind, **figures}), flush=True)


def measure_kind(
    folder: Path, media: Path, prefix: str, changes: dict[str, str] | None, arguments: argparse.Namespace
) -> dict[str, float]:
    folder.mkdir()
    settings = {"DEBUG": "false", "THROTTLE_READS_PER_ADDRESS": "0", "MEDIA_ROOT": str(media)}
    with running_service(folder, MEDIA_ACCEL_PREFIX=prefix, **settings) as service:
        port = service.web_ports[0]
        if changes is None:
            return measure(f"http://127.0.0.1:{port}", arguments.clients, arguments.seconds)
        with running_proxy(folder / "nginx", web_port=port, media=media, changes=changes) as base:
            return measure(base, arguments.clients, arguments.seconds)


if __name__ == "__main__":
    main()
