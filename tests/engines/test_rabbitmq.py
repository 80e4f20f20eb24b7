"""RabbitMQ as the broker: refreshes go through it, and go on after it was killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from celery import Celery

from paris_integration.feeds.dispatch import count_waiting
from tests.conftest import needs
from tests.engines.rabbitmq import PROGRAM, rabbitmq
from tests.marks import needs_postgres, needs_redis
from tests.processes.members import database_of, join
from tests.processes.service import Service, get, running_service, wait_until
from tests.processes.test_bad_days_of_postgresql import refresh

pytestmark = [pytest.mark.engines, pytest.mark.processes, needs_postgres, needs_redis]

MAKE_DUE = (
    "UPDATE paris_integration_feed SET fetched_at = fetched_at - interval '10 days', next_refresh_at = now()"
)


def seconds_until_refreshed(service: Service, name: str, within: float) -> float:
    """Make all feeds due, and wait until a worker has refreshed this one."""

    def calls() -> int:
        return sum(call["username"] == name for call in service.standin.calls)

    before, began = calls(), time.monotonic()
    with database_of(service) as database:
        database.execute(MAKE_DUE)
    wait_until(lambda: calls() > before, within)
    return round(time.monotonic() - began, 1)


def broker_of(service: Service) -> str:
    answer = get(f"http://127.0.0.1:{service.web_ports[0]}/readyz")
    status: str = answer.json["checks"]["broker"]["status"]
    return status


def test_refreshes_go_through_rabbitmq_and_go_on_after_its_death(tmp_path: Path) -> None:
    needs("rabbitmq-server", PROGRAM.exists())
    with (
        rabbitmq(tmp_path / "rabbitmq") as broker,
        running_service(tmp_path, BROKER_URL=broker.url) as service,
    ):
        service.start_worker()
        service.start_beat()
        member = join(service, "rabbit", "load.rabbit")
        assert service.read(member.token).json["posts"]
        assert broker_of(service) == "ok"
        first = seconds_until_refreshed(service, "load.rabbit", 60)

        broker.kill()
        wait_until(lambda: broker_of(service) == "failing", 10)
        answers = [service.read(member.token) for _ in range(20)] + [refresh(service, member)]
        assert {answer.status for answer in answers} == {200}
        assert max(answer.seconds for answer in answers) < 5
        broker.start()
        again = seconds_until_refreshed(service, "load.rabbit", 60)
        print(f"refreshed after {first} s; after the broker's return {again} s")
        assert again < 30
        assert broker_of(service) == "ok"
        assert service.tracebacks() == []


def test_waiting_messages_are_counted(tmp_path: Path) -> None:
    needs("rabbitmq-server", PROGRAM.exists())
    with rabbitmq(tmp_path / "rabbitmq") as broker:
        app = Celery(broker=broker.url, set_as_current=False)
        assert count_waiting("refreshes", app=app) is None  # there is no such queue
        for _ in range(3):
            app.send_task("no.such.task", queue="refreshes", retry=False)
        wait_until(lambda: count_waiting("refreshes", app=app) == 3, 10)
