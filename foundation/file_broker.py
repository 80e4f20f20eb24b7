"""Celery's filesystem transport, for a broker without a server, with messages that appear complete.

kombu creates a message's file, locks it and then writes it. A worker that finds the file in between reads no JSON, and
ends with an error. Here a file gets its name after it was written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        write_whole(Path(self.data_folder_out) / name, dumps(payload))

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None
    ) -> None:
        table: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]
        if not table.exists():
            self.control_folder.mkdir(exist_ok=True)
            write_whole(table, "[]", replace=False)
        super()._queue_bind(exchange, routing_key, pattern, queue)  # type: ignore[arg-type]


class Transport(filesystem.Transport):
    Channel = Channel


def write_whole(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file that no reader sees half written. With `replace` False an existing file stays as it is."""
    # The name has none of the endings that the transport looks for.
    descriptor, written = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        if replace:
            os.replace(written, path)
            return
        try:
            os.link(written, path)
        except FileExistsError:
            return
    finally:
        Path(written).unlink(missing_ok=True)
