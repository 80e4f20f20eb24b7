"""Work in threads. The database connections that it takes go back, however it ends.

Django gives a connection back at the end of a request. A thread outside of requests has to do so itself: if it ends
with a connection, the pool loses this connection for good. So code that may use the database starts its threads here.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_waits: ContextVar[bool] = ContextVar("waiting_work", default=False)


def is_waiting_work() -> bool:
    """Whether this is work that waits for the provider, or for others who do; readers wait for none of it."""
    return _waits.get()


@contextmanager
def waiting_work() -> Iterator[None]:
    """The work of the block waits for others. It can't use all of the database connections."""
    token = _waits.set(True)
    try:
        yield
    finally:
        _waits.reset(token)


def give_back() -> None:
    """Give this thread's database connections back before a wait. Inside a transaction they stay."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            _close(connection)


def run(work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    """The result of `work`. Afterwards this thread holds no database connection, however the work ended."""
    try:
        with waiting_work():
            return work(*args, **kwargs)
    finally:
        for connection in connections.all(initialized_only=True):
            _close(connection)


def start(
    work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Future[Result]:
    """Run `work` in a daemon thread, in the caller's context: its log lines name the request that started it.

    An exception is logged here, and raised again by the future's `result()`.
    """
    future: Future[Result] = Future()
    name = _name_of(work)

    def job() -> None:
        try:
            future.set_result(run(work, *args, **kwargs))
        except BaseException as error:
            logger.exception("work in a thread failed: %s", name)
            future.set_exception(error)

    _start_daemon(partial(copy_context().run, job), name)
    return future


def repeat(step: Callable[[], object], *, name: str) -> threading.Thread:
    """Run `step` again and again in a daemon thread, until it raises or the process ends."""

    def loop() -> None:
        while True:
            run(step)

    return _start_daemon(loop, name)


class Repeater:
    """Calls `step` every `seconds` in a daemon thread of each process that asks for it: a fork inherits no threads.

    An exception of `step` is logged, and the thread goes on. None while USAGE_FLUSH_SECONDS is 0.
    """

    def __init__(self, step: Callable[[], object], *, seconds: Callable[[], float], name: str) -> None:
        self._step, self._seconds, self._name = step, seconds, name
        self._lock = threading.Lock()
        self._process_id = 0

    def ensure_started(self) -> bool:
        """Whether this call started the thread."""
        if self._process_id == os.getpid() or not settings.USAGE_FLUSH_SECONDS:
            return False
        with self._lock:
            if self._process_id == os.getpid():
                return False
            self._process_id = os.getpid()
        repeat(self._step_later, name=self._name)
        return True

    def _step_later(self) -> None:
        time.sleep(self._seconds())
        try:
            self._step()
        except Exception:  # whatever fails once, the next step must be made
            logger.exception("work in a thread failed: %s", self._name)


class Queue:
    """Runs work in at most `places` daemon threads, which end when nothing is left. Each job runs in its context."""

    def __init__(self, *, places: int) -> None:
        self._places, self._working = places, 0
        self._lock = threading.Lock()
        self._jobs: deque[Callable[[], object]] = deque()

    def add(
        self, work: Callable[Parameters, object], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> None:
        """Run `work` later, in the caller's context. An exception is logged."""

        def job() -> None:
            try:
                with waiting_work():
                    work(*args, **kwargs)
            except BaseException:
                logger.exception("work in a thread failed: %s", _name_of(work))

        with self._lock:
            self._jobs.append(partial(copy_context().run, job))
            if self._working == self._places:
                return
            self._working += 1
        try:
            start(self._work_off)
        except RuntimeError:  # the process can't have more threads
            with self._lock:
                self._working -= 1
            raise

    def _work_off(self) -> None:
        while (job := self._next()) is not None:
            job()
            give_back()

    def _next(self) -> Callable[[], object] | None:
        with self._lock:
            if self._jobs:
                return self._jobs.popleft()
            self._working -= 1
            return None


class Executor(ThreadPoolExecutor):
    """A pool of threads. Each job runs in the context of its caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(copy_context().run, partial(run, fn, *args, **kwargs))


def _name_of(work: Callable[..., object]) -> str:
    return str(getattr(work, "__name__", "work")).strip("_").replace("_", "-")


def _start_daemon(target: Callable[[], object], name: str) -> threading.Thread:
    """Not by an executor: the end of the process would wait for work that hangs."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _close(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.close()
    except Exception as error:  # noqa: BLE001 - a failing close must not hide how the work ended
        logger.warning("database connection not closed: %s", type(error).__name__)
