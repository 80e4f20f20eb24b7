"""Forced refreshes under faults: no unit is over-spent, and none is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.faults.clients import Answer, at_once, refresh_request, tracebacks, words
from tests.faults.stores import Redis, Stores, redis_hung, redis_refusing
from tests.faults.wire import between
from tests.figures import figure, many
from tests.processes.members import database_of, join
from tests.processes.service import Service, get, running_service, wait_until
from tests.processes.test_waiting_costs_nobody import widgets
from tests.races.forced_refresh import PASSWORD, Verdict, compare, run, sign_in
from tests.repeating import repeated

WIDGETS, CAP, POSTS_AT_ONCE = 50, 10, 4


def test_released_at_once_posts_for_fifty_widgets(stores: Stores, tmp_path: Path) -> None:
    batches = many(2, 20)
    with running_service(tmp_path, webs=many(2, 8), LOG_LEVEL="ERROR") as service:
        workspace = service.workspace("business", editor="ed", password=PASSWORD)
        service.manage("set_override", workspace, "instagram.refresh.forcePerDay.max", str(CAP))
        service.manage("set_override", workspace, "instagram.refresh.forcePerHour.max", "unlimited")
        ids = list(widgets(service, workspace, "fifty", WIDGETS))
        cookies = sign_in(service.web_ports[0], "ed")
        answers: dict[str, Counter[str]] = {pk: Counter() for pk in ids}
        began = time.monotonic()
        for batch in range(batches):
            order = [pk for pk in ids for _ in range(POSTS_AT_ONCE)]
            ports = [service.web_ports[(place + batch) % len(service.webs)] for place in range(len(order))]
            got = at_once([refresh_request(port, pk, cookies) for port, pk in zip(ports, order, strict=True)])
            for pk, answer in zip(order, got, strict=True):
                answers[pk][answer.word] += 1
        seconds = time.monotonic() - began
        verdicts = [
            compare(service, pk, f"load.fifty{place}", cap=CAP, answers=answers[pk], seconds=seconds)
            for place, pk in enumerate(ids)
        ]
    complaints = {said for verdict in verdicts for said in verdict.complaints(with_kills=False)}
    figure(
        "Q1", f"{WIDGETS} widgets, cap {CAP}", is_met=not complaints, processes=len(service.webs),
        answers=sum((verdict.answers for verdict in verdicts), Counter()),
        provider_calls=sum(verdict.provider_calls for verdict in verdicts),
        units_used=sum(verdict.used for verdict in verdicts),
        most_used_by_a_widget=max(verdict.used for verdict in verdicts),
        complaints=sorted(complaints) or "none", seconds=seconds,
    )  # fmt: skip
    assert complaints == set()


def test_the_judge_convicts_a_naive_service(stores: Stores, tmp_path: Path) -> None:
    """The control: units counted by reading before writing, with eight writers at once."""
    with running_service(tmp_path, webs=1, LOG_LEVEL="ERROR") as service:
        member = join(service, "naive", "load.naive")
        verdict = naive_race(service, member.workspace, member.instance_id, cap=20, posts=200)
    complaints = verdict.complaints(with_kills=False)
    figure(
        "Q1", "control, a naive service with cap 20", is_met="more units kept than the cap" in complaints,
        units_kept=verdict.kept, complaints=complaints,
    )  # fmt: skip
    assert {"more units kept than the cap", "window and ledger disagree"} <= set(complaints)


def naive_race(service: Service, workspace: str, instance_id: str, *, cap: int, posts: int) -> Verdict:
    url = service.environment["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    call = (
        f"{service.standin.facebook_graph_url}/v26.0/1?fields=business_discovery.username(load.naive)%7Bid%7D"
    )
    columns = (workspace, instance_id, "profile", "load.naive")
    line = b"""INSERT INTO paris_integration_forcedrefresh (workspace_id, instance_id, source_type, source_value,
        fence, username, reserved_at, day_starts_at, hour_starts_at, state, fault) VALUES
        (%s, %s, %s, %s, 1, '', now(), now(), now(), 'succeeded', '')"""
    window = b"SELECT used FROM paris_integration_quotawindow WHERE instance_id = %s AND kind = 'day'"
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(
            b"""INSERT INTO paris_integration_quotawindow
            (workspace_id, instance_id, source_type, source_value, kind, starts_at, used, granted)
            VALUES (%s, %s, %s, %s, 'day', now(), 0, 0)""",
            columns,
        )

    def client(_: int) -> str:
        with psycopg.connect(url, autocommit=True) as database:
            (used,) = database.execute(window, [instance_id]).fetchone() or (0,)
            if used >= cap:
                return "409 QUOTA_EXCEEDED"
            get(call)
            database.execute(
                b"UPDATE paris_integration_quotawindow SET used = %s WHERE instance_id = %s",
                [used + 1, instance_id],
            )
            database.execute(line, columns)
            return "200"

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = Counter(pool.map(client, range(posts)))
    return compare(service, instance_id, "load.naive", cap=cap, answers=answers, seconds=0)


@contextmanager
def redis_flushed(redis: Redis) -> Iterator[None]:
    """Emptied every second."""
    with repeated(lambda: redis.client().flushall(), every_seconds=1):
        yield


@contextmanager
def redis_full(redis: Redis) -> Iterator[None]:
    """Every write is refused, as with `noeviction` and no memory left."""
    redis.client().config_set("maxmemory", 1)
    try:
        yield
    finally:
        redis.client().config_set("maxmemory", 0)


@pytest.mark.parametrize("trouble", [redis_flushed, redis_refusing, redis_hung, redis_full])
def test_racing_posts_while_redis_is_in_trouble(
    stores: Stores, tmp_path: Path, trouble: Callable[[Redis], Iterator[None]]
) -> None:
    with running_service(tmp_path, webs=4, LOG_LEVEL="ERROR") as service, trouble(stores.redis):  # type: ignore[attr-defined]
        verdict = run(service, cap=40, posts=many(100, 300), clients=32, with_kills=False)
        log = service.log()
    complaints = verdict.complaints(with_kills=False)
    figure(
        "Q3", trouble.__name__.replace("_", " ").capitalize(), is_met=not complaints, answers=verdict.answers,
        provider_calls=verdict.provider_calls, units_used=verdict.used, ledger=verdict.lines,
        complaints=complaints or "none",
    )  # fmt: skip
    assert complaints == [], verdict
    assert tracebacks(log) == []


UNITS = b"SELECT count(*), count(*) FILTER (WHERE state = 'reserved') FROM paris_integration_forcedrefresh"


@pytest.mark.parametrize("commit", ["of the charge", "of the result"])
def test_an_answer_to_a_commit_that_is_lost(stores: Stores, tmp_path: Path, commit: str) -> None:
    """The client sees an error or the posts; a repeat with the same key costs no second unit."""
    with running_service(tmp_path, webs=0, LOG_LEVEL="ERROR") as service, between(service) as wire:
        service.start_web(2)
        member = join(service, "ed", "load.lost")
        service.read(member.token)
        before = len(service.standin.calls)
        service.standin.faults.add("slow", seconds=2.0)
        request = refresh_request(service.web_ports[0], member.instance_id, member.cookies, "click-1")
        with ThreadPoolExecutor(max_workers=1) as client, database_of(service) as database:

            def lines() -> tuple[int, int]:
                return database.execute(UNITS).fetchone() or (0, 0)  # type: ignore[return-value]

            if commit == "of the charge":
                wire.lose_next_commit()
            first = client.submit(at_once, [request])
            if commit == "of the result":
                wait_until(lambda: len(service.standin.calls) > before, 10)
                wire.lose_next_commit()
            (answer,) = first.result()
            assert wire.lost == 1, "the fault did not happen"
            charged = lines()
            service.standin.faults.clear()
            repeats = at_once(
                [
                    refresh_request(port, member.instance_id, member.cookies, "click-1")
                    for port in service.web_ports * 10
                ]
            )
            units = lines()[0]
        figure(
            "Q6", f"lost answer to the COMMIT {commit}", is_met=units == 1, answer=answer.word,
            lines_after_it=charged[0], repeats=words(repeats), units=units,
        )  # fmt: skip
        assert charged[0] == units == 1
        assert answer.status in (0, 200, 503)
        assert {repeat.status for repeat in repeats} <= {200, 503}, repeats
        assert_repeat_succeeds(service, request)


def assert_repeat_succeeds(service: Service, request: object) -> None:
    """At the latest when the lease of the broken flight has ended."""

    def is_answered() -> bool:
        answers: list[Answer] = at_once([request])  # type: ignore[list-item]
        return answers[0].status == 200

    wait_until(is_answered, 40)
