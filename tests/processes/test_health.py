"""`/readyz` of a real web process, with stores that are there, away, or accept and say nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes.service import free_port, get, running_service

pytestmark = pytest.mark.processes


@contextmanager
def mute_server() -> Iterator[int]:
    """Accepts connections, as the kernel does for a stopped process, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def readyz(service: Any, web: int = 0) -> tuple[int, Any]:
    # The promise is two seconds; the rest is this machine's business.
    answer = get(f"http://127.0.0.1:{service.web_ports[web]}/readyz", timeout=15)
    return answer.status, answer.json


def test_ready_with_its_stores(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        status, body = readyz(service)

    assert (status, body["status"]) == (200, "ready"), body


def test_redis_that_is_away_or_mute_degrades(tmp_path: Path) -> None:
    with mute_server() as port, running_service(tmp_path, webs=0) as service:
        for redis_port in (free_port(), port):
            service.environment["REDIS_URL"] = f"redis://:canary@127.0.0.1:{redis_port}/0"
            service.start_web()
        away, mute = readyz(service, 0), readyz(service, 1)

    for status, body in (away, mute):
        assert (status, body["status"]) == (200, "degraded"), body
        assert body["checks"]["database"]["status"] == "ok"
        assert {n for n, check in body["checks"].items() if check["status"] != "ok"} == {"cache", "broker"}
        assert "canary" not in str(body)
        assert "127.0.0.1" not in str(body)
    assert away[1]["checks"]["cache"]["reason"] == "cannot be reached"
    assert mute[1]["checks"]["cache"]["reason"] == "no answer within 1.5 seconds"


def test_a_mute_postgresql_makes_it_unavailable(tmp_path: Path) -> None:
    with mute_server() as port, running_service(tmp_path, webs=0) as service:
        service.environment["DATABASE_URL"] = f"postgres://feeds:canary@127.0.0.1:{port}/feeds"
        service.start_web()
        status, body = readyz(service)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["database"]["reason"] == "no answer within 1.5 seconds"
    assert body["checks"]["migrations"]["status"] == "failing"
    assert "canary" not in str(body)


def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=0) as service:
        service.environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        service.start_web()
        status, body = readyz(service)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["database"]["status"] == "ok"
    assert "migrations are not applied" in body["checks"]["migrations"]["reason"]
