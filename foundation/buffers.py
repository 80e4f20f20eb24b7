"""Values that requests note in memory, and that a thread writes to the database every few seconds.

Requests never wait for the database. A killed process loses the values of its last seconds; an orderly shutdown writes
them with `flush_all`.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import IntegrityError

from foundation import faults, threads

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=tuple[Any, ...])
Value = TypeVar("Value")

MAX_KEYS_HELD = 50_000  # while the database is away; beyond it, values with new keys are dropped


class Buffer(Generic[Key, Value]):
    """Values of this process that are not yet written. Those with equal keys are merged.

    `write` stores one value, in its own transaction. An IntegrityError drops the value: what it belongs to is being
    deleted.
    """

    def __init__(
        self, name: str, *, merge: Callable[[Value, Value], Value], write: Callable[[Key, Value], None]
    ) -> None:
        self._name = name
        self._merge = merge
        self._write = write
        self._held: dict[Key, Value] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def note(self, key: Key, value: Value) -> None:
        self._add(key, value)
        if _writer.ensure_started():
            atexit.register(threads.run, flush_all)

    def flush(self) -> None:
        """Write the values. Those that can't be written now are kept for later."""
        with self._writing:
            with self._lock:
                held, self._held = self._held, {}
            # Sorted, so that two processes update the rows in the same order and can't deadlock.
            for place, key in enumerate(sorted(held)):
                try:
                    self._write(key, held[key])
                except IntegrityError:
                    continue
                except faults.DRIVER_ERRORS as error:
                    logger.warning("%s not written yet: %s", self._name, type(error).__name__)
                    for unwritten in sorted(held)[place:]:
                        self._add(unwritten, held[unwritten])
                    return

    def clear(self) -> None:
        """Forget the values."""
        with self._lock:
            self._held = {}

    def _add(self, key: Key, value: Value) -> None:
        with self._lock:
            if key in self._held:
                self._held[key] = self._merge(self._held[key], value)
            elif len(self._held) < MAX_KEYS_HELD:
                self._held[key] = value


# Not flush_all itself, which is defined below.
_writer = threads.Repeater(lambda: flush_all(), seconds=lambda: settings.USAGE_FLUSH_SECONDS, name="buffers")
_preparations: list[Callable[[], object]] = []
_buffers: list[Buffer[Any, Any]] = []


def registered(buffer: Buffer[Key, Value]) -> Buffer[Key, Value]:
    """Have the buffer written every few seconds and at shutdown."""
    _buffers.append(buffer)
    return buffer


def before_writing(prepare: Callable[[], object]) -> None:
    """Call `prepare` before each writing. It notes what was counted elsewhere."""
    _preparations.append(prepare)


def flush_all() -> None:
    """Write what this process has noted and not yet written."""
    for prepare in _preparations:
        try:
            prepare()
        except Exception as error:  # noqa: BLE001 - as below
            logger.error("not counted: %s", type(error).__name__)
    for buffer in _buffers:
        try:
            buffer.flush()
        except Exception as error:  # noqa: BLE001 - a bug here may cost numbers, never the thread
            logger.error("%s not written: %s", buffer._name, type(error).__name__)
