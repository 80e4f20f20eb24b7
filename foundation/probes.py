"""Whether what a process leans on answers: each asked apart, all at once, and nobody waited for too long.

A probe opens a connection of its own, so that a pool busy with readers does not count as an outage. One that hangs
goes on in its thread while the caller is told "no answer"; the next caller waits for the same thread instead of
starting another, so that a dead dependency holds one thread per process and not one per question.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
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

from foundation import statements, threads

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 1.5
ABANDON_AFTER_SECONDS = 30.0
NO_ANSWER = f"no answer within {LIMIT_SECONDS:g} seconds"


class Failing(Exception):
    """Why a probe failed, in words that name no host, account or secret."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found. `reason` is None when all is well."""

    reason: str | None
    milliseconds: int


class _Flight:
    def __init__(self, probe: Callable[[], None]) -> None:
        self.began = time.monotonic()
        self.finding: Finding | None = None
        self._done = threading.Event()
        threads.start(self._probe, probe)

    def _probe(self, probe: Callable[[], None]) -> None:
        reason: str | None = None
        try:
            probe()
        except Failing as failing:
            reason = str(failing)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the answer is "it does not work"
            logger.warning("readiness probe failed: %s", type(error).__name__)
            reason = "cannot be reached"
        self.finding = Finding(reason, round((time.monotonic() - self.began) * 1000))
        self._done.set()

    def wait(self, until: float) -> Finding:
        """What was found, or that there is no answer; never later than `until` on the monotonic clock."""
        self._done.wait(max(0.0, until - time.monotonic()))
        return self.finding or Finding(NO_ANSWER, round((time.monotonic() - self.began) * 1000))


class Prober:
    """Asks every probe in parallel. Kept per process."""

    def __init__(self, probes: Mapping[str, Callable[[], None]]) -> None:
        self._probes = probes
        self._flights: dict[str, _Flight] = {}
        self._lock = threading.Lock()

    def ask(self) -> dict[str, Finding]:
        """What each probe finds, within LIMIT_SECONDS in all."""
        until = time.monotonic() + LIMIT_SECONDS
        flights = {name: self._flight(name) for name in self._probes}
        return {name: flight.wait(until) for name, flight in flights.items()}

    def _flight(self, name: str) -> _Flight:
        with self._lock:
            flight = self._flights.get(name)
            hangs = flight is not None and flight.finding is None
            if flight is None or not hangs or time.monotonic() - flight.began > ABANDON_AFTER_SECONDS:
                flight = self._flights[name] = _Flight(self._probes[name])
            return flight


def probe_database() -> None:
    """Raises whatever the driver raises."""
    with _OwnConnection() as connection, connection.cursor() as cursor:
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
    with _OwnConnection() as connection, connection.cursor() as cursor:
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
    url: str = settings.CELERY_BROKER_URL
    scheme = url.partition(":")[0]
    if scheme in {"redis", "rediss"}:
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
    client = redis.Redis.from_url(
        url,
        socket_connect_timeout=LIMIT_SECONDS,
        socket_timeout=LIMIT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
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


class _OwnConnection:
    """A connection outside the pool, closed at the end, whose statements are given up with the probe."""

    def __enter__(self) -> BaseDatabaseWrapper:
        self._limit = statements.limited_to(LIMIT_SECONDS)
        self._limit.__enter__()
        database: dict[str, Any] = dict(settings.DATABASES["default"])
        options: dict[str, Any] = dict(database.get("OPTIONS", {}))
        if options.pop("pool", None) is not None:
            options |= {"connect_timeout": 2, "tcp_user_timeout": 2_000}
        self._connection: BaseDatabaseWrapper = ConnectionHandler(
            {"default": {**database, "OPTIONS": options}}
        )["default"]
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._limit.__exit__(None, None, None)
        self._connection.close()
