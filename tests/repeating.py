"""Work that is repeated in a thread beside what a test does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(act: Callable[[], object], *, every_seconds: float) -> Iterator[None]:
    """Call `act` again and again, the first time after `every_seconds`."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(every_seconds):
            act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
