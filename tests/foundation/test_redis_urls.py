"""One Redis, or the primary that Sentinels name: with passwords, and over TLS."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
import redis
from kombu import Connection

from foundation import redis_urls
from foundation.cache import ResilientRedisCache, doubts, redis_breaker
from tests.conftest import needs
from tests.processes.redis_servers import (
    PASSWORD,
    SENTINEL_PASSWORD,
    SERVICE,
    WatchedServers,
    watched_servers,
)
from tests.processes.service import free_port, wait_until

WAITS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WatchedServers, str]]:
    """Servers that take encrypted connections only, and their URL."""
    needs("redis-server", shutil.which("redis-server") is not None)
    folder = tmp_path_factory.mktemp("redis")
    key, certificate = folder / "key", folder / "crt"
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run((*make, *names, *files), check=True, capture_output=True)
    with watched_servers(folder, certificate=certificate, key=key) as servers:
        # The first Sentinel is gone.
        hosts = f"127.0.0.1:{free_port()},{servers.hosts}"
        login = f":{quote(PASSWORD, safe='')}@"
        options = f"service={SERVICE}&sentinel_password={quote(SENTINEL_PASSWORD, safe='')}&ssl_ca_certs={certificate}"
        yield servers, f"rediss+sentinel://{login}{hosts}/3?{options}"


def test_url_of_sentinels() -> None:
    url = "redis+sentinel://feeds:p%40ss@one,two:1,[::1]:2/4?service=main&sentinel_username=a&sentinel_password=b%2Bc"
    found = redis_urls.sentinels_of(url)

    assert found is not None
    assert found.addresses == (("one", 26379), ("two", 1), ("::1", 2))
    assert (found.service, found.database, found.username, found.password) == ("main", 4, "feeds", "p@ss")
    assert (found.sentinel_username, found.sentinel_password, found.is_encrypted) == ("a", "b+c", False)
    assert found.celery_url.split(";")[2] == "sentinel://feeds:p%40ss@[::1]:2/4"
    assert "p@ss" not in repr(found)
    assert "b+c" not in repr(found)
    assert redis_urls.sentinels_of("redis://one/0") is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://:canary@cache:port/0",
        "redis://:canary@/0",
        "unix://",
        "carrier-pigeon://:canary@cache/0",
        "redis+sentinel://:canary@one,two/0",
        "redis+sentinel://:canary@one:two/0?service=feeds",
        "redis+sentinel://:canary@one,/0?service=feeds",
        "redis+sentinel://:canary@/0?service=feeds",
        "redis+sentinel://:canary@one/zero?service=feeds",
        "redis+sentinel://:canary@one/-1?service=feeds",
        "redis+sentinel://one/0?service=feeds&pass=canary",
        "redis+sentinel://:canary@one/0?service=feeds&ssl_ca_certs=ca",
        "rediss+sentinel://:canary@one/0?service=feeds&ssl_cert_reqs=some",
        "rediss+sentinel://:canary@one/0?service=feeds&ssl_check_hostname=perhaps",
    ],
)
def test_a_bad_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(redis_urls.BadUrl) as refused:
        redis_urls.check(url)
    assert "canary" not in str(refused.value)


@pytest.fixture
def new_cache(secured: tuple[WatchedServers, str]) -> Iterator[Callable[[], ResilientRedisCache]]:
    """Makes caches, each like that of another process. Their connections are closed at the end."""
    made: list[ResilientRedisCache] = []

    def make() -> ResilientRedisCache:
        made.append(ResilientRedisCache(secured[1], {"OPTIONS": WAITS, "KEY_PREFIX": "test"}))
        return made[-1]

    yield make
    for cache in made:
        for pool in cache._cache._pools.values():
            pool.close()


def test_a_new_primary_is_found_and_what_is_cached_is_checked_again(
    secured: tuple[WatchedServers, str], new_cache: Callable[[], ResilientRedisCache]
) -> None:
    servers, _ = secured
    cache = new_cache()
    cache.set("a", 1)
    with closing(servers.client(servers.first_port)) as primary:
        assert primary.config_get("maxmemory") == {"maxmemory": "0"}
        assert primary.info("keyspace")["db3"]["keys"] == 1
        primary.wait(1, 1_000)
    assert cache.get("a") == 1
    assert doubts.trusted_from_seconds == float("-inf")

    servers.servers[servers.first_port].send_signal(signal.SIGSTOP)
    assert cache.get("a") is None
    assert redis_breaker.is_open

    def has_come_back() -> bool:
        redis_breaker.success()  # don't wait for the next trial
        return cache.get("a") == 1

    wait_until(has_come_back, 20)
    doubts.clear()
    other = new_cache()  # another process, which met no fault
    assert other.get("a") == 1
    assert doubts.trusted_from_seconds == float("-inf")
    assert servers.primary_port() != servers.first_port
    assert redis_breaker.is_open is False


def test_a_process_that_meets_no_fault_also_learns_of_a_new_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    answers = iter([("one", 1), ("one", 1), ("two", 1), ("two", 1)])
    monkeypatch.setattr(redis_urls.Sentinel, "discover_master", lambda *_: next(answers))
    pool: Any = redis_urls.pool_of(
        "redis+sentinel://here/0?service=main", on_new_primary=lambda: found.append("new")
    )

    assert [pool.get_master_address() for _ in range(4)] == [("one", 1), ("one", 1), ("two", 1), ("two", 1)]
    assert found == ["new"]


def test_celery_sends_through_the_sentinels(secured: tuple[WatchedServers, str]) -> None:
    _, url = secured
    sentinels = redis_urls.sentinels_of(url)
    assert sentinels is not None
    options = {"master_name": SERVICE, "sentinel_kwargs": {**WAITS, **sentinels.for_sentinels}, **WAITS}
    with (
        Connection(sentinels.celery_url, ssl=sentinels.tls, transport_options=options) as connection,
        connection.SimpleQueue("letters") as queue,
    ):
        queue.put("one")
        message = queue.get(timeout=5)
        assert message.payload == "one"
        # Otherwise kombu opens new connections to restore the message, and doesn't close them.
        message.ack()


@pytest.mark.parametrize("password", [PASSWORD, SENTINEL_PASSWORD])
def test_wrong_passwords_are_refused(secured: tuple[WatchedServers, str], password: str) -> None:
    _, url = secured
    right, wrong = redis_urls.pool_of(url, **WAITS), url.replace(quote(password, safe=""), "wrong")
    with closing(redis.Redis.from_pool(right)) as client:
        assert client.ping()
    with (
        closing(redis.Redis.from_pool(redis_urls.pool_of(wrong, **WAITS))) as client,
        pytest.raises(redis.RedisError),
    ):
        client.ping()
