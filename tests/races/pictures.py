"""Pictures copied by two workers while feeds are purged and a third worker is killed again and again, on PostgreSQL.

    python -m tests.races.pictures --rounds 100 --kills 20

Needs DATABASE_URL of a PostgreSQL server and REDIS_URL. Creates a database there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.processes.service import Service, running_service
from tests.races.connections import SPAWN, _key, _set_up

FEEDS = 4  # in each round; all show the same three pictures


def _set_up_pictures(environment: dict[str, str]) -> None:
    """The product's functions, with a fake provider and its picture server."""
    public = {"PUBLIC_MODE_IG_USER_ID": "1", "PUBLIC_MODE_ACCESS_TOKEN": "operator", "MEDIA_COPIES": "true"}
    _set_up(environment | public)
    from paris_integration import registry
    from tests.pictures import FakePictureHost, jpeg

    host = FakePictureHost()
    host.files = {f"/v/{number}.jpg": jpeg(number) for number in range(3)}
    registry.file_client = lambda: host  # type: ignore[assignment]


def reader(environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any, report: Any) -> None:
    """Fill the feeds of each round, and copy their pictures while the other process does the same and purges them."""
    _set_up_pictures(environment)
    from django.db import DatabaseError
    from django.utils import timezone

    from paris_integration.media import copying
    from paris_integration.models import Feed
    from paris_integration.public import Selection, read_feed

    faults: list[str] = []
    for number in range(rounds):
        for feed in range(FEEDS):
            read_feed(_key(workspace_id, f"wgt_{number}_{feed}"), Selection(max_posts=3), now=timezone.now())
        ids = list(Feed.objects.order_by("pk").values_list("pk", flat=True))
        barrier.wait()
        for feed_id in ids:
            try:
                copying.copy_pictures(feed_id)
            except DatabaseError as error:  # such as a deadlock
                faults.append(repr(error))
        barrier.wait()
        barrier.wait()  # until the other has looked
    report.put(faults)


def purger(environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any, report: Any) -> None:
    """Copy the same pictures in the opposite order, purge all feeds but one meanwhile, sweep, and look."""
    _set_up_pictures(environment)
    from django.db import DatabaseError

    from paris_integration.media import copying, sweeping
    from paris_integration.models import Feed, Picture

    chance = random.Random(11)  # noqa: S311 - the same moments in every run
    faults: list[str] = []
    left = {
        "files without a row": 0,
        "rows without a file": 0,
        "unused pictures": 0,
        "copies without a file": 0,
    }
    for number in range(rounds):
        kept = f"wgt_{number}_0"
        barrier.wait()
        ids = list(Feed.objects.order_by("-pk").values_list("pk", flat=True))
        try:
            for feed_id in ids[:2]:
                copying.copy_pictures(feed_id)
            time.sleep(chance.random() * 0.1)
            Feed.objects.exclude(instance_id=kept).purge()
            sweeping.remove_unused()
        except DatabaseError as error:
            faults.append(repr(error))
        barrier.wait()
        # What one worker left to the other, and what both left to the sweep.
        Feed.objects.update(pictures_due_at=_now())
        for feed_id in Feed.objects.values_list("pk", flat=True):
            copying.copy_pictures(feed_id)
        if number % 2:
            Feed.objects.all().purge()
        Picture.objects.update(writing_until=None)
        sweeping.remove_unused()
        for name, found in _left().items():
            left[name] += found
        barrier.wait()
    report.put((faults, left))


def copier(environment: dict[str, str]) -> None:
    """Copy whatever is due, for ever."""
    _set_up_pictures(environment)
    from paris_integration.media import copying
    from paris_integration.models import Feed

    while True:
        Feed.objects.update(pictures_due_at=_now(), copies="{}")
        for feed_id in Feed.objects.values_list("pk", flat=True):
            copying.copy_pictures(feed_id)
        Feed.objects.all().purge()
        _fill()


def _fill() -> None:
    from entitlements.models import Workspace
    from paris_integration.public import Selection, read_feed

    workspace_id = str(Workspace.objects.values_list("pk", flat=True).get())
    for feed in range(FEEDS):
        read_feed(_key(workspace_id, f"wgt_{feed}"), Selection(max_posts=3), now=_now())


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


def _left() -> dict[str, int]:
    """What the database and the storage say differently."""
    from paris_integration.feeds import pictures
    from paris_integration.media import storage, sweeping
    from paris_integration.models import Feed, Picture, PictureUse

    files = {file.name for file in storage.listing()}
    names = {name for row in Picture.objects.all() for name in sweeping.names_of(row)}
    shown = {
        f"{pictures.file_digest(copy.digest, width)}.jpg"
        for row in Feed.objects.all()
        for copy in pictures.decode_copies(row.copies).values()
        for width, _ in copy.sizes
    }
    used = set(PictureUse.objects.filter(picture__isnull=False).values_list("picture", flat=True))
    return {
        "files without a row": len(files - names),
        "rows without a file": len(names - files),
        "unused pictures": len(set(Picture.objects.values_list("pk", flat=True)) - used),
        "copies without a file": len(shown - files),
    }


def final_look(environment: dict[str, str], report: Any) -> None:
    """Let all leases run out, sweep, and look."""
    _set_up_pictures(environment)
    from paris_integration.media import copying, sweeping
    from paris_integration.models import Feed, Picture

    Picture.objects.update(writing_until=_now() - timedelta(seconds=1))
    Feed.objects.update(pictures_due_at=_now())
    for feed_id in Feed.objects.values_list("pk", flat=True):
        copying.copy_pictures(feed_id)
    sweeping.remove_unused()
    report.put(_left())


def race(folder: Path, *, rounds: int, kills: int) -> dict[str, Any]:
    """The errors, and what was left, summed over all rounds and after all kills."""
    with running_service(folder, webs=0, LOG_LEVEL="CRITICAL") as service:
        workspace_id = service.workspace("business")
        faults, left = _purge_while_copying(service, workspace_id, rounds)
        return {"faults": faults, "left": left, "left after kills": _kill_while_copying(service, kills)}


def _purge_while_copying(
    service: Service, workspace_id: str, rounds: int
) -> tuple[list[str], dict[str, int]]:
    barrier, said_by_reader, said_by_purger = SPAWN.Barrier(2, timeout=60), SPAWN.Queue(), SPAWN.Queue()
    both = [
        SPAWN.Process(target=target, args=(service.environment, workspace_id, rounds, barrier, said))
        for target, said in ((reader, said_by_reader), (purger, said_by_purger))
    ]
    for process in both:
        process.start()
    faults, left = said_by_purger.get(timeout=60 + 10 * rounds)
    faults = [*said_by_reader.get(timeout=10), *faults]
    for process in both:
        process.join(timeout=10)
    return faults, left


def _kill_while_copying(service: Service, kills: int) -> dict[str, int]:
    chance = random.Random(7)  # noqa: S311 - likewise
    for _ in range(kills):
        process = SPAWN.Process(target=copier, args=(service.environment,))
        process.start()
        time.sleep(2.0 + chance.random())
        process.kill()
        process.join()
    report = SPAWN.Queue()
    process = SPAWN.Process(target=final_look, args=(service.environment, report))
    process.start()
    left: dict[str, int] = report.get(timeout=60)
    process.join(timeout=10)
    return left


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = race(Path(folder), rounds=arguments.rounds, kills=arguments.kills)
    print(json.dumps(result), flush=True)
    is_clean = not result["faults"] and not any(
        (*result["left"].values(), *result["left after kills"].values())
    )
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
