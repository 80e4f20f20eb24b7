"""A short run of tests.races.forced_refresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.figures import figure, is_long_run, many
from tests.marks import needs_postgres
from tests.processes.service import running_service
from tests.races.forced_refresh import repeat, run

pytestmark = [pytest.mark.processes, needs_postgres]


def test_racing_posts_neither_exceed_the_limit_nor_lose_units(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=many(3, 8), LOG_LEVEL="ERROR") as service:
        for cap, posts in ((1, many(150, 1_500)), (many(40, 96), many(150, 2_500)), (2_000, many(0, 2_000))):
            if posts == 0:
                continue
            verdict = run(service, cap=cap, posts=posts, clients=many(24, 64), with_kills=False)
            complaints = verdict.complaints(with_kills=False)
            figure(
                "Q1", f"one widget, cap {cap:,}", is_met=not complaints, processes=len(service.webs),
                answers=verdict.answers, provider_calls=verdict.provider_calls, units_used=verdict.used,
                ledger=verdict.lines, audit=verdict.events, complaints=complaints or "none", seconds=verdict.seconds,
            )  # fmt: skip
            assert complaints == [], verdict


def test_racing_repeats_cost_one_unit_a_day(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=3, LOG_LEVEL="ERROR") as service:
        service.standin.faults.add("slow", seconds=0.5)
        posts = many(100, 200)
        rounds = repeat(service, posts=posts, clients=many(24, 100))
        figure(
            "Q6", "repeats of one key", is_met=rounds[0][1:] == (1, 1), answers=rounds[0][0],
            provider_calls=rounds[0][1], units_used=rounds[0][2],
        )  # fmt: skip
        assert rounds == [({"200": posts}, 1, 1), ({"200": posts}, 2, 2)]


def test_killed_processes_neither_exceed_the_limit_nor_leave_units_open(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=many(3, 8), LOG_LEVEL="ERROR") as service:
        service.start_worker()
        service.start_beat()
        service.standin.faults.add("slow", seconds=0.2)
        every = (0.25, 0.25) if is_long_run() else (0.5, 1.5)
        verdict = run(
            service, cap=40, posts=many(300, 2_000), clients=many(24, 64), with_kills=True, kill_every=every
        )
        complaints = verdict.complaints(with_kills=True)
        figure(
            "Q2", "kills among racing POSTs", is_met=not complaints, kills=verdict.kills, answers=verdict.answers,
            provider_calls=verdict.provider_calls, units_used=verdict.used, ledger=verdict.lines,
            left_open=verdict.open_after_wait, complaints=complaints or "none",
        )  # fmt: skip
        figure(
            "D1", "audit after these kills", is_met=not any(verdict.unaudited.values()),
            events=verdict.events, missing=sum(verdict.unaudited.values()),
            of_requests_without_an_answer=verdict.surplus_events,
        )  # fmt: skip
        assert complaints == [], verdict
