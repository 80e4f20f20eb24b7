"""Many readers, many processes, one provider: real servers on a real database."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.figures import figure, many, percentile
from tests.marks import needs_postgres
from tests.processes import forking
from tests.processes.service import running_service, wait_until

pytestmark = pytest.mark.processes


def test_300_cold_readers_over_two_processes_cost_one_call(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2) as service:
        token = service.instance(service.workspace(), "load.cold")["embedToken"]
        service.standin.faults.add("slow", seconds=1, username="load.cold")

        answers = service.read_at_once(token, 300)

        assert Counter(answer.status for answer in answers) == {200: 300}, service.refusals()
        assert max(answer.seconds for answer in answers) < 20  # no reader is forgotten until its own time-out
        filled = [answer for answer in answers if answer.json["posts"]]
        warming = [answer for answer in answers if answer.json["warnings"] == ["FEED_WARMING"]]
        assert len(filled) + len(warming) == 300
        assert len(filled) >= 60
        assert all(answer.headers["Cache-Control"] == "no-store" for answer in warming)
        assert len(service.standin.calls) == 1
        assert len(service.read(token).json["posts"]) == 12
        assert "Traceback" not in service.log()


def test_300_cold_readers_of_a_failing_provider_cost_at_most_three_calls(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2) as service:
        token = service.instance(service.workspace(), "load.failing")["embedToken"]
        service.standin.faults.add("status", status=503, username="load.failing")

        answers = service.read_at_once(token, 300)

        assert Counter(answer.status for answer in answers) == {200: 300}, service.refusals()
        assert len(service.standin.calls) <= 3
        last = service.read(token).json
        assert (last["posts"], last["lastUpdated"]) == ([], None)
        assert last["warnings"] == ["PROVIDER_UNAVAILABLE"]
        assert last["nextRefreshAllowedAt"]


def test_a_hanging_key_leaves_the_others_alone(tmp_path: Path) -> None:
    with running_service(tmp_path, FEED_COLD_WAIT_SECONDS="2", PROVIDER_TIMEOUT_SECONDS="4") as service:
        workspace = service.workspace()
        stuck = service.instance(workspace, "load.stuck")["embedToken"]
        fine = service.instance(workspace, "load.fine")["embedToken"]
        service.read(fine)
        calm = [service.read(fine).seconds for _ in range(many(20, 300))]
        service.standin.faults.add("hang", seconds=20, username="load.stuck")

        with ThreadPoolExecutor(max_workers=200) as pool:
            waiting = [pool.submit(service.read, stuck) for _ in range(190)]
            time.sleep(0.5)
            others = [service.read(fine) for _ in range(many(20, 300))]
            stuck_answers = [future.result() for future in waiting]

        assert all(answer.status == 200 and answer.json["posts"] for answer in others)
        assert {answer.json["warnings"][0] for answer in stuck_answers} <= {
            "FEED_WARMING",
            "PROVIDER_UNAVAILABLE",
        }
        assert max(answer.seconds for answer in stuck_answers) < 12  # the provider hangs for 20
        calls = [call for call in service.standin.calls if call["username"] == "load.stuck"]
        assert len(calls) == 1
        p99_calm, p99 = percentile(calm, 0.99), percentile([answer.seconds for answer in others], 0.99)
        figure(
            "A4", "190 clients wait for one feed", is_met=p99 <= 2 * p99_calm, reads_of_another=len(others),
            errors=0, p99_seconds=p99, p99_seconds_before=p99_calm,
        )  # fmt: skip


@pytest.mark.both_legs  # web, worker and beat, with Redis and by files
def test_reads_outlive_an_outage_and_freshness_returns_without_a_restart(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.start_worker()
        service.start_beat()
        token = service.instance(service.workspace(), "load.outage")["embedToken"]
        filled = service.read(token).json
        service.standin.faults.add("reset")
        service.age("load.outage")

        def is_marked() -> bool:
            answer = service.read(token)
            assert answer.status == 200
            assert answer.json["posts"] == filled["posts"]
            return "PROVIDER_UNAVAILABLE" in answer.json["warnings"] and bool(answer.json["stale"])

        wait_until(is_marked, 90)
        outage = [service.read(token) for _ in range(100)]
        assert all(answer.status == 200 and answer.json["posts"] == filled["posts"] for answer in outage)

        service.standin.faults.clear()
        wait_until(lambda: service.read(token).json["lastUpdated"] > filled["lastUpdated"], 90)
        after = service.read(token).json
        assert (after["stale"], after["warnings"]) == (False, [])


@needs_postgres
def test_two_beats_and_two_workers_refresh_each_due_feed_once(tmp_path: Path) -> None:
    feeds = 200
    with running_service(tmp_path) as service:
        workspace = service.workspace()
        seed_feeds(service.environment, workspace, feeds)
        for _ in range(2):
            service.start_worker()
            service.start_beat()

        wait_until(lambda: len(service.standin.calls) >= feeds, 60)
        time.sleep(5)

        asked = Counter(call["username"] for call in service.standin.calls)
        assert len(asked) == feeds
        assert set(asked.values()) == {1}
        assert "Traceback" not in service.log()


def test_a_killed_leader_blocks_its_feed_no_longer_than_the_lease(tmp_path: Path) -> None:
    with running_service(
        tmp_path, webs=2, FEED_COLD_WAIT_SECONDS="1", PROVIDER_TIMEOUT_SECONDS="2"
    ) as service:
        token = service.instance(service.workspace(), "load.killed")["embedToken"]
        service.standin.faults.add("hang", seconds=30, username="load.killed", times=1)
        with ThreadPoolExecutor(max_workers=1) as pool:
            doomed = pool.submit(service.read, token, web=0)
            wait_until(lambda: service.standin.calls, 10)
            os.killpg(service.processes[0].pid, signal.SIGKILL)
            with pytest.raises(OSError):
                doomed.result()

        assert service.read(token, web=1).json["warnings"] == ["FEED_WARMING"]
        wait_until(lambda: service.read(token, web=1).json["posts"], 20)
        assert len(service.standin.calls) == 2


def seed_feeds(environment: dict[str, str], workspace: str, count: int) -> None:
    """Feeds that were filled long ago and read a minute ago, written straight into the database."""
    script = f"""
import uuid
from datetime import timedelta
from django.utils import timezone
from paris_integration.models import Feed
now = timezone.now()
Feed.objects.bulk_create(
    Feed(
        workspace_id=uuid.UUID("{workspace}"), instance_id=f"wgt_{{n}}", source_type="profile",
        source_value=f"load.{{n:04d}}", mode="public", fetched_at=now - timedelta(days=2),
        last_read_at=now - timedelta(minutes=1), next_refresh_at=now - timedelta(minutes=1),
    )
    for n in range({count})
)
"""
    done = forking.run("manage.py", "shell", "--command", script, env=environment)
    assert done.returncode == 0, done.stderr
