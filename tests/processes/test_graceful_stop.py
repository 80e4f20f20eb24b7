"""SIGTERM, as a roll-out sends it: web and worker finish what they have begun, and end."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes.service import Service, running_service, wait_until
from tests.processes.test_feed_races import seed_feeds

pytestmark = pytest.mark.processes
ENDS_WITHIN_SECONDS = 30


def test_a_web_process_answers_the_readers_it_has(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        token = service.instance(service.workspace(), "load.stopping")["embedToken"]
        service.standin.faults.add("slow", seconds=3, username="load.stopping")

        with ThreadPoolExecutor(max_workers=20) as pool:
            readers = [pool.submit(service.read, token) for _ in range(20)]
            wait_until(lambda: service.standin.calls, 10)
            time.sleep(0.5)  # the others have connected by now
            os.kill(service.webs[0].pid, signal.SIGTERM)
            answers = [reader.result() for reader in readers]
        status = service.webs[0].wait(timeout=ENDS_WITHIN_SECONDS)

        assert [answer.status for answer in answers] == [200] * 20
        assert all(len(answer.json["posts"]) == 12 for answer in answers)
        assert status == 0
        with pytest.raises(OSError):
            service.read(token)
        assert "Traceback" not in service.log()


def test_a_web_process_finishes_a_first_fill_whose_readers_have_gone(tmp_path: Path) -> None:
    with running_service(tmp_path, FEED_COLD_WAIT_SECONDS="1") as service:
        token = service.instance(service.workspace(), "load.stopping")["embedToken"]
        service.standin.faults.add("slow", seconds=4, username="load.stopping")

        assert service.read(token).json["warnings"] == ["FEED_WARMING"]
        os.kill(service.webs[0].pid, signal.SIGTERM)
        assert service.webs[0].wait(timeout=ENDS_WITHIN_SECONDS) == 0
        service.restart_web(0)

        assert len(service.read(token).json["posts"]) == 12
        assert len(service.standin.calls) == 1


def test_a_worker_finishes_the_refresh_it_has_begun(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=0) as service:
        seed_feeds(service.environment, service.workspace(), 1)
        service.standin.faults.add("slow", seconds=4, username="load.0000")
        worker = service.start_worker()
        _hand_to_the_worker(service)
        wait_until(lambda: service.standin.calls, 30)

        os.kill(worker.pid, signal.SIGTERM)
        status = worker.wait(timeout=ENDS_WITHIN_SECONDS)

        assert status == 0
        assert _in_shell(service, "print(row.outcome, row.lease_expires_at, len(row.posts_encoded) > 2)") == (
            "succeeded None True"
        )
        assert len(service.standin.calls) == 1


def _hand_to_the_worker(service: Service) -> None:
    _in_shell(service, "from paris_integration.tasks import refresh_feed; refresh_feed.delay(str(row.pk))")


def _in_shell(service: Service, script: str) -> str:
    found = "from paris_integration.models import Feed; row = Feed.objects.get(); "
    return str(service.manage("shell", "--verbosity", "0", "--command", found + script)).strip()
