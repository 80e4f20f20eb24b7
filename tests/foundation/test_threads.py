"""Work in a thread always returns its database connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from django.db import DataError, connection, transaction

from foundation import threads
from tests.marks import needs_postgres

word: ContextVar[str] = ContextVar("word", default="nothing")


def asked() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def asked_and_failed() -> None:
    asked()
    raise ValueError("a bug")


def asked_what_cannot_be_asked() -> None:
    with pytest.raises(DataError), connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")


def left_in_the_middle_of_a_transaction() -> None:
    transaction.set_autocommit(False)
    asked()


WAYS = [asked, asked_and_failed, asked_what_cannot_be_asked, left_in_the_middle_of_a_transaction]


@pytest.fixture
def pool(transactional_db: None) -> Iterator[Any]:
    """The connection pool of this process, with no connection in use."""
    connection.close()
    yield connection.pool
    connection.close()


def in_use(pool: Any) -> int:
    stats = pool.get_stats()
    return int(stats["pool_size"] - stats["pool_available"])


@needs_postgres
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_thread_returns_its_connection(pool: Any, way: Callable[[], None]) -> None:
    def quietly() -> None:
        try:
            threads.run(way)
        except ValueError:
            return

    for _ in range(2 * pool.max_size):
        thread = threading.Thread(target=quietly)
        thread.start()
        thread.join()

    assert in_use(pool) == 0


@needs_postgres
def test_an_executor_returns_connections_while_its_threads_keep_running(pool: Any) -> None:
    with threads.Executor(max_workers=2) as executor:
        for way in WAYS * 3:
            executor.submit(way).exception()

        assert in_use(pool) == 0


@needs_postgres
def test_a_connection_is_kept_inside_a_transaction_and_returned_outside(pool: Any) -> None:
    with transaction.atomic():
        asked()
        threads.give_back()
        assert in_use(pool) == 1
        asked()

    threads.give_back()
    assert in_use(pool) == 0


def test_jobs_run_in_the_context_of_their_callers() -> None:
    with threads.Executor(max_workers=1) as executor:
        for expected in ("first", "second"):
            token = word.set(expected)
            assert executor.submit(word.get).result() == expected
            word.reset(token)
        assert executor.submit(word.get).result() == "nothing"


def test_started_work_returns_its_result_and_runs_in_the_context_of_its_caller() -> None:
    token = word.set("a request")
    future = threads.start(lambda first, second: (word.get(), first + second), 1, second=2)
    word.reset(token)

    assert future.result(timeout=5) == ("a request", 3)


def test_work_that_fails_is_logged_and_its_future_raises(caplog: pytest.LogCaptureFixture) -> None:
    def goes_wrong() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        threads.start(goes_wrong).result(timeout=5)

    assert [record.getMessage() for record in caplog.records] == ["work in a thread failed: goes-wrong"]
    assert "ValueError: a bug" in caplog.text


@needs_postgres
def test_started_work_returns_its_connection(pool: Any) -> None:
    for way in WAYS:
        threads.start(way).exception(timeout=10)

    assert in_use(pool) == 0


def test_a_queue_runs_all_jobs_in_few_threads_and_in_the_context_of_their_callers() -> None:
    queue = threads.Queue(places=2)
    may_end, ended = threading.Event(), threading.Semaphore(0)
    seen: set[tuple[int, str]] = set()
    used: set[int] = set()

    def job(number: int) -> None:
        assert may_end.wait(5)
        seen.add((number, word.get()))
        used.add(threading.get_ident())
        ended.release()

    for number in range(20):
        token = word.set(f"request {number}")
        queue.add(job, number)
        word.reset(token)
    may_end.set()
    assert all(ended.acquire(timeout=5) for _ in range(20))
    assert seen == {(number, f"request {number}") for number in range(20)}
    assert len(used) <= 2
    queue.add(job, 20)  # whether or not its threads have ended
    assert ended.acquire(timeout=5)


def test_a_queue_logs_a_job_that_fails_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def goes_wrong() -> None:
        raise ValueError("a bug")

    queue, done = threads.Queue(places=1), threading.Event()
    queue.add(goes_wrong)
    queue.add(done.set)

    assert done.wait(5)
    assert [record.getMessage() for record in caplog.records] == ["work in a thread failed: goes-wrong"]


def test_a_queue_survives_a_process_that_has_no_threads_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    queue, first, second = threads.Queue(places=1), threading.Event(), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threads, "start", no_thread)
        with pytest.raises(RuntimeError):
            queue.add(first.set)
    queue.add(second.set)

    assert first.wait(5)
    assert second.wait(5)


@needs_postgres
def test_a_queue_returns_connections_between_its_jobs(pool: Any) -> None:
    queue, found, done = threads.Queue(places=1), list[int](), threading.Event()
    for way in WAYS:
        queue.add(way)
        queue.add(lambda: found.append(in_use(pool)))
    queue.add(done.set)

    assert done.wait(10)
    assert found == [0] * len(WAYS)


def test_repeated_steps_continue_without_the_context_of_their_caller() -> None:
    found: list[str] = []
    enough, never = threading.Event(), threading.Event()

    def step() -> None:
        found.append(word.get())
        if len(found) == 3:
            enough.set()
            never.wait()

    token = word.set("a request")
    threads.repeat(step, name="steps")
    word.reset(token)

    assert enough.wait(5)
    assert found == ["nothing"] * 3


def test_a_repeater_starts_once_and_goes_on_after_an_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    enough = threading.Event()

    def step() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("once")
        if len(calls) >= 3:
            enough.set()

    repeater = threads.Repeater(step, seconds=lambda: 0.01 if len(calls) < 3 else 1_000, name="test")
    settings.USAGE_FLUSH_SECONDS = 0
    assert not repeater.ensure_started()
    settings.USAGE_FLUSH_SECONDS = 5
    assert [repeater.ensure_started() for _ in range(3)] == [True, False, False]
    assert enough.wait(10)
    assert calls == [1, 1, 1]
    assert "work in a thread failed: test" in caplog.text
