"""The heartbeat file of workers and beat, if HEARTBEAT_FILE names one."""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.signals import beat_init, before_task_publish, worker_init

from foundation import heartbeat

heart = heartbeat.Heartbeat()


@worker_init.connect
@beat_init.connect
def start_heartbeat(**_: Any) -> None:
    from django.conf import settings

    if settings.HEARTBEAT_FILE:
        heart.start(settings.HEARTBEAT_FILE)


@beat_init.connect
def watch_beat(**_: Any) -> None:
    """Beat tries to send a message at least every 15 seconds, also while the broker is away."""
    before_task_publish.connect(_beat_tries_to_send, weak=False)


def _beat_tries_to_send(**_: Any) -> None:
    heart.beat()


class ConsumerBeats(bootsteps.StartStopStep):
    """A worker's loop runs timers while it is connected. Before that, and after, it waits for the broker.

    It starts as the last step before the loop, because each step before it may wait for the broker.
    """

    requires = ("celery.worker.consumer.control:Control", "celery.worker.consumer.heart:Heart")

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        heart.beat()
        self._timer = parent.timer.call_repeatedly(heartbeat.TOUCH_SECONDS, heart.beat)

    def stop(self, parent: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        heart.wait()
