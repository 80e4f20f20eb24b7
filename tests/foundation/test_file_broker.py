"""The broker by files: a message is never seen half written."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from foundation import file_broker

MESSAGE = {"id": "6f1c2f0e", "text": "x" * 50_000}


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return Connection(
        transport="foundation.file_broker:Transport",
        transport_options={
            "data_folder_in": str(tmp_path / "queue"),
            "data_folder_out": str(tmp_path / "queue"),
            "control_folder": str(tmp_path / "control"),
        },
    )


def test_a_message_is_delivered(broker: Connection) -> None:
    queue = broker.SimpleQueue("celery")
    queue.put(MESSAGE)

    assert queue.get(timeout=5).payload == MESSAGE
    assert broker.default_channel._size("celery") == 0


def test_a_reader_sees_no_half_written_message(
    broker: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker looks for messages at each step of writing one."""
    seen: list[list[str]] = []

    def look(*arguments: Any) -> None:
        seen.append([name for name in os.listdir(tmp_path / "queue") if name.endswith(".msg")])
        real_replace(*arguments)

    real_replace = os.replace
    monkeypatch.setattr(file_broker.os, "replace", look)
    broker.default_channel._put("celery", MESSAGE)

    assert seen == [[]]
    assert [name.endswith(".celery.msg") for name in os.listdir(tmp_path / "queue")] == [True]


def test_concurrent_readers_and_writers_lose_and_break_nothing(broker: Connection) -> None:
    channel, found, number = broker.default_channel, [], 200

    def write() -> None:
        for _ in range(number):
            broker.default_channel._put("celery", MESSAGE)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive() or channel._size("celery"):
        if channel._size("celery"):
            found.append(channel._get("celery"))
    writer.join()

    assert found == [MESSAGE] * number


def test_binding_a_queue_keeps_the_bindings_of_others(broker: Connection) -> None:
    channel = broker.default_channel
    for queue in ("first", "second", "first"):
        channel._queue_bind("exchange", "key", "", queue)

    assert {bound.queue for bound in channel.get_table("exchange")} == {"first", "second"}
