"""The Celery tasks, and the same work in one process for the `refresh_due` command.

Tasks are idempotent and take ids. Lost, repeated and late messages do no harm.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.db import connection
from django.utils import timezone

from foundation import faults, statements, threads
from paris_integration import clock
from paris_integration.connections import health, notices, renewals, withdrawal
from paris_integration.errors import StorageUnavailable
from paris_integration.feeds import refreshing, rescheduling
from paris_integration.feeds.dispatch import (
    COPY_PICTURES_TASK,
    REFRESH_FEED_TASK,
    REFRESH_FEEDS_TASK,
    count_waiting,
)
from paris_integration.media import copying, sweeping
from paris_integration.models import UnfinishedErasure
from paris_integration.observing import graph_versions
from paris_integration.quota import ledger
from paris_integration.retention import expiry

logger = logging.getLogger(__name__)

CLAIM_BATCH = 100
CLAIM_BATCHES_PER_TICK = 60  # so that one tick doesn't occupy a worker for long
# With more, the workers are late: the rest stays in the database, where it isn't sent again when its claim ends.
MESSAGES_WAITING_AT_MOST = 500
FEEDS_PER_MESSAGE = 4
MESSAGES_PER_BATCH = 16  # at least, if there are so many feeds, so that as many threads share them
PARALLEL = 8
COPIES_PER_TICK = 200


_is_stopping = threading.Event()


@worker_shutting_down.connect
def begin_to_stop(**_: object) -> None:
    _is_stopping.set()


@shared_task(name=REFRESH_FEED_TASK)
def refresh_feed(feed_id: str) -> None:
    """Refresh one feed if it is due. Doesn't raise for expected outcomes, including an unavailable database."""
    _refresh_and_log(feed_id)


@shared_task(name=REFRESH_FEEDS_TASK)
def refresh_feeds(feed_ids: Sequence[str]) -> None:
    """Refresh these feeds, one after another, as `refresh_feed` does.

    A worker that is told to stop finishes the feed it has begun. The others are due again when their claim ends.
    """
    for feed_id in feed_ids:
        if _is_stopping.is_set():
            return
        try:
            _refresh_and_log(feed_id)
        except Exception:  # a bug that one feed meets must not keep the others waiting
            logger.exception("refresh failed", extra={"fields": {"feed": feed_id}})


def _refresh_and_log(feed_id: str) -> None:
    try:
        outcome = refreshing.refresh_feed(UUID(feed_id), now=timezone.now())
    except faults.DRIVER_ERRORS as error:
        logger.warning("refresh postponed, database unavailable: %s", type(error).__name__)
        return
    logger.info(
        "refresh %s", outcome.result, extra={"fields": {"feed": feed_id, "result": outcome.result.value}}
    )


@shared_task(name="paris_integration.tasks.enqueue_due_refreshes")
def enqueue_due_refreshes() -> int:
    """Claim the feeds that are due and send them to the workers, unless these are late. Returns how many.

    If no more are due, reschedules feeds whose limits have changed.
    """
    waiting = count_waiting(settings.CELERY_TASK_ROUTES[REFRESH_FEEDS_TASK]["queue"])
    if waiting is not None and waiting >= MESSAGES_WAITING_AT_MOST:
        logger.info("due feeds not claimed: workers are late", extra={"fields": {"waiting": waiting}})
        return 0
    handed_over = 0
    try:
        for _ in range(CLAIM_BATCHES_PER_TICK):
            claimed = refreshing.claim_due(now=timezone.now(), limit=CLAIM_BATCH)
            for feed_ids in _in_messages(claimed):
                refresh_feeds.delay([str(feed_id) for feed_id in feed_ids])
            handed_over += len(claimed)
            if len(claimed) < CLAIM_BATCH and not rescheduling.reschedule_next(now=timezone.now()):
                break
    except faults.DRIVER_ERRORS as error:
        logger.warning("due feeds not claimed, database unavailable: %s", type(error).__name__)
    return handed_over


