"""How many messages wait for a worker: asked of the broker, which may not answer."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import Celery

from config import celery_app
from paris_integration.feeds.dispatch import count_waiting


@pytest.fixture
def queue_name() -> Iterator[str]:
    """The name of a new queue. It is emptied afterwards."""
    name = f"test-{uuid4().hex}"
    yield name
    with celery_app.connection_for_write() as connection, connection.channel() as channel:
        channel.queue_delete(name)


@pytest.mark.both_legs  # on files, and on Redis
def test_messages_that_no_worker_has_taken_are_counted(queue_name: str) -> None:
    assert count_waiting(queue_name) == 0
    for _ in range(3):
        celery_app.send_task("no.such.task", queue=queue_name, retry=False)
    assert count_waiting(queue_name) == 3


def test_a_broker_that_is_away_does_not_tell(caplog: pytest.LogCaptureFixture) -> None:
    away = Celery(broker="redis://:canary@127.0.0.1:1/0", set_as_current=False)
    away.conf.broker_connection_timeout = 1

    assert count_waiting("refreshes", app=away) is None
    assert "length of the queue refreshes unknown" in caplog.text
    assert "canary" not in caplog.text
