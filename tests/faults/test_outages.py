"""Reads while Meta, Redis or PostgreSQL is away or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.clients import Readers, Seen, statuses, tracebacks
from tests.faults.stores import Postgres, Redis, Stores, redis_hung, redis_refusing, stopped
from tests.figures import figure, many, percentile
from tests.processes.members import join, read_as
from tests.processes.service import Service, get, running_service, wait_until
from tests.processes.test_waiting_costs_nobody import widgets

CLIENTS = 50
FEEDS = 10
AGE_ALL = """
from datetime import timedelta
from django.utils import timezone
from paris_integration.models import Feed
from paris_integration.feeds import fast_copy
for row in Feed.objects.filter(source_value__startswith="load.{name}"):
    row.fetched_at = timezone.now() - timedelta(days=10)
    row.save()
    fast_copy.publish(row)
"""


@dataclass(frozen=True)
class Reached:
    """What readers got in a phase."""

    seen: list[Seen]

    @property
    def share(self) -> float:
        return sum(each.status == 200 for each in self.seen) / len(self.seen)

    @property
    def p99(self) -> float:
        return percentile([each.seconds for each in self.seen], 0.99)

    @property
    def longest(self) -> float:
        return max(each.seconds for each in self.seen)

    @property
    def figures(self) -> dict[str, object]:
        return {
            "reads": len(self.seen),
            "answers": statuses(self.seen),
            "p99_seconds": self.p99,
            "longest_seconds": self.longest,
        }


def targets(service: Service, tokens: list[str]) -> list[tuple[int, str]]:
    """Every feed at every web process."""
    return [(port, token) for token in tokens for port in service.web_ports]


def filled(service: Service, workspace: str, name: str, count: int = FEEDS) -> list[str]:
    tokens = list(widgets(service, workspace, name, count).values())
    for token in tokens:
        assert service.read(token).json["posts"]
    return tokens


# --- Meta ------------------------------------------------------------------------------------------------------------


@contextmanager
def refused(service: Service) -> Iterator[None]:
    service.standin._address = ("127.0.0.1", service.standin.port)
    service.standin.stop()
    try:
        yield
    finally:
        service.standin.start()


def faulty(kind: str, **parameters: float) -> Callable[[Service], object]:
    @contextmanager
    def outage(service: Service) -> Iterator[None]:
        service.standin.faults.add(kind, **parameters)  # type: ignore[arg-type]
        try:
            yield
        finally:
            service.standin.faults.clear()

    return outage


OUTAGES: dict[str, Callable[[Service], object]] = {
    "refusing": refused,
    "black hole": faulty("hang", seconds=60.0),
    "drip": faulty("drip", seconds_per_byte=0.5, with_head=True),
    "500": faulty("status", status=500),
    "HTML": faulty("html"),
}


def test_reads_during_outages_of_meta(stores: Stores, tmp_path: Path) -> None:
    """All feeds are due in each outage, and the workers try them."""
    failed = []
    environment = {"LOG_LEVEL": "ERROR", "PROVIDER_TIMEOUT_SECONDS": "5"}
    with running_service(tmp_path, webs=2, **environment) as service:
        workspace = service.workspace("business")
        names = ("healthy", *(f"out{number}x" for number in range(len(OUTAGES))))
        tokens = {name: filled(service, workspace, name) for name in names}
        for _ in range(2):
            service.start_worker()
        service.start_beat()
        with Readers(targets(service, tokens["healthy"]), clients=CLIENTS) as readers:
            healthy = Reached(readers.during("healthy", many(2, 8)))
        for (kind, outage), name in zip(OUTAGES.items(), names[1:], strict=True):
            service.manage("shell", "-v", "0", "-c", AGE_ALL.format(name=name))
            with outage(service), Readers(targets(service, tokens[name]), clients=CLIENTS) as readers:  # type: ignore[attr-defined]

                def is_warned(readers: Readers = readers) -> bool:
                    latest = readers.latest()
                    return len(latest) == CLIENTS and all("PROVIDER" in each.warnings for each in latest)

                readers.phase = "before the warning"
                wait_until(is_warned, 90)
                during = Reached(readers.during("outage", many(2, 6)))
                everything = Reached(readers.seen)
            warned = sum("PROVIDER" in each.warnings for each in during.seen) / len(during.seen)
            is_met = (
                everything.share == 1 and warned == 1 and during.p99 <= 0.25 and during.p99 <= 2 * healthy.p99
            )
            figure(
                "A1", kind, is_met=is_met, **during.figures, share_answered=everything.share, share_warned=warned,
                healthy_p99_seconds=healthy.p99,
            )  # fmt: skip
            if everything.share < 1 or warned < 1:
                failed.append((kind, everything.figures, warned))
        assert failed == []
        assert tracebacks(service.log()) == []


# --- Redis -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [redis_refusing, redis_hung])
def test_reads_while_redis_is_in_trouble(
    stores: Stores, tmp_path: Path, trouble: Callable[[Redis], object]
) -> None:
    with running_service(tmp_path, webs=4, LOG_LEVEL="ERROR") as service:
        service.start_worker()
        service.start_beat()
        tokens = filled(service, service.workspace("business"), "redis")
        member = join(service, "ed", "load.member")
        with Readers(targets(service, tokens), clients=CLIENTS) as readers:
            healthy = Reached(readers.during("healthy", many(2, 5)))
            with trouble(stores.redis):  # type: ignore[attr-defined]
                during = Reached(readers.during("trouble", many(3, 15)))
                sessions = [read_as(service, member) for _ in range(10)]
            readers.phase = "after"
            returned_at = time.monotonic()
            stores.redis.client().config_resetstat()
            wait_until(lambda: uses_cache_of(service, stores.redis), 30)
            back_seconds = time.monotonic() - returned_at
            after = Reached(readers.during("after", 1))
        log = service.log()
    is_met = during.share == 1 and during.p99 <= 0.5 and back_seconds <= 5
    figure(
        "A2", trouble.__name__.replace("_", " "), is_met=is_met, **during.figures, healthy_p99_seconds=healthy.p99,
        session_reads=statuses([Seen("", 0, each.status, each.seconds) for each in sessions]),
        seconds_until_redis_is_used_again=back_seconds,
    )  # fmt: skip
    assert during.share >= 0.999
    assert after.share == 1
    assert {each.status for each in sessions} == {200}
    assert tracebacks(log) == []


def uses_cache_of(service: Service, redis: Redis) -> bool:
    """Whether reads ask Redis again. The broker's clients use lists, the cache MGET and GET."""
    used = redis.client().info("commandstats")
    return "cmdstat_mget" in used or "cmdstat_get" in used


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


