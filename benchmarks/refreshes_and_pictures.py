"""Measure the refreshes of one worker while pictures are copied at the same time, and without copies.

    python -m benchmarks.refreshes_and_pictures --feeds 200 --rounds 3

First, other feeds are filled, whose pictures then keep the picture process busy during the measurement. The stand-in
and the database run on the same machine. Set DATABASE_URL and REDIS_URL, as in production. Prints the refreshes per
second of each round, and the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.processes.service import Service, running_service, wait_until

OTHERS = 60  # feeds with thirteen pictures each
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
tasks.enqueue_due_refreshes()
"""
SEND_COPIES = "from paris_integration import tasks; tasks.enqueue_due_copies()"
LOOK = """
import json
from django.db.models import Count, Max, Min
from paris_integration.models import Feed, PictureUse
times = Feed.objects.filter(fetched_at__isnull=False).aggregate(last=Max("fetched_at"), number=Count("pk"))
copied = PictureUse.objects.filter(picture__isnull=False).count()
last = times["last"].timestamp() if times["last"] else 0
print(json.dumps({"number": times["number"], "last": last, "copied": copied}))
"""


def shell(service: Service, script: str) -> str:
    return str(service.manage("shell", "-v", "0", "-c", script))


def look(service: Service) -> dict[str, float]:
    found = service.manage("shell", "-v", "0", "-c", LOOK)
    return found if isinstance(found, dict) else json.loads(found)


def measure(feeds: int, *, copies: bool) -> dict[str, float]:
    """One round: refreshes per second, from sending the feeds to the last one's refresh; and the copies made then."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), MEDIA_COPIES=str(copies).lower(), LOG_LEVEL="WARNING") as service,
    ):
        workspace = service.workspace("business")
        service.start_worker()
        shell(service, MAKE_DUE.format(workspace=workspace, first=0, last=OTHERS))
        wait_until(lambda: look(service)["number"] >= OTHERS, 120)
        shell(service, SEND_COPIES)
        if copies:
            wait_until(lambda: look(service)["copied"] > 0, 60)
        before = look(service)
        shell(service, MAKE_DUE.format(workspace=workspace, first=OTHERS, last=OTHERS + feeds))
        began = time.time()
        wait_until(lambda: look(service)["number"] >= OTHERS + feeds, 300)
        found = look(service)
        seconds = found["last"] - began
        return {
            "refreshesPerSecond": round(feeds / seconds, 1),
            "copiedMeanwhile": found["copied"] - before["copied"],
        }


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
