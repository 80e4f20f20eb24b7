"""Sends refreshes and copies of pictures to the workers without waiting for the broker.

A reader puts the feed's id into an in-process queue, and one thread sends it to the broker. Messages may get lost: beat
finds the feeds that are due.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any
from uuid import UUID

from celery import Celery, current_app
from django.core.cache import cache

from foundation import logs, threads

logger = logging.getLogger(__name__)

# Sent by name: the tasks are above this package.
REFRESH_FEED_TASK = "paris_integration.tasks.refresh_feed"
REFRESH_FEEDS_TASK = "paris_integration.tasks.refresh_feeds"
COPY_PICTURES_TASK = "paris_integration.tasks.copy_pictures"
ASK_AGAIN_SECONDS = 5.0
QUEUE_LENGTH = 1_000


class Dispatcher:
    """Sends each feed at most once per `ASK_AGAIN_SECONDS`: over all processes if the cache works, else per process."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[str, UUID, str]] = queue.Queue(maxsize=QUEUE_LENGTH)
        self._asked: dict[UUID, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def request_refresh(self, feed_id: UUID) -> None:
        """Ask the worker to refresh this feed if it is due. Never blocks."""
        if self._is_news(feed_id):
            self._send_soon(REFRESH_FEED_TASK, feed_id)

    def request_copies(self, feed_id: UUID) -> None:
        """Ask the worker to copy this feed's pictures. Never blocks. Call it once the feed is due for that."""
        self._send_soon(COPY_PICTURES_TASK, feed_id)

    def _send_soon(self, task: str, feed_id: UUID) -> None:
        try:
            self._waiting.put_nowait((task, feed_id, logs.current_request_id()))
        except queue.Full:
            return  # the broker is stuck; beat finds the feed
        self._ensure_thread()

    def _is_news(self, feed_id: UUID) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._asked.get(feed_id, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
                return False
            # Bounds the memory. Clearing early only means that a feed may be sent twice.
            if len(self._asked) > 10 * QUEUE_LENGTH:
                self._asked.clear()
            self._asked[feed_id] = now
        return cache.add(f"paris:asked:v1:{feed_id}", 1, timeout=int(ASK_AGAIN_SECONDS))

    def _ensure_thread(self) -> None:
        with self._lock:
            # Started on first use: a thread started before the web server forks would not exist in its children.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threads.repeat(self._send_next, name="refresh-dispatch")

    def _send_next(self) -> None:
        task, feed_id, request_id = self._waiting.get()
        try:
            current_app.send_task(
                task,
                args=(str(feed_id),),
                retry=False,
                expires=60,
                headers={logs.REQUEST_ID_HEADER: request_id},
            )
        except Exception as error:  # noqa: BLE001 - kombu raises what its transports raise
            logger.warning("%s not sent to the worker: %s", task.rpartition(".")[2], type(error).__name__)


dispatcher = Dispatcher()


def count_waiting(queue_name: str, *, app: Celery = current_app) -> int | None:
    """How many messages of this queue no worker has taken yet; None if the broker doesn't tell."""
    try:
        with app.connection_for_write() as connection:
            channel: Any = connection.channel()
            # Only asks, but kombu's other transports don't find a queue whose keys have a prefix. They create nothing.
            is_passive = connection.transport.driver_type == "amqp"
            return int(channel.queue_declare(queue_name, passive=is_passive).message_count)
    except Exception as error:  # noqa: BLE001 - kombu raises what its transports raise
        logger.warning("length of the queue %s unknown: %s", queue_name, type(error).__name__)
        return None