@contextmanager
def postgres_stopped(postgres: Postgres) -> Iterator[None]:
    with stopped(postgres):
        yield


@contextmanager
def postgres_hung(postgres: Postgres) -> Iterator[None]:
    with postgres.paused():
        yield


@pytest.mark.parametrize("trouble", [postgres_stopped, postgres_hung])
def test_reads_while_postgresql_is_in_trouble(
    stores: Stores, tmp_path: Path, trouble: Callable[[Postgres], object]
) -> None:
    """Longer than the half minute after which cached values are checked against the database."""
    with running_service(tmp_path, webs=4, LOG_LEVEL="ERROR") as service:
        service.start_worker()
        service.start_beat()
        tokens = filled(service, service.workspace("business"), "store")
        member = join(service, "ed", "load.member")
        with Readers(targets(service, tokens), clients=CLIENTS) as readers:
            healthy = Reached(readers.during("healthy", many(2, 5)))
            with ExitStack() as stack:
                stack.enter_context(trouble(stores.postgres))  # type: ignore[arg-type]
                during = Reached(readers.during("trouble", many(5, 35)))
                refused_session = read_as(service, member)
            readers.phase = "after"
            returned_at = time.monotonic()
            wait_until(lambda: read_as(service, member).status == 200 and is_ready(service), 30)
            back_seconds = time.monotonic() - returned_at
            after = Reached(readers.during("after", 1))
        log = service.log()
    is_met = during.share >= 0.99 and during.longest <= 1 and back_seconds <= 5
    figure(
        "A3", trouble.__name__.replace("_", " "), is_met=is_met, **during.figures, healthy_p99_seconds=healthy.p99,
        session_read=refused_session.status, seconds_until_normal=back_seconds,
    )  # fmt: skip
    assert set(statuses(during.seen)) <= {"200", "503"}
    assert during.longest <= 3
    assert refused_session.status == 503
    assert after.share == 1
    assert tracebacks(log) == []


def is_ready(service: Service) -> bool:
    return all(get(f"http://127.0.0.1:{port}/readyz").status == 200 for port in service.web_ports)
