"""Readiness probes: whether the database, the cache and the broker answer.

All probes run at the same time, each with a separate connection, so that a busy pool does not count as an outage.
The caller waits for LIMIT_SECONDS at most. A probe that hangs goes on in its thread, and the next caller waits for the
same one, so that a dead dependency holds one thread per process.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.cache import cache
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import ConnectionHandler
from kombu import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from foundation import redis_urls, statements, threads

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 1.5
ABANDON_AFTER_SECONDS = 30.0
NO_ANSWER = f"no answer within {LIMIT_SECONDS:g} seconds"


class Failing(Exception):
    """Why a probe failed. The text names no host, account or secret."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found. `reason` is None when all is well."""

    reason: str | None
    milliseconds: int


@dataclass(frozen=True, slots=True)
class _Started:
    """A probe that runs, or has run, in its thread. Times are monotonic."""

    at: float
    finding: Future[Finding]

    def wait(self, until: float) -> Finding:
        """What it found; that there is no answer when it is still running at `until`."""
        try:
            return self.finding.result(timeout=max(0.0, until - time.monotonic()))
        except TimeoutError:
            return Finding(NO_ANSWER, _milliseconds_since(self.at))


def _find(probe: Callable[[], None]) -> Finding:
    began = time.monotonic()
    reason: str | None = None
    try:
        probe()
    except Failing as failing:
        reason = str(failing)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the dependency does not work
        logger.warning("readiness probe failed: %s", type(error).__name__)
        reason = "cannot be reached"
    return Finding(reason, _milliseconds_since(began))


def _milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


class Prober:
    """Runs every probe, all at the same time. Kept per process."""

    def __init__(self, probes: Mapping[str, Callable[[], None]]) -> None:
        self._probes = probes
        self._started: dict[str, _Started] = {}
        self._lock = threading.Lock()

    def ask(self) -> dict[str, Finding]:
        """What each probe finds, after LIMIT_SECONDS at most."""
        until = time.monotonic() + LIMIT_SECONDS
        started = {name: self._start(name) for name in self._probes}
        return {name: probe.wait(until) for name, probe in started.items()}

    def _start(self, name: str) -> _Started:
        """A new run of the probe, or the one that is still running."""
        now = time.monotonic()
        with self._lock:
            last = self._started.get(name)
            if last is None or last.finding.done() or now - last.at > ABANDON_AFTER_SECONDS:
                last = self._started[name] = _Started(now, threads.start(_find, self._probes[name]))
            return last


def probe_database() -> None:
    """Raises whatever the driver raises."""
    with _own_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def probe_migrations() -> None:
    """Raises Failing when this release knows migrations that the database does not have."""
    missing = _known_migrations() - _applied_migrations()
    if missing:
        raise Failing(f"{len(missing)} migrations are not applied")


@functools.cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """App and name of each migration in the code."""
    return frozenset(MigrationLoader(None).graph.nodes)


def _applied_migrations() -> set[tuple[str, str]]:
    # By SQL of our own: Django's recorder would ask through this thread's pooled connection.
    table = MigrationRecorder.Migration._meta.db_table
    with _own_connection() as connection, connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return set()
        cursor.execute(f"SELECT app, name FROM {table}")  # noqa: S608 - a name of Django's
        return set(cursor.fetchall())


def probe_cache() -> None:
    """Write and read back. Raises Failing or whatever the driver raises."""
    if settings.REDIS_URL:
        _write_and_read(settings.REDIS_URL)
        return
    key, value = f"probe-{uuid.uuid4().hex}", "x"
    cache.set(key, value, 10)
    found = cache.get(key)
    cache.delete(key)
    if found != value:
        raise Failing("does not keep what is written")


def probe_broker() -> None:
    """Raises Failing or whatever the driver raises."""
    url: str = settings.BROKER_ADDRESS
    scheme = url.partition(":")[0]
    if scheme in {"redis", "rediss", *redis_urls.ENCRYPTED}:
        _write_and_read(url)
    elif scheme == "filesystem":
        _write_to_folder(Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"])))
    else:
        _connect_as_celery_does(url)


def _write_to_folder(folder: Path) -> None:
    probe = folder / f".probe-{uuid.uuid4().hex}"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        raise Failing("the queue's folder cannot be written") from None


def _connect_as_celery_does(url: str) -> None:
    options: dict[str, Any] = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    with Connection(url, connect_timeout=LIMIT_SECONDS, transport_options=options) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)


def _write_and_read(url: str) -> None:
    """A server may answer PING and yet refuse every write: full, or a replica."""
    pool = redis_urls.pool_of(
        url,
        socket_connect_timeout=LIMIT_SECONDS,
        socket_timeout=LIMIT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    client = redis.Redis.from_pool(pool)
    key = f"{settings.NAMESPACE}:probe:{uuid.uuid4().hex}"
    try:
        if not client.set(key, b"x", ex=10) or client.get(key) != b"x":
            raise Failing("does not keep what is written")
        client.delete(key)
    except redis.TimeoutError:
        raise Failing(NO_ANSWER) from None
    except redis.AuthenticationError:
        raise Failing("refuses the sign-in") from None
    except redis.ResponseError:
        raise Failing("refuses to be written") from None
    finally:
        client.close()


@contextmanager
def _own_connection() -> Iterator[BaseDatabaseWrapper]:
    """A connection outside the pool, closed at the end. Its statements have LIMIT_SECONDS."""
    database: dict[str, Any] = dict(settings.DATABASES["default"])
    options: dict[str, Any] = dict(database.get("OPTIONS", {}))
    options.pop("pool", None)
    if database["ENGINE"] == "foundation.postgresql":
        options |= {"connect_timeout": 2, "tcp_user_timeout": 2_000}
    handler = ConnectionHandler({"default": {**database, "OPTIONS": options, "IS_PROBE": True}})
    with statements.limited_to(LIMIT_SECONDS), closing(handler["default"]) as connection:
        yield connection
