"""Threads of our own, and the database connections that work takes: each goes back, whatever happens.

Django gives a connection back at the end of a request. A thread outside of requests has to do it by itself, and one
that forgets takes the connection with it when it ends. So product code starts its threads here and nowhere else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any, ParamSpec, TypeVar

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
    """What the block does waits for others. A share of the database connections is kept from it."""
    token = _waits.set(True)
    try:
        yield
    finally:
        _waits.reset(token)


def give_back() -> None:
    """Give this thread's database connections back before a wait. Inside a transaction they have to stay."""
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
    work: Callable[Parameters, object], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> threading.Thread:
    """Run `work` in a daemon thread named after it, whose log lines name the request that started it."""
    target = copy_context().run
    name = getattr(work, "__name__", "work").strip("_").replace("_", "-")
    thread = threading.Thread(target=target, args=(run, work, *args), kwargs=kwargs, daemon=True, name=name)
    thread.start()
    return thread


def repeat(step: Callable[[], object], *, name: str) -> threading.Thread:
    """Run `step` again and again in a daemon thread, until it raises or the process ends."""

    def loop() -> None:
        while True:
            run(step)

    thread = threading.Thread(target=loop, daemon=True, name=name)
    thread.start()
    return thread


class Executor(ThreadPoolExecutor):
    """A pool of threads. Each job runs in the context of its caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(copy_context().run, partial(run, fn, *args, **kwargs))


class ThreadPerRequest(ThreadingMixIn):
    """For a `socketserver` server: a daemon thread for each request."""

    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        run(super().process_request_thread, request, client_address)


def _close(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.close()
    except Exception as error:  # noqa: BLE001 - a driver that cannot even close must not hide how the work ended
        logger.warning("database connection not closed: %s", type(error).__name__)