def _in_messages(feed_ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    """Receiving a message takes longer than a refresh's own work, so a message names several feeds if many are due."""
    size = min(max(len(feed_ids) // MESSAGES_PER_BATCH, 1), FEEDS_PER_MESSAGE)
    return [feed_ids[first : first + size] for first in range(0, len(feed_ids), size)]


@shared_task(name=COPY_PICTURES_TASK)
def copy_pictures(feed_id: str) -> None:
    """Copy one feed's pictures if that is due. Doesn't raise for expected outcomes."""
    try:
        outcome = copying.copy_pictures(UUID(feed_id))
    except faults.DRIVER_ERRORS as error:
        logger.warning("pictures postponed, database unavailable: %s", type(error).__name__)
        return
    fields = {
        "feed": feed_id,
        "result": outcome.result.value,
        "copied": outcome.copied,
        "failed": outcome.failed,
    }
    logger.info("pictures %s", outcome.result, extra={"fields": fields})


@shared_task(name="paris_integration.tasks.enqueue_due_copies")
def enqueue_due_copies() -> int:
    """Send the feeds whose pictures are due to the workers. Returns how many."""
    try:
        due = copying.due_feeds(now=clock.database_now(), limit=COPIES_PER_TICK)
    except faults.DRIVER_ERRORS as error:
        logger.warning("due pictures not found, database unavailable: %s", type(error).__name__)
        return 0
    if not settings.MEDIA_COPIES:  # no process consumes the queue, and pictures are only given up
        for feed_id in due:
            copying.copy_pictures(feed_id)
        return len(due)
    for feed_id in due:
        # Not claimed: the message expires with this tick, and the next tick sends those still due.
        copy_pictures.apply_async((str(feed_id),), expires=15)
    return len(due)


@shared_task(name="paris_integration.tasks.remove_unused_pictures")
def remove_unused_pictures() -> int:
    """Remove the pictures that no feed uses any more. Returns how many."""
    try:
        return sweeping.remove_unused()
    except faults.DRIVER_ERRORS as error:
        logger.warning("pictures not removed, database unavailable: %s", type(error).__name__)
        return 0


@shared_task(name="paris_integration.tasks.repair_pictures")
def repair_pictures() -> dict[str, int]:
    """Compare all pictures with the storage. Returns what was found."""
    try:
        with statements.limited_to(statements.LONG_JOB_SECONDS):
            found = sweeping.repair(now=clock.database_now())
    except (StorageUnavailable, *faults.DRIVER_ERRORS) as error:
        logger.warning("pictures not compared with the storage: %s", type(error).__name__)
        return {}
    logger.info("pictures compared with the storage", extra={"fields": found})
    return found


@shared_task(name="paris_integration.tasks.settle_orphans")
def settle_orphans() -> int:
    """Settle the ledger lines of processes that died during a forced refresh. Returns how many."""
    try:
        return ledger.settle_orphans(older_than=refreshing.dead_after())
    except faults.DRIVER_ERRORS as error:
        logger.warning("ledger not settled, database unavailable: %s", type(error).__name__)
        return 0


@shared_task(name="paris_integration.tasks.clean_up")
def clean_up() -> dict[str, int]:
    """Delete rows past their retention period, and finish data deletions that failed after their commit.

    Runs hourly, so a failed run is made up for by the next.
    """
    try:
        with statements.limited_to(statements.LONG_JOB_SECONDS):
            removed = expiry.remove_expired(now=timezone.now())
            withdrawal.finish_erasures(UnfinishedErasure.objects.all())
    except faults.DRIVER_ERRORS as error:
        logger.warning("clean-up failed, database unavailable: %s", type(error).__name__)
        return {}
    logger.info("cleaned up", extra={"fields": removed})
    return removed


@shared_task(name="paris_integration.tasks.renew_token")
def renew_token(connection_id: str) -> None:
    """Renew one connection's token if it is due. Doesn't raise for expected outcomes."""
    try:
        renewal = renewals.renew_token(UUID(connection_id), now=clock.database_now())
    except faults.DRIVER_ERRORS as error:
        logger.warning("renewal postponed, database unavailable: %s", type(error).__name__)
        return
    fields = {"connection": connection_id, "result": renewal.result}
    logger.info("renewal %s", renewal.result, extra={"fields": fields})


@shared_task(name="paris_integration.tasks.check_connection")
def check_connection(connection_id: str) -> None:
    """Check one connection's token at Meta if a check is due. Doesn't raise for expected outcomes."""
    try:
        verdict = health.check_connection(UUID(connection_id))
    except faults.DRIVER_ERRORS as error:
        logger.warning("check postponed, database unavailable: %s", type(error).__name__)
        return
    fields = {"connection": connection_id, "result": verdict.value}
    logger.info("connection check: %s", verdict, extra={"fields": fields})


@shared_task(name="paris_integration.tasks.look_after_connections")
def look_after_connections() -> int:
    """Probe incidents, mark expiring tokens, send due checks and renewals to the workers, and send notices.

    Returns the number of renewals sent.
    """
    try:
        # The database's clock, so that a wrong clock on one machine doesn't renew or notify at the wrong time.
        now = clock.database_now()
        health.probe_incidents()
        renewals.note_expiring(now=now)
        for connection_id in health.due_checks(limit=CLAIM_BATCH):
            check_connection.delay(str(connection_id))
        due = renewals.due_connections(now=now, limit=CLAIM_BATCH)
        for connection_id in due:
            renew_token.delay(str(connection_id))
        notices.send_due(now=now)
    except faults.DRIVER_ERRORS as error:
        logger.warning("connections not checked, database unavailable: %s", type(error).__name__)
        return 0
    return len(due)


@shared_task(name="paris_integration.tasks.reconcile_hashtags")
def reconcile_hashtags() -> int:
    """Add the hashtag searches that Meta counts and we don't. Returns how many."""
    try:
        return renewals.reconcile_hashtags(now=timezone.now())
    except faults.DRIVER_ERRORS as error:
        logger.warning("hashtag ledgers not compared, database unavailable: %s", type(error).__name__)
        return 0


@shared_task(name="paris_integration.tasks.check_graph_versions")
def check_graph_versions() -> int:
    """Ask Meta which Graph versions it serves, once a day. Returns how many answers came."""
    try:
        return graph_versions.check_versions()
    except faults.DRIVER_ERRORS as error:
        logger.warning("Graph versions not checked, database unavailable: %s", type(error).__name__)
        return 0


def refresh_due_now(*, now: datetime) -> dict[str, int]:
    """Do the work of beat and the workers once, in this process. Returns the number of feeds per outcome."""
    results: Counter[str] = Counter()
    while rescheduling.reschedule_next(now=now):
        pass
    while claimed := refreshing.claim_due(now=now, limit=CLAIM_BATCH):
        # Threads have their own connections and wouldn't see the rows of an open transaction (in tests).
        if connection.in_atomic_block:
            results.update(_refresh(feed_id, now) for feed_id in claimed)
        else:
            with threads.Executor(max_workers=PARALLEL) as pool:
                results.update(pool.map(lambda feed_id: _refresh(feed_id, now), claimed))
    copied = _copy_pictures() if settings.MEDIA_COPIES else {}
    renewed = _look_after_connections()
    settled = ledger.settle_orphans(older_than=refreshing.dead_after())
    return {
        "due": results.total(),
        "settled": settled,
        "renewed": renewed,
        **copied,
        **dict(sorted(results.items())),
    }


def _copy_pictures() -> dict[str, int]:
    """Copy the pictures that are due, and remove those that no feed uses. Returns the numbers."""
    copied = 0
    while due := copying.due_feeds(now=clock.database_now(), limit=CLAIM_BATCH):
        outcomes = [copying.copy_pictures(feed_id) for feed_id in due]
        copied += sum(outcome.copied for outcome in outcomes)
        if not any(outcome.copied or outcome.result is copying.Result.DONE for outcome in outcomes):
            break  # no progress: the rest waits for its next try
    return {"picturesCopied": copied, "picturesRemoved": sweeping.remove_unused()}


def _look_after_connections() -> int:
    """As the task `look_after_connections`, in this process. Returns the number of renewed tokens."""
    now = clock.database_now()
    health.probe_incidents()
    renewals.note_expiring(now=now)
    due = renewals.due_connections(now=now, limit=CLAIM_BATCH)
    renewed = [renewals.renew_token(connection_id, now=now) for connection_id in due]
    for connection_id in health.due_checks(limit=CLAIM_BATCH):
        health.check_connection(connection_id)
    return sum(renewal.result == "renewed" for renewal in renewed)


def _refresh(feed_id: UUID, now: datetime) -> str:
    return refreshing.refresh_feed(feed_id, now=now).result.value
