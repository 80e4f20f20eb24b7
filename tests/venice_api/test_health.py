"""`/healthz` and `/readyz`: which failures decide, which degrade, and that answers reveal nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from foundation import probes
from venice_api.ops import health

pytestmark = pytest.mark.cached


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, client: Client) -> Any:
    """Call /readyz with the given probes instead of the real ones."""

    def ask(**replaced: Any) -> tuple[int, Any]:
        ways = {name: lambda: None for name in ("database", "migrations", "cache", "broker")}
        monkeypatch.setattr(health, "prober", probes.Prober(ways | replaced))
        response = client.get("/readyz")
        assert response["Cache-Control"] == "no-store"
        return response.status_code, response.json()

    return ask


def fail_with_secret() -> None:
    raise OSError("cannot connect to db.internal as feeds:canary")


def test_ready(answer: Any) -> None:
    status, body = answer()

    assert (status, body["status"]) == (200, "ready")
    assert {name: check["required"] for name, check in body["checks"].items()} == {
        "database": True, "migrations": True, "cache": False, "broker": False,
    }  # fmt: skip
    assert all(check["status"] == "ok" and "reason" not in check for check in body["checks"].values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("database", (503, "unavailable")),
        ("migrations", (503, "unavailable")),
        ("cache", (200, "degraded")),
        ("broker", (200, "degraded")),
    ],
)
def test_each_failing_dependency_is_reported(answer: Any, name: str, expected: tuple[int, str]) -> None:
    status, body = answer(**{name: fail_with_secret})

    assert (status, body["status"]) == expected
    assert body["checks"][name]["status"] == "failing"
    assert body["checks"][name]["reason"] == "cannot be reached"
    assert "canary" not in str(body)
    assert "db.internal" not in str(body)
    assert [n for n, check in body["checks"].items() if check["status"] != "ok"] == [name]


def test_a_hanging_dependency_is_reported_and_blocks_only_one_thread(
    answer: Any, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr(probes, "LIMIT_SECONDS", 0.2)
    started, release = [], threading.Event()

    def hang() -> None:
        started.append(True)
        release.wait(20)

    status, body = answer(cache=hang)
    again = client.get("/readyz").json()
    release.set()

    assert (status, body["status"]) == (200, "degraded")
    assert body["checks"]["cache"]["reason"] == probes.NO_ANSWER
    assert again["checks"]["cache"]["reason"] == probes.NO_ANSWER
    assert len(started) == 1


@pytest.mark.django_db(transaction=True)
def test_missing_migrations_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    class Here:
        __enter__ = lambda self: connection  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    monkeypatch.setattr(probes, "_own_connection", Here)
    probes.probe_migrations()
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("venice_api", "0002_staff_roles")
    try:
        with pytest.raises(probes.Failing, match=r"^\d+ migrations are not applied$"):
            probes.probe_migrations()
    finally:
        recorder.record_applied("venice_api", "0002_staff_roles")


def test_healthz_checks_no_dependencies_and_both_refuse_post(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405
