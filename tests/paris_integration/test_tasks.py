"""Background tasks survive database errors. The next run does the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.signals import worker_shutting_down
from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError

from config import celery_app
from entitlements import members
from foundation import statements
from outbox import sending
from outbox import tasks as mail_tasks
from paris_integration import tasks
from paris_integration.connections import notices, renewals
from paris_integration.feeds import refreshing, rescheduling
from paris_integration.feeds.refreshing import RefreshOutcome, Result
from paris_integration.observing import graph_versions
from paris_integration.quota import ledger
from paris_integration.retention import expiry
from venice_api import sightings
from venice_api import tasks as venice_tasks
from venice_api.accounts import sessions

ID = "6f1c2f0e-7f53-4b6e-9a53-0a3d3f1f8c11"
JOBS: list[tuple[Callable[..., Any], tuple[Any, ...], object, str, object]] = [
    (tasks.refresh_feed, (ID,), refreshing, "refresh_feed", None),
    (tasks.refresh_feeds, ([ID],), refreshing, "refresh_feed", None),
    (tasks.enqueue_due_refreshes, (), refreshing, "claim_due", 0),
    (tasks.enqueue_due_refreshes, (), rescheduling, "reschedule_next", 0),
    (tasks.settle_orphans, (), ledger, "settle_orphans", 0),
    (tasks.clean_up, (), expiry, "remove_expired", {}),
    (tasks.renew_token, (ID,), renewals, "renew_token", None),
    (tasks.look_after_connections, (), renewals, "note_expiring", 0),
    (tasks.look_after_connections, (), notices, "send_due", 0),
    (tasks.reconcile_hashtags, (), renewals, "reconcile_hashtags", 0),
    (tasks.check_graph_versions, (), graph_versions, "check_versions", 0),
    (venice_tasks.forget_failed_sign_ins, (), venice_tasks, "_forget_overdue", 0),
    (venice_tasks.remove_old_sightings, (), sightings, "remove_old", 0),
    (venice_tasks.remove_old_invitations, (), members, "remove_old_invitations", 0),
    (venice_tasks.remove_ended_sessions, (), sessions, "remove_ended", 0),
    (mail_tasks.deliver_due, (), sending, "deliver_due", 0),
]


@pytest.mark.django_db
@pytest.mark.parametrize("fault", [OperationalError, InterfaceError, InternalError, ProgrammingError])
@pytest.mark.parametrize(
    ("task", "arguments", "module", "name", "result"), JOBS, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_task_survives_a_fault_of_the_database(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    task: Callable[..., Any],
    arguments: tuple[Any, ...],
    module: object,
    name: str,
    result: object,
    fault: type[Exception],
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise fault("canary: connection to 10.0.0.7 lost")

    monkeypatch.setattr(module, name, failing)

    assert task(*arguments) == result
    assert fault.__name__ in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("due", "messages"),
    [
        (0, []),
        (1, [1]),
        (16, [1] * 16),
        (31, [1] * 31),
        (32, [2] * 16),
        (66, [4] * 16 + [2]),
        (100, [4] * 25),
    ],
)
def test_a_message_names_several_feeds_if_many_are_due(
    monkeypatch: pytest.MonkeyPatch, due: int, messages: list[int]
) -> None:
    ids = [uuid4() for _ in range(due)]
    sent: list[list[str]] = []
    monkeypatch.setattr(tasks, "CLAIM_BATCH", 101)
    monkeypatch.setattr(refreshing, "claim_due", lambda **_: ids)
    monkeypatch.setattr(rescheduling, "reschedule_next", lambda **_: False)
    monkeypatch.setattr(tasks.refresh_feeds, "delay", sent.append)

    assert tasks.enqueue_due_refreshes() == due
    assert [len(feed_ids) for feed_ids in sent] == messages
    assert [feed_id for feed_ids in sent for feed_id in feed_ids] == [str(feed_id) for feed_id in ids]


@pytest.mark.parametrize(("waiting", "claims"), [(0, 1), (499, 1), (None, 1), (500, 0)])
def test_feeds_stay_in_the_database_while_the_workers_are_late(
    monkeypatch: pytest.MonkeyPatch, waiting: int | None, claims: int
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(tasks, "count_waiting", lambda queue: waiting)
    monkeypatch.setattr(refreshing, "claim_due", lambda **_: asked.append(None) or [])
    monkeypatch.setattr(rescheduling, "reschedule_next", lambda **_: False)

    assert tasks.enqueue_due_refreshes() == 0
    assert len(asked) == claims


@pytest.fixture
def refreshed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ids of the feeds that were refreshed. The second one meets a bug; after the third the worker stops."""
    ids: list[str] = []

    def refresh(feed_id: UUID, **_: object) -> RefreshOutcome:
        ids.append(str(feed_id))
        if len(ids) == 2:
            raise ZeroDivisionError
        if len(ids) == 3:
            worker_shutting_down.send(sender=None)
        return RefreshOutcome(Result.SUCCEEDED)

    monkeypatch.setattr(refreshing, "refresh_feed", refresh)
    yield ids
    tasks._is_stopping.clear()


