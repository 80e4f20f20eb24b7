"""Measure the memory of web processes and a worker while they do the work of a day.

    python -m benchmarks.memory [--reads 5_000_000] [--refreshes 24_000]

A thousand widgets are read at random, and their feeds refreshed, in four parts. Prints the memory of each process
(Pss, in MB: pages shared between processes count once) before and after each part. Set DATABASE_URL and REDIS_URL, and
install wrk.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.reads import CAPTION, POSTS, Candidate, load, many_widgets, widgets_script
from tests.processes.service import Service, running_service, wait_until

PARTS = 4
LOAD_SECONDS = 10.0
WIDGETS = 1_000
DUE = """
from datetime import timedelta
from django.utils import timezone
from paris_integration import tasks
from paris_integration.models import Feed
now = timezone.now()
Feed.objects.update(
    next_refresh_at=now, last_read_at=now, attempted_at=now - timedelta(days=1), fetched_at=now - timedelta(days=1)
)
"""
SEND = "from paris_integration import tasks; tasks.enqueue_due_refreshes()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reads", type=int, default=5_000_000)
    parser.add_argument("--refreshes", type=int, default=24_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        running_service(
            Path(name),
            DEBUG="false",
            LOG_LEVEL="WARNING",
            MEDIA_COPIES="false",
            THROTTLE_READS_PER_ADDRESS="0",
            THROTTLE_READS_PER_INSTANCE="0",
            WEB_CONCURRENCY="2",
        ) as service,
        psycopg.connect(service.environment["DATABASE_URL"], autocommit=True) as database,
    ):
        workspace = service.workspace("business")
        for account in ("bench", *(f"account{number}" for number in range(WIDGETS))):
            service.standin.profiles.plant(
                account, [{"caption": f"Post {n}. {CAPTION}"} for n in range(POSTS)]
            )
        service.read(service.instance(workspace, "bench")["embedToken"])
        widgets = Candidate(
            "widgets",
            f"http://127.0.0.1:{service.web_ports[0]}",
            script=widgets_script(many_widgets(service, workspace, WIDGETS)),
        )
        worker = service.start_worker(threads=16)
        pids = {f"web {n + 1}": pid for n, pid in enumerate(children(service.webs[0].pid))}
        pids["worker"] = worker.pid
        reads = refreshes = 0
        for part in range(PARTS + 1):
            if part:
                reads += read(widgets, Path(name), arguments.reads // PARTS)
                refreshes += refresh(service, database, arguments.refreshes // PARTS)
            found = {process: round(megabytes(pid), 1) for process, pid in pids.items()}
            print(json.dumps({"reads": reads, "refreshes": refreshes, **found}), flush=True)


def read(widgets: Candidate, folder: Path, number: int) -> int:
    done = 0
    while done < number:
        load(widgets, folder, LOAD_SECONDS)
        done += round(widgets.per_second[-1] * LOAD_SECONDS)
    return done


def refresh(service: Service, database: psycopg.Connection[Any], number: int) -> int:
    done = 0
    while done < number:
        service.manage("shell", "-v", "0", "-c", DUE)
        waiting = "SELECT count(*) FROM paris_integration_feed WHERE fetched_at < now() - interval '12 hours'"
        rows = count(database, waiting)
        while count(database, waiting):
            service.manage("shell", "-v", "0", "-c", SEND)  # beat would, once a minute
            until = time.monotonic() + 60
            wait_until(lambda: not count(database, waiting) or time.monotonic() > until, 90)  # noqa: B023
        done += rows
    return done


def count(database: psycopg.Connection[Any], query: str) -> int:
    return int((database.execute(query.encode()).fetchone() or (0,))[0])


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def megabytes(pid: int) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1_024


if __name__ == "__main__":
    main()
