"""Measure the refreshes of one worker while pictures are copied beside it, and without copies.

    python -m benchmarks.refreshes_and_pictures --feeds 200 --rounds 3

Every feed is due, none of its pictures has a copy, and the stand-in answers from the same machine. Set DATABASE_URL and
REDIS_URL, as in production. Prints the refreshes per second of each round, and the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.processes.service import Service, running_service, wait_until

MAKE_DUE = """
from datetime import timedelta
from django.utils import timezone
from paris_integration.models import Feed
now = timezone.now()
Feed.objects.bulk_create(
    Feed(
        workspace_id="{workspace}", instance_id=f"wgt_{{number}}", source_type="profile",
        source_value=f"load.{{number}}", mode="public", last_read_at=now, next_refresh_at=now,
        pictures_reach=[12, 0, 0],
    )
    for number in range({feeds})
)
"""
SEND = """
from paris_integration import tasks
from config.celery import app
print(tasks.enqueue_due_refreshes())
"""
LOOK = """
import json
from django.db.models import Count, Max, Min
from paris_integration.models import Feed, PictureUse
filled = Feed.objects.filter(fetched_at__isnull=False)
times = filled.aggregate(first=Min("fetched_at"), last=Max("fetched_at"), number=Count("pk"))
seconds = (times["last"] - times["first"]).total_seconds() if times["number"] else 0
copied = PictureUse.objects.filter(picture__isnull=False).count()
print(json.dumps({"number": times["number"], "seconds": seconds, "copied": copied}))
"""


def shell(service: Service, script: str) -> str:
    return str(service.manage("shell", "-v", "0", "-c", script))


def look(service: Service) -> dict[str, float]:
    found = service.manage("shell", "-v", "0", "-c", LOOK)
    return found if isinstance(found, dict) else json.loads(found)


def measure(feeds: int, *, copies: bool) -> dict[str, float]:
    """One round: refreshes per second, from the first feed's refresh to the last one's."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), MEDIA_COPIES=str(copies).lower(), LOG_LEVEL="WARNING") as service,
    ):
        shell(service, MAKE_DUE.format(workspace=service.workspace("business"), feeds=feeds))
        service.start_worker()
        time.sleep(6)  # until the worker, and the process beside it, wait for messages
        shell(service, SEND)
        wait_until(lambda: look(service)["number"] >= feeds, 300)
        found = look(service)
        return {"refreshesPerSecond": round(feeds / found["seconds"], 1), "copied": found["copied"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds: dict[str, list[float]] = {"withoutCopies": [], "withCopies": []}
    for _ in range(arguments.rounds):
        for name, copies in (("withoutCopies", False), ("withCopies", True)):
            found = measure(arguments.feeds, copies=copies)
            print(json.dumps({name: found}), flush=True)
            rounds[name].append(found["refreshesPerSecond"])
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    print(json.dumps({**medians, "ratio": round(medians["withCopies"] / medians["withoutCopies"], 3)}))


if __name__ == "__main__":
    main()
