"""Measure the refreshes per second of one worker process, against a bare loop that makes the same HTTP calls.

    python -m benchmarks.refreshing --feeds 600 --rounds 5

Set DATABASE_URL (PostgreSQL) and REDIS_URL. The worker has the command line of `make worker`, with 16 threads; the bare
loop has 16 threads and one `requests.Session`, and only reads the answers. The stand-in answers each call after 150 ms.
The two take turns. Everything runs on this machine. Prints each round, the medians, and the processor time that the
worker needs for a refresh.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import requests
from requests.adapters import HTTPAdapter

from instagram_standin.messages import Call, CallLog
from tests.processes.service import Service, running_service, wait_until

THREADS = 16
ANSWER_SECONDS = 0.15
WARM_UP = 64  # feeds
SENT_HEADERS = ("authorization", "accept", "accept-encoding", "user-agent")
MAKE_DUE = """
from django.utils import timezone
from paris_integration.models import Feed
now = timezone.now()
Feed.objects.bulk_create(
    Feed(
        workspace_id="{workspace}", instance_id=f"wgt_{{number}}", source_type="profile",
        source_value=f"load.{{number}}", mode="public", last_read_at=now, next_refresh_at=now,
        pictures_reach=[12, 0, 0],
    )
    for number in range({first}, {last})
)
from paris_integration import tasks
print(tasks.enqueue_due_refreshes())
"""


class Requests(CallLog):
    """Keeps the address and headers of each call, so that the bare loop can repeat it."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.made: list[tuple[str, dict[str, str]]] = []
        self.began_at_monotonic = 0.0

    def add(self, call: Call, *, status: int | None, fault: str | None) -> None:
        request = call.request
        if not self.made:
            self.began_at_monotonic = time.monotonic()
        headers = {name: request.headers[name] for name in SENT_HEADERS if name in request.headers}
        self.made.append((f"{self.base_url}{request.path}?{urlencode(request.query)}", headers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--feeds", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bare", action="store_true", help="internal: make the calls given on stdin")
    arguments = parser.parse_args()
    if arguments.bare:
        print(bare_loop(json.load(sys.stdin)))
        return
    measured: dict[str, list[float]] = {"worker": [], "bareLoop": [], "workerCpuMilliseconds": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), LOG_LEVEL="WARNING", DEBUG="false") as service,
        psycopg.connect(service.environment["DATABASE_URL"], autocommit=True) as database,
    ):
        service.standin.faults.add("slow", seconds=ANSWER_SECONDS)
        workspace = service.workspace("business")
        worker = service.start_worker(threads=THREADS)
        refresh(service, database, workspace, 0, WARM_UP)
        for round_number in range(arguments.rounds):
            first = WARM_UP + round_number * arguments.feeds
            cpu_before = cpu_seconds(worker.pid)
            calls, seconds = refresh(service, database, workspace, first, first + arguments.feeds)
            cpu = cpu_seconds(worker.pid) - cpu_before
            found = {
                "worker": arguments.feeds / seconds,
                "bareLoop": arguments.feeds / bare(calls),
                "workerCpuMilliseconds": 1_000 * cpu / arguments.feeds,
            }
            for name, value in found.items():
                measured[name].append(value)
            print(json.dumps({name: round(value, 1) for name, value in found.items()}), flush=True)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    ratios = [ours / loop for ours, loop in zip(measured["worker"], measured["bareLoop"], strict=True)]
    rounded = {name: round(value, 1) for name, value in medians.items()}
    print(json.dumps({**rounded, "ratio": round(statistics.median(ratios), 3)}))


def refresh(
    service: Service, database: psycopg.Connection[Any], workspace: str, first: int, last: int
) -> tuple[list[tuple[str, dict[str, str]]], float]:
    """Make these feeds, and have the worker refresh them. Returns its calls, and the seconds from the first call on."""
    log = Requests(service.standin.base_url)
    service.standin.calls = log
    service.manage("shell", "-v", "0", "-c", MAKE_DUE.format(workspace=workspace, first=first, last=last))
    refreshed = "SELECT count(*) FROM paris_integration_feed WHERE fetched_at IS NOT NULL"
    wait_until(lambda: (database.execute(refreshed.encode()).fetchone() or (0,))[0] >= last, 120)
    return log.made, time.monotonic() - log.began_at_monotonic


def bare(calls: list[tuple[str, dict[str, str]]]) -> float:
    """The seconds of the bare loop, in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.refreshing", "--bare"],
        input=json.dumps(calls), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def bare_loop(calls: list[tuple[str, dict[str, str]]]) -> float:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", HTTPAdapter(pool_maxsize=THREADS))
    waiting: queue.SimpleQueue[tuple[str, dict[str, str]]] = queue.SimpleQueue()
    for call in calls:
        waiting.put(call)

    def work() -> None:
        while True:
            try:
                url, headers = waiting.get_nowait()
            except queue.Empty:
                return
            session.get(url, headers=headers).raise_for_status()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


def cpu_seconds(pid: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
