"""What Celery's processes do beside their tasks: report that they run, write usage when they end, put ids into logs.

A worker starts a second process for pictures, with a separate queue and threads, so that pictures never delay a
refresh. PICTURE_THREADS=0 leaves that to a worker that is started separately.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from celery.signals import (
    beat_init,
    before_task_publish,
    heartbeat_sent,
    task_postrun,
    task_prerun,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from foundation import companion, logs

_TICK = "paris_integration.tasks.enqueue_due_refreshes"
_IS_COMPANION = "PICTURES_COMPANION"
_bound: dict[str, Any] = {}
_companions: list[companion.Companion] = []


@worker_ready.connect
def say_where_the_numbers_are(**_: Any) -> None:
    from foundation.metrics import worker_last_seen
    from paris_integration.public import announce_worker_metrics

    worker_last_seen.set(time.time())
    announce_worker_metrics()


@worker_ready.connect
def start_pictures(sender: Any, **_: Any) -> None:
    from django.conf import settings

    if os.environ.get(_IS_COMPANION):
        companion.end_with_parent()
        return
    if not settings.MEDIA_COPIES or not settings.PICTURE_THREADS:
        return
    command = (
        # Behind refreshes, where both want the processor.
        "nice", "-n", "15",
        sys.executable, "-m", "celery", "--quiet", "--app", "config", "worker", "--queues", "pictures",
        "--hostname", f"pictures-{os.getpid()}@%h", "--pool", "threads",
        "--concurrency", str(settings.PICTURE_THREADS), "--loglevel", settings.LOG_LEVEL,
        "--without-gossip", "--without-mingle",
    )  # fmt: skip
    # Its metrics are in the directory that the page of this worker reads. The heartbeat file is of this worker alone.
    changes = {_IS_COMPANION: "1", "WORKER_METRICS_PORT": "0", "HEARTBEAT_FILE": ""}
    started = companion.Companion(command, changes)
    started.start()
    _companions.append(started)


@worker_shutting_down.connect
def begin_to_stop_pictures(**_: Any) -> None:
    for started in _companions:
        started.begin_to_stop()


@worker_shutdown.connect
def stop_pictures(**_: Any) -> None:
    for started in _companions:
        started.stop()


@heartbeat_sent.connect
def worker_lives(**_: Any) -> None:
    from foundation.metrics import worker_last_seen

    worker_last_seen.set(time.time())


@worker_shutdown.connect
def write_usage(**_: Any) -> None:
    from foundation.buffers import flush_all

    flush_all()


@beat_init.connect
def watch_beat(**_: Any) -> None:
    before_task_publish.connect(_beat_ticked, weak=False)


def _beat_ticked(**_: Any) -> None:
    from foundation.metrics import beat_last_tick

    beat_last_tick.set(time.time())


@task_prerun.connect
def bind_task(task_id: str, task: Any, **_: Any) -> None:
    """The task's id, and the id of the request that caused it, if its message has one."""
    headers = getattr(task.request, "headers", None) or {}
    caused_by = headers.get(logs.REQUEST_ID_HEADER) or getattr(task.request, logs.REQUEST_ID_HEADER, None)
    fields = {"task_id": task_id, "task": task.name.rpartition(".")[2]}
    if isinstance(caused_by, str) and caused_by:
        fields["request_id"] = caused_by[:64]
    _bound[task_id] = logs.bind(**fields)
    if task.name == _TICK:
        _beat_ticked()  # noted by the worker too: beat may run on a host whose metrics aren't scraped


@task_postrun.connect
def unbind_task(task_id: str, **_: Any) -> None:
    token = _bound.pop(task_id, None)
    if token is not None:
        logs.unbind(token)
