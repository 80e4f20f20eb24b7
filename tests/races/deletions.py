"""Widgets deleted while they are read, refreshed and connected, by two processes on PostgreSQL.

    python -m tests.races.deletions --rounds 200

Needs DATABASE_URL of a PostgreSQL server and REDIS_URL. Creates a database there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.processes.service import running_service
from tests.races.connections import SPAWN, _connect, _key, _run, _set_up

KINDS = ("read", "connected", "twin")


def user(environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any, report: Any) -> None:
    """In each round, read one widget in public mode, and connect, read and disconnect the two others."""
    _set_up(environment | {"PUBLIC_MODE_IG_USER_ID": "1", "PUBLIC_MODE_ACCESS_TOKEN": "operator"})
    from django.db import DatabaseError
    from django.utils import timezone

    from entitlements.limits import WorkspaceNotFound
    from paris_integration import public as paris
    from venice_api.models import WidgetInstance

    selection = paris.Selection(max_posts=3)
    actor = paris.Actor(1, "editor")
    faults: list[str] = []
    for number in range(rounds):
        read, connected, twin = (_key(workspace_id, f"wgt_{kind}_{number}") for kind in KINDS)
        for key in (read, connected, twin):
            WidgetInstance.objects.create(
                pk=key.instance_id, workspace_id=workspace_id, source_value="acme.bakery"
            )
        for key in (connected, twin):
            _connect(key, now=timezone.now())
        barrier.wait()
        for act in (
            lambda key=read: paris.read_feed(key, selection, now=timezone.now()),
            lambda key=connected: paris.read_feed(key, selection, now=timezone.now()),
            lambda key=read: paris.force_refresh(
                key, selection, actor=actor, idempotency_key="click", now=timezone.now()
            ),
            lambda key=twin: paris.disconnect(key, actor=actor, now=timezone.now()),
            lambda key=connected: paris.disconnect(key, actor=actor, now=timezone.now()),
        ):
            try:
                act()
            except (paris.RefreshBlocked, paris.TooBusy, WorkspaceNotFound):
                pass
            except (DatabaseError, paris.ParisError) as error:  # such as a deadlock
                faults.append(repr(error))
        barrier.wait()
        barrier.wait()  # until the other has looked
    report.put(faults)


def deleter(environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any, report: Any) -> None:
    """Delete all of them by one queryset at about that time, and count what is left."""
    _set_up(environment)
    from django.core.cache import cache
    from django.db import DatabaseError

    from paris_integration.models import Connection, ConnectionLink, Feed, RefreshReceipt
    from paris_integration.models.feeds import copy_key
    from paris_integration.retention import expiry
    from paris_integration.types import Mode
    from venice_api.models import WidgetInstance

    chance = random.Random(11)  # noqa: S311 - the same moments in every run
    faults: list[str] = []
    left = {"connections": 0, "links": 0, "posts": 0, "copies": 0, "rows": 0, "receipts": 0}
    for number in range(rounds):
        ids = [f"wgt_{kind}_{number}" for kind in KINDS]
        barrier.wait()
        time.sleep(chance.random() * 0.06)
        try:
            WidgetInstance.objects.filter(pk__in=ids).delete()
        except DatabaseError as error:
            faults.append(repr(error))
        barrier.wait()
        left["connections"] += Connection.objects.count()
        left["links"] += ConnectionLink.objects.count()
        left["posts"] += Feed.objects.exclude(posts_encoded="[]").count()
        left["copies"] += sum(
            cache.get(copy_key(_key(workspace_id, pk), mode)) is not None for pk in ids for mode in Mode
        )
        left["rows"] += Feed.objects.count()
        expiry.remove_expired(now=_now())
        left["receipts"] += RefreshReceipt.objects.count()
        barrier.wait()
    report.put((faults, left))


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


def race(folder: Path, *, rounds: int) -> dict[str, Any]:
    """The errors and the rows left after the deletions, summed over all rounds."""
    with running_service(folder, webs=0, LOG_LEVEL="ERROR") as service:
        workspace_id = service.workspace("business")
        barrier, said_by_user, said_by_deleter = SPAWN.Barrier(2, timeout=60), SPAWN.Queue(), SPAWN.Queue()
        environment = service.environment
        _run(
            (user, (environment, workspace_id, rounds, barrier, said_by_user)),
            (deleter, (environment, workspace_id, rounds, barrier, said_by_deleter)),
        )
        faults, left = said_by_deleter.get(timeout=10)
        return {"faults": [*said_by_user.get(timeout=10), *faults], "left": left}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    with tempfile.TemporaryDirectory() as folder:
        result = race(Path(folder), rounds=parser.parse_args().rounds)
    print(json.dumps(result), flush=True)
    return 1 if result["faults"] or any(result["left"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
