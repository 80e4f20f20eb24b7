"""Work that is not a read: what the commands and Venice's changes of a widget ask for."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from uuid import UUID

from django.db import connection

from foundation import threads
from paris_integration import clock, feed_cache, judgements, quota, refresh, renewals
from paris_integration.models import Feed
from paris_integration.types import FeedKey

CLAIM_BATCH = 100
PARALLEL = 8


def refresh_due_now(*, now: datetime) -> dict[str, int]:
    """What beat and the workers do, once and here: refresh every due feed; how many ended in which way."""
    results: Counter[str] = Counter()
    while claimed := refresh.claim_due(now=now, limit=CLAIM_BATCH):
        if connection.in_atomic_block:
            results.update(_refresh(feed_id, now) for feed_id in claimed)
        else:
            with threads.Executor(max_workers=PARALLEL) as pool:
                results.update(pool.map(lambda feed_id: _refresh(feed_id, now), claimed))
    renewed = _look_after_connections()
    settled = quota.settle_orphans(older_than=refresh.dead_after())
    return {
        "due": results.total(),
        "settled": settled,
        "renewed": renewed,
        **dict(sorted(results.items())),
    }


def _look_after_connections() -> int:
    """Probe incidents, mark what ends soon, renew and check what is due; how many tokens were renewed."""
    now = clock.database_now()
    judgements.probe_incidents()
    renewals.note_expiring(now=now)
    due = renewals.due_connections(now=now, limit=CLAIM_BATCH)
    renewed = [renewals.renew_token(connection_id, now=now) for connection_id in due]
    for connection_id in judgements.due_checks(limit=CLAIM_BATCH):
        judgements.check_connection(connection_id)
    return sum(renewal.result == "renewed" for renewal in renewed)


def retire_other_sources(key: FeedKey) -> None:
    """The instance now shows `key.source`: its other feeds are no longer refreshed in the background.

    They keep their copies and times, so that changing back and forth does not get round the TTL.
    """
    others = Feed.objects.filter(workspace_id=key.workspace_id, instance_id=key.instance_id).exclude(
        source_type=key.source.type.value, source_value=key.source.value
    )
    rows = list(others.filter(last_read_at__isnull=False))
    others.update(last_read_at=None, next_refresh_at=None)
    feed_cache.forget_rows(rows)


def _refresh(feed_id: UUID, now: datetime) -> str:
    return refresh.refresh_feed(feed_id, now=now).result.value