def test_a_bug_stops_one_refresh_and_the_end_of_the_worker_those_not_begun(
    refreshed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    ids = [str(uuid4()) for _ in range(4)]

    tasks.refresh_feeds(ids)

    assert refreshed == ids[:3]
    assert "ZeroDivisionError" in caplog.text


def test_workers_consume_the_queue_of_each_task_but_pictures() -> None:
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}

    assert {*celery_app.amqp.queues.consume_from} == {"celery", *routed} - {"pictures"}


# What the previous release queues, by name and arguments. During a deployment new workers receive it.
QUEUED = [
    ("paris_integration.tasks.refresh_feed", [ID]),
    ("paris_integration.tasks.renew_token", [ID]),
    ("paris_integration.tasks.check_connection", [ID]),
    ("paris_integration.tasks.enqueue_due_refreshes", []),
    ("paris_integration.tasks.settle_orphans", []),
    ("paris_integration.tasks.look_after_connections", []),
    ("paris_integration.tasks.reconcile_hashtags", []),
    ("paris_integration.tasks.clean_up", []),
    ("venice_api.tasks.forget_failed_sign_ins", []),
]
NEW = {
    "paris_integration.tasks.refresh_feeds",
    "paris_integration.tasks.enqueue_due_copies",
    "paris_integration.tasks.remove_unused_pictures",
    "paris_integration.tasks.repair_pictures",
    "paris_integration.tasks.check_graph_versions",
    "venice_api.tasks.remove_old_sightings",
    "venice_api.tasks.remove_old_invitations",
    "venice_api.tasks.remove_ended_sessions",
    "outbox.tasks.deliver_due",
}


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "arguments"), QUEUED)
def test_messages_of_the_previous_release_are_understood(name: str, arguments: list[str]) -> None:
    result = celery_app.tasks[name].apply(args=arguments)

    assert result.successful(), result.traceback


def test_no_scheduled_task_is_unknown() -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert scheduled <= {name for name, _ in QUEUED} | NEW
    assert set(celery_app.tasks) >= NEW


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "module", "name"),
    [
        (tasks.clean_up, expiry, "remove_expired"),
        (venice_tasks.forget_failed_sign_ins, venice_tasks, "_forget_overdue"),
        (venice_tasks.remove_old_sightings, sightings, "remove_old"),
        (venice_tasks.remove_old_invitations, members, "remove_old_invitations"),
        (venice_tasks.remove_ended_sessions, sessions, "remove_ended"),
    ],
)
def test_cleanup_has_no_statement_limit(
    monkeypatch: pytest.MonkeyPatch, task: Callable[..., Any], module: object, name: str
) -> None:
    limits: list[float | None] = []

    def removing(**_: object) -> object:
        limits.append(statements.limit_seconds())
        return {}

    monkeypatch.setattr(module, name, removing)
    with ExitStack() as outer:
        outer.enter_context(statements.limited_to(5))
        task()

    assert limits == [statements.LONG_JOB_SECONDS]
