"""The cache, whose faults and losses never fail a request.

`ResilientRedisCache` turns every Redis fault into a miss and then doesn't ask Redis for a few seconds: a server that
hangs costs one request a short time-out, not every request. `remember` caches values read from the database,
checks them against the database again at short intervals, and serves the old ones while the database is away. Values
are dataclasses or msgspec structs; msgspec turns them into JSON and, checking every type, back.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, cast

import msgspec
import redis
from django.core.cache import cache, caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.retry import Retry

from foundation import faults, redis_urls, statements, threads
from foundation.metrics import cache_requests

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

# For the fields of remembered values: a copy whose time has no offset counts as unreadable.
AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


class Breaker:
    """Open after a fault for `open_seconds`; then one caller at a time may try again. Kept per process.

    Times are monotonic: they never leave the process.
    """

    def __init__(self, open_seconds: float) -> None:
        self._open_seconds = open_seconds
        self._retry_at = 0.0
        self._trial: threading.Event | None = None
        self._lock = threading.Lock()
        self.last_success_at_monotonic = 0.0

    @property
    def is_open(self) -> bool:
        return self._retry_at != 0.0

    def allows(self, *, patience_seconds: float = 0.0) -> bool:
        """Whether to ask the store. While another caller tries it, wait for the result, at most `patience_seconds`."""
        if self._retry_at == 0.0:
            return True
        with self._lock:
            now = time.monotonic()
            if now >= self._retry_at:
                self._retry_at = now + self._open_seconds  # this caller tries
                self._trial = threading.Event()
                return True
            trial = self._trial
        if trial is not None and patience_seconds:
            trial.wait(patience_seconds)
        return self._retry_at == 0.0

    def fault(self) -> bool:
        """Note a fault; True when the breaker was closed until now."""
        with self._lock:
            was_closed = self._retry_at == 0.0
            self._retry_at = time.monotonic() + self._open_seconds
            self._end_trial()
            return was_closed

    def success(self) -> None:
        self.last_success_at_monotonic = time.monotonic()
        if self._retry_at:
            with self._lock:
                self._retry_at = 0.0
                self._end_trial()

    def _end_trial(self) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.set()


redis_breaker = Breaker(open_seconds=2.0)
database_breaker = Breaker(open_seconds=1.0)


class _Doubts:
    """What this process knows about values in Redis that may be out of date after a fault.

    While Redis is away, other processes may have changed what is cached there. So values from before a fault are
    checked against the database again. Deletions that failed are repeated.
    """

    def __init__(self) -> None:
        self.trusted_from_seconds = float("-inf")  # since the epoch, as the times in the values
        self.unforgotten: set[str] = set()
        self._lock = threading.Lock()

    def begin(self) -> None:
        self.trusted_from_seconds = time.time()

    def note_unforgotten(self, keys: Sequence[str]) -> None:
        with self._lock:
            if len(self.unforgotten) + len(keys) <= MAX_UNFORGOTTEN:  # beyond it, the re-check must do
                self.unforgotten.update(keys)

    def clear(self) -> None:
        self.trusted_from_seconds, self.unforgotten = float("-inf"), set()

    def take_unforgotten(self) -> list[str]:
        with self._lock:
            taken, self.unforgotten = list(self.unforgotten), set()
            return taken


MAX_UNFORGOTTEN = 10_000
doubts = _Doubts()


class JsonSerializer:
    """JSON in Redis. Django's own serializer unpickles, which would run code that another client wrote there."""

    def dumps(self, value: object) -> bytes:
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")

    def loads(self, data: bytes) -> Any:
        """None, which is a miss, for anything that is not JSON, such as the pickles of earlier releases."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return None


class ReusedClient(RedisCacheClient):
    """Django's client creates a `Redis` object for every command, which takes longer than the command itself."""

    _pools: dict[int, redis.ConnectionPool]
    _servers: list[str]
    _pool_options: dict[str, Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._clients: dict[int, redis.Redis] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> redis.Redis:
        index: int = self._get_connection_pool_index(write)  # type: ignore[attr-defined]
        if index not in self._clients:
            self._clients[index] = super().get_client(key, write=write)
        return self._clients[index]

    def _get_connection_pool(self, write: bool) -> redis.ConnectionPool:
        index: int = self._get_connection_pool_index(write)  # type: ignore[attr-defined]
        if index not in self._pools:
            self._pools[index] = redis_urls.pool_of(
                self._servers[index],
                # Replication is asynchronous: a new primary may not know the last deletions.
                on_new_primary=doubts.begin,
                **self._pool_options,
            )
        return self._pools[index]


class ResilientFileCache(FileBasedCache):
    """Django's cache in files, whose faults are misses: a full disk, a damaged file, a folder that can't be read."""

    def _guarded(self, call: Callable[[], Any], fallback: Any) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - what a damaged file raises depends on the damage
            doubts.begin()  # a deletion may have failed
            logger.warning("cache file unusable, going on without it: %s", type(error).__name__)
            return fallback

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return self._guarded(lambda: super(ResilientFileCache, self).get(key, default, version), default)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> None:
        self._guarded(lambda: super(ResilientFileCache, self).set(key, value, timeout, version), None)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        """False means that the key exists. True if the file can't be read."""
        return bool(
            self._guarded(lambda: super(ResilientFileCache, self).add(key, value, timeout, version), True)
        )

    def delete(self, key: Any, version: Any = None) -> bool:
        return bool(self._guarded(lambda: super(ResilientFileCache, self).delete(key, version), False))


class ResilientRedisCache(RedisCache):
    """Django's Redis cache, whose faults are misses. redis-py's own retries are off: they would multiply a time-out."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = dict(params.get("OPTIONS", {}))
        options["retry"] = Retry(NoBackoff(), 0)
        options["serializer"] = JsonSerializer
        # As a list: Django would split a text at commas, which separate Sentinels.
        super().__init__([server], {**params, "OPTIONS": options})
        self._class = ReusedClient

    def _guarded(self, call: Callable[[], Any], fallback: Any) -> Any:
        if not redis_breaker.allows():
            return fallback
        try:
            result = call()
        except (redis.RedisError, OSError) as error:
            doubts.begin()
            if redis_breaker.fault():
                logger.warning("cache unavailable, going on without it: %s", type(error).__name__)
            return fallback
        redis_breaker.success()
        if doubts.unforgotten:
            self._forget_again()
        return result

    def _forget_again(self) -> None:
        """Delete what could not be deleted during a fault."""
        self.delete_many(doubts.take_unforgotten())

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        found = self._guarded(lambda: super(ResilientRedisCache, self).get(key, default, version), default)
        return default if found is None else found

    def get_many(self, keys: Any, version: Any = None) -> dict[Any, Any]:
        found = self._guarded(lambda: super(ResilientRedisCache, self).get_many(keys, version), {})
        return {key: value for key, value in found.items() if value is not None}

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> None:
        self._guarded(lambda: super(ResilientRedisCache, self).set(key, value, timeout, version), None)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        """False means that the key exists. True without Redis, where no key is known to exist."""
        return bool(
            self._guarded(lambda: super(ResilientRedisCache, self).add(key, value, timeout, version), True)
        )

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        return bool(
            self._guarded(lambda: super(ResilientRedisCache, self).touch(key, timeout, version), False)
        )

    def delete(self, key: Any, version: Any = None) -> bool:
        return bool(self._guarded(lambda: super(ResilientRedisCache, self).delete(key, version), False))

    def delete_many(self, keys: Any, version: Any = None) -> None:
        keys = list(keys)

        def call() -> bool:
            super(ResilientRedisCache, self).delete_many(keys, version)
            return True

        if not self._guarded(call, False):
            doubts.note_unforgotten(keys)

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        return int(self._guarded(lambda: super(ResilientRedisCache, self).incr(key, delta, version), delta))

    def get_starts(self, keys: Sequence[str], length: int) -> list[bytes]:
        """The first bytes under these keys, as Redis has them, in one round trip. Without Redis: none."""

        def call() -> list[bytes]:
            made = [self.make_key(key) for key in keys]
            with self._cache.get_client(made[0]).pipeline(transaction=False) as pipeline:
                for key in made:
                    pipeline.getrange(key, 0, length - 1)
                return cast("list[bytes]", pipeline.execute())

        return cast("list[bytes]", self._guarded(call, [b""] * len(keys)))

    def raise_counts(self, counts: Mapping[str, int], timeout_seconds: int) -> list[int] | None:
        """Add to each key in a single round trip; the new counts, None without Redis."""

        def call() -> list[int]:
            made = [self.make_and_validate_key(key) for key in counts]
            with self._cache.get_client(made[0], write=True).pipeline(transaction=False) as pipeline:
                for key, number in zip(made, counts.values(), strict=True):
                    pipeline.incrby(key, number)
                for key in made:
                    pipeline.expire(key, timeout_seconds)
                return [int(count) for count in pipeline.execute()[: len(made)]]

        return cast("list[int] | None", self._guarded(call, None))


RECHECK_AFTER_SECONDS = 30.0
RECHECK_SECONDS = 0.8  # how long a reader that has a copy waits for the database
# When the values of answers in use are checked in the background. Spread, so that values that were loaded together, or
# that two processes use, aren't all checked at once.
CHECK_AHEAD_SECONDS = (18.0, 27.0)


class StoreAway(Exception):
    """The database doesn't answer, and there is no copy in the cache."""


class Mark(NamedTuple):
    """What distinguishes a cached value from others under its key, and when it was last read from the database."""

    digest: str
    checked_at_seconds: float  # since the epoch


@dataclass(frozen=True, slots=True)
class Origin(Generic[Value]):
    """Where a cached value comes from. `load` reads it from the database.

    `is_outdated`: whether it was changed in the meantime, or what it is about deleted. Asked after it was cached.
    """

    load: Callable[[], Value]
    is_outdated: Callable[[Value], bool] | None = None


class Lookups:
    """Which cached values a block used. While the cache holds the same ones, and they needn't be checked against the
    database again, the block would find the same.
    """

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._origins: dict[str, Origin[Any]] = {}
        self._checked_at_seconds: dict[str, float] = {}
        self._is_whole = True
        self._ahead_seconds = random.uniform(*CHECK_AHEAD_SECONDS)  # noqa: S311 - no secret

    @property
    def keys(self) -> Collection[str]:
        """No keys if the block found something that isn't in the cache."""
        return self._digests.keys() if self._is_whole else ()

    def note(self, key: str, digest: str, origin: Origin[Any], checked_at_seconds: float) -> None:
        self._digests[key], self._origins[key] = digest, origin
        self._checked_at_seconds[key] = checked_at_seconds

    def note_load(self) -> None:
        """A value isn't in the cache, or is out of date there."""
        self._is_whole = False

    def are_same(self, found: Mapping[str, Mark], *, now_seconds: float) -> bool:
        """Whether the cache still has the same values, according to what `find_marks` found."""
        return bool(self.keys) and all(
            (mark := found.get(key)) is not None
            and mark.digest == digest
            and is_checked(mark.checked_at_seconds, now_seconds)
            for key, digest in self._digests.items()
        )

    def note_checks(self, found: Mapping[str, Mark]) -> None:
        """Note when the values were last checked, by whichever process, according to what `find_marks` found."""
        self._checked_at_seconds.update({key: found[key].checked_at_seconds for key in self.keys})

    def due_for_check(self, now_seconds: float) -> dict[str, Origin[Any]]:
        """The values that `check_again` should check soon, by key."""
        before = now_seconds - self._ahead_seconds
        return {key: self._origins[key] for key in self.keys if self._checked_at_seconds[key] < before}


_lookups: ContextVar[Lookups | None] = ContextVar("cache_lookups", default=None)


@contextmanager
def noting(lookups: Lookups) -> Iterator[None]:
    """Note in `lookups` what `remember` finds in the block."""
    token = _lookups.set(lookups)
    try:
        yield
    finally:
        _lookups.reset(token)


_MARK_BYTES = 100
_MARKS_AT_ONCE = 500
_MARK = re.compile(r'\A"?\{\\?"digest\\?":\\?"([0-9a-f]+)\\?",\\?"checked_at\\?":([0-9.e+]+),')


def find_marks(keys: Iterable[str]) -> dict[str, Mark]:
    """The marks of what the cache holds under these keys. Without the cache: none."""
    keys = list(keys)
    backend = caches["default"]  # not `cache`, which is a proxy that hides its class
    starts: dict[str, str] = {}
    if isinstance(backend, ResilientRedisCache):
        for first in range(0, len(keys), _MARKS_AT_ONCE):
            some = keys[first : first + _MARKS_AT_ONCE]
            found = backend.get_starts(some, _MARK_BYTES)
            starts |= zip(some, (start.decode("ascii", "replace") for start in found), strict=True)
    else:
        starts = {key: str(value) for key, value in backend.get_many(keys).items()}
    matches = ((key, _MARK.match(start)) for key, start in starts.items())
    return {key: Mark(match[1], float(match[2])) for key, match in matches if match}


class _Copy(msgspec.Struct, Generic[Value], kw_only=True):
    """What is cached under a key. `_MARK` finds the first two fields without reading the value."""

    digest: str = ""  # of the encoded value; previous releases wrote none
    checked_at: float  # seconds since the epoch
    value: Value


_describing_a_type = threading.Lock()


@functools.cache
def _decoder_of(kind: object) -> msgspec.json.Decoder[_Copy[Any]]:
    # msgspec keeps an unfinished description of a type where other threads find it: decoding with it is a segmentation
    # fault. Types that are decoded elsewhere are described when their module is imported.
    with _describing_a_type:
        return msgspec.json.Decoder(_Copy[kind])  # type: ignore[valid-type]


def guarded_load(load: Callable[[], Value], *, patience_seconds: float = RECHECK_SECONDS) -> Value:
    """`load()`. Raises StoreAway when the database is away, at once for a second after the first such fault.

    Then one caller tries again, and the others wait for its result: `patience_seconds`, 0 for callers that can do
    without the value.
    """
    if not database_breaker.allows(patience_seconds=patience_seconds):
        raise StoreAway
    try:
        value = load()
    except faults.DRIVER_ERRORS as error:
        if not faults.is_store_fault(error):
            raise
        threads.give_back()
        if faults.is_away(error) and database_breaker.fault():
            logger.warning("database unavailable: %s", type(error).__name__)
        raise StoreAway from error
    database_breaker.success()
    return value


def remember(
    key: str,
    load: Callable[[], Value],
    kind: type[Any],
    *,
    is_outdated: Callable[[Value], bool] | None = None,
    now_seconds: float | None = None,
) -> Value:
    """The value under `key`, from the cache while it was checked against the database in the last 30 seconds.

    `load` reads the value, of type `kind`, from the database; None is not remembered. A copy that is not of this type
    (older release, poisoned) counts as missing. While the database is away an old copy serves; without one: StoreAway.
    Writers call `forget(key)` on commit; the re-check bounds what a lost `forget` can do. `is_outdated` is asked after
    a value was cached: a change or deletion between loading and caching it must not leave the old value there.
    """
    now_seconds = time.time() if now_seconds is None else now_seconds
    lookups = _lookups.get()
    origin = Origin(load, is_outdated)
    copy: _Copy[Value] | None = _find_copy(key, kind)
    is_current = copy is not None and is_checked(copy.checked_at, now_seconds)
    result = "miss" if copy is None else "hit" if is_current else "recheck"
    cache_requests.labels(result=result, layer=_layer_of(key)).inc()
    if copy is not None and is_current:
        if lookups is not None:
            lookups.note(key, copy.digest, origin, copy.checked_at)
        return copy.value
    limit = RECHECK_SECONDS if copy is not None else statements.limit_seconds()
    try:
        with statements.limited_to(limit):
            fresh, digest = _renew(key, origin, now_seconds, has_copy=copy is not None)
    except StoreAway:
        if copy is None:
            raise
        fresh, digest = copy.value, None
    if lookups is not None:
        if digest is None:
            lookups.note_load()
        else:
            lookups.note(key, digest, origin, now_seconds)
    return fresh


def check_again(origins: Mapping[str, Origin[Any]]) -> None:
    """Check cached values, by key, against the database, before a reader has to. Stops when the database is away."""
    marks = find_marks(origins)
    soonest = time.time() - CHECK_AHEAD_SECONDS[0]
    # Another process may have checked some already.
    due = {
        key: origin
        for key, origin in origins.items()
        if key in marks and marks[key].checked_at_seconds < soonest
    }
    for key, origin in due.items():
        try:
            with statements.limited_to(RECHECK_SECONDS):
                _renew(key, origin, time.time(), has_copy=True)
        except StoreAway:
            return


def _renew(
    key: str, origin: Origin[Value], now_seconds: float, *, has_copy: bool
) -> tuple[Value, str | None]:
    """Load the value and cache it. Its digest, too, unless it isn't cached. Raises StoreAway."""
    fresh = guarded_load(origin.load, patience_seconds=0.0 if has_copy else RECHECK_SECONDS)
    if fresh is None:  # not cached: requests may ask for any number of things that don't exist
        if has_copy:
            forget(key)
        return fresh, None
    digest = store(key, fresh, now_seconds)
    if origin.is_outdated is None:
        return fresh, digest
    is_outdated = origin.is_outdated
    try:
        if not guarded_load(lambda: is_outdated(fresh), patience_seconds=0.0):
            return fresh, digest
    except StoreAway:
        forget(key)
        return fresh, None
    forget(key)
    return guarded_load(origin.load), None


def is_checked(checked_at_seconds: float, now_seconds: float) -> bool:
    """Whether a value that was read from the database then still counts without asking again."""
    is_young = 0 <= now_seconds - checked_at_seconds < RECHECK_AFTER_SECONDS
    return is_young and checked_at_seconds > doubts.trusted_from_seconds


def _layer_of(key: str) -> str:
    """`thing` of `app:thing:v1:…`: what kind of value the key is for."""
    return key.split(":", 2)[1] if key.count(":") >= 2 else "other"


def store(key: str, value: object, now_seconds: float | None = None) -> str:
    """Put a value that has just been read from, or written to, the database under `key`. Returns its digest."""
    encoded = msgspec.json.encode(value)
    digest = hashlib.blake2b(encoded, digest_size=12).hexdigest()
    checked_at = time.time() if now_seconds is None else now_seconds
    copy = _Copy(digest=digest, checked_at=checked_at, value=msgspec.Raw(encoded))
    cache.set(key, msgspec.json.encode(copy).decode())
    return digest


def forget(*keys: str) -> None:
    cache.delete_many(keys)


def _find_copy(key: str, kind: Any) -> _Copy[Any] | None:
    try:
        text = cache.get(key)
        return None if text is None else _decoder_of(kind).decode(text)
    except Exception:  # noqa: BLE001 - nothing in the cache may fail a reader
        logger.warning("unreadable cache entry ignored: %s", key)
        return None
