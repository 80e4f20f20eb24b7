"""Measure how long a warm read takes while slow or silent clients hold connections.

    python -m benchmarks.slow_clients --clients 80 300
    python -m benchmarks.slow_clients --command "granian --interface wsgi --port {port} config.wsgi"

Each kind of client runs against a new web process, on SQLite without Redis and without a proxy. `--command` starts
another server than the service's; that server must be installed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes.service import FEED_PATH, ROOT, Service, free_port, get, running_service, wait_until
from tests.processes.slow_clients import KINDS, held

OWN_COMMAND = f"{sys.executable} -m gunicorn --config config/gunicorn.py config.wsgi"
PATIENCE_SECONDS = 10.0
READS = 20


def read_once(port: int, path: str) -> float | None:
    """The milliseconds of one read on a new connection. None when there was no answer in time."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
    assert status == 200, status
    return (time.monotonic() - began) * 1_000


def measure(port: int, path: str) -> dict[str, float | int | None]:
    took: list[float] = []
    failed = 0
    for _ in range(READS):
        milliseconds = read_once(port, path)
        if milliseconds is None:
            failed += 1
            if failed == 2:
                break
        else:
            took.append(milliseconds)
    return {
        "answered": len(took),
        "unanswered": failed,
        "medianMilliseconds": round(statistics.median(took), 1) if took else None,
        "longestMilliseconds": round(max(took), 1) if took else None,
    }


@contextmanager
def serving(service: Service, command: str) -> Iterator[int]:
    """The port of a web process started by `command`."""
    port = free_port()
    environment = {**service.environment, "PORT": str(port), "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}"}
    with service.log_path.open("ab") as log:
        web = subprocess.Popen(
            shlex.split(command.format(port=port)),
            cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: _is_up(port), 30)
        yield port
    finally:
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()


def _is_up(port: int) -> bool:
    try:
        return get(f"http://127.0.0.1:{port}/healthz", timeout=2).status == 200
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[80, 300])
    parser.add_argument("--kinds", nargs="+", default=[kind.__name__ for kind in KINDS])
    parser.add_argument("--command", default=OWN_COMMAND)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), webs=0, DEBUG="false") as service,
    ):
        token = service.instance(service.workspace(), "acme.bakery")["embedToken"]
        path = f"{FEED_PATH}?token={token}"
        with serving(service, arguments.command) as port:
            assert get(f"http://127.0.0.1:{port}{path}").json["posts"]
            print(json.dumps({"kind": "none", "clients": 0, **measure(port, path)}), flush=True)
        for kind in KINDS:
            for clients in arguments.clients if kind.__name__ in arguments.kinds else ():
                with serving(service, arguments.command) as port, held(kind, clients, port):
                    print(
                        json.dumps({"kind": kind.__name__, "clients": clients, **measure(port, path)}),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
