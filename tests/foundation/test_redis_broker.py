"""The broker in Redis: one client serves all messages, and a new one is made after a fault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis
from kombu import Connection

from tests.marks import needs_redis

pytestmark = needs_redis


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The clients that were made."""
    clients: list[Any] = []
    real = redis.Redis.__init__

    def counted(self: Any, *arguments: Any, **options: Any) -> None:
        clients.append(self)
        real(self, *arguments, **options)

    monkeypatch.setattr(redis.Redis, "__init__", counted)
    return clients


@pytest.fixture
def broker() -> Iterator[Connection]:
    with Connection(
        os.environ["REDIS_URL"],
        transport="foundation.redis_broker:Transport",
        transport_options={"global_keyprefix": f"test-{uuid4()}:"},
    ) as connection:
        yield connection


def test_messages_are_delivered_and_confirmed_by_one_client(broker: Connection, made: list[Any]) -> None:
    queue = broker.SimpleQueue("celery")
    for number in range(20):
        queue.put({"number": number})
    messages = [queue.get(timeout=5) for _ in range(20)]
    assert [message.payload["number"] for message in messages] == list(range(20))
    for message in messages:
        message.ack()
    channel = queue.channel
    assert channel._size("celery") == 0
    assert channel.client.zcard(channel.unacked_index_key) == 0
    assert len(made) < 10
    queue.close()


def test_a_new_pool_gets_a_new_client(broker: Connection) -> None:
    channel: Any = broker.default_channel
    with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
        assert first is second
    channel._pool = None
    with channel.conn_or_acquire() as third:
        assert third is not first
        assert third.connection_pool is channel.pool
