"""Storing and deleting connections at the same time on PostgreSQL: no deadlock, and a consistent result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from entitlements.models import Plan, Workspace
from paris_integration.connections import lifecycle, links, login_fences, logins, withdrawal
from paris_integration.errors import LoginFailed
from paris_integration.models import Connection, ConnectionLink, Feed, LoginAttempt
from paris_integration.observing.audit import SERVICE
from paris_integration.providers.oauth import Account
from paris_integration.types import Actor, FeedKey, Login, Mode, Secret, Source, SourceType
from tests.fakes import FakeLogins
from tests.marks import needs_postgres
from tests.paris_integration.connections.test_connections import FACEBOOK

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True)]

CALLER = Actor(7, "editor", "session-1")
PERSON = FACEBOOK.app_user_id
OTHER = replace(
    FACEBOOK,
    account_id="17841400000000002",
    app_user_id="102000000000009",
    username="northern.trails",
    token=Secret("EAAB-other"),
)


@pytest.fixture
def key() -> FeedKey:
    # Tests that commit empty all tables, including those of the plans.
    plan, _ = Plan.objects.get_or_create(key="pro", defaults={"name": "Pro", "rank": 3})
    workspace = Workspace.objects.create(name="Acme", plan=plan)
    return FeedKey(workspace.pk, "wgt_1", Source(SourceType.PROFILE, "acme.bakery"))


@pytest.fixture
def run() -> Iterator[Callable[..., Future[Any]]]:
    """Run a function in a thread, with a separate database connection."""

    def work(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connection.close()
            for pool in getattr(caches["default"], "_cache", SimpleNamespace(_pools={}))._pools.values():
                pool.disconnect()  # Django keeps a Redis pool per thread, and closes none

    with ThreadPoolExecutor(max_workers=8) as pool:
        yield lambda *arguments, **named: pool.submit(work, *arguments, **named)


def wait_for_blocked(count: int) -> None:
    """Wait until this many other sessions are waiting for a lock."""
    give_up_at = time.monotonic() + 20
    pause = threading.Event()
    while _blocked() < count:
        assert time.monotonic() < give_up_at, "nothing waits for a lock"
        pause.wait(0.01)


def _blocked() -> int:
    with connection.cursor() as cursor:
        # Without this, pg_stat_activity doesn't change inside a transaction.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


@contextmanager
def held(rows: QuerySet[Any]) -> Iterator[None]:
    """Lock the rows, so that others wait for them."""
    with transaction.atomic():
        assert list(rows.select_for_update())
        yield


def at_once(run: Any, first: Callable[[], object], second: Callable[[], object]) -> list[Future[Any]]:
    """Run both. The first commits only when the second waits for a lock or has ended."""
    has_acted, may_commit = threading.Event(), threading.Event()

    def slowly() -> object:
        with transaction.atomic():
            done = first()
            has_acted.set()
            assert may_commit.wait(20)
        return done

    futures = [run(slowly)]
    assert has_acted.wait(20)
    futures.append(run(second))
    wait_for_blocked(1)
    may_commit.set()
    return futures


def store(key: FeedKey, grant: lifecycle.Grant = FACEBOOK) -> None:
    lifecycle.store_grant(key, grant, actor=SERVICE, now=timezone.now())


def disconnect(key: FeedKey) -> None:
    lifecycle.disconnect(key, actor=SERVICE, now=timezone.now())


def forget(*, erase: bool = True, user_id: str = PERSON) -> int:
    return withdrawal.forget_account(Login.FACEBOOK, user_id, erase=erase, now=timezone.now())


def add_feed(key: FeedKey) -> None:
    Feed.objects.create(
        workspace_id=key.workspace_id, instance_id=key.instance_id, source_type="profile",
        source_value="acme.bakery", mode=Mode.CONNECTED.value,
    )  # fmt: skip


@pytest.mark.parametrize("erase", [True, False], ids=["deletion", "deauthorisation"])
@pytest.mark.parametrize("rows", [Connection, ConnectionLink, Feed], ids=["connection", "link", "feed"])
@pytest.mark.parametrize("first", ["forget", "disconnect"])
def test_a_withdrawal_and_a_disconnect_do_not_wait_for_each_other(
    key: FeedKey, run: Any, first: str, rows: Any, erase: bool
) -> None:
    """Both wait for the same row, in either order, and both finish."""
    twin = replace(key, instance_id="wgt_2")
    for each in (key, twin):
        store(each)
        add_feed(each)
    acts = {"forget": lambda: forget(erase=erase), "disconnect": lambda: disconnect(key)}
    second = "disconnect" if first == "forget" else "forget"

    with held(rows.objects.all()):
        futures = [run(acts[first])]
        wait_for_blocked(1)
        futures.append(run(acts[second]))
        wait_for_blocked(2)
    for future in futures:
        future.result(timeout=20)

    assert not Connection.objects.filter(token__isnull=False).exists()
    assert Feed.objects.count() == 0


@pytest.mark.parametrize("first", ["store", "disconnect"])
def test_a_grant_and_the_disconnect_of_another_widget_do_not_wait_for_each_other(
    key: FeedKey, run: Any, first: str
) -> None:
    """The grant reopens the feeds of all widgets of the connection, also those the disconnect deletes."""
    twin = replace(key, instance_id="wgt_2")
    for each in (key, twin):
        store(each)
        add_feed(each)
    acts = [lambda: store(twin), lambda: disconnect(key)]
    if first == "disconnect":
        acts.reverse()

    with held(Connection.objects.all()):
        futures = []
        for number, act in enumerate(acts, start=1):
            futures.append(run(act))
            wait_for_blocked(number)
    for future in futures:
        future.result(timeout=20)

    assert ConnectionLink.objects.get().pk == Feed.objects.get().instance_id == "wgt_2"


def test_two_widgets_that_swap_their_accounts_do_not_wait_for_each_other(key: FeedKey, run: Any) -> None:
    twin = replace(key, instance_id="wgt_2")
    store(key, FACEBOOK)
    store(twin, OTHER)

    with held(Connection.objects.all()):
        futures = [run(store, key, OTHER), run(store, twin, FACEBOOK)]
        wait_for_blocked(2)
    for future in futures:
        future.result(timeout=20)

    linked = dict(ConnectionLink.objects.values_list("pk", "connection__username"))
    assert linked == {"wgt_1": OTHER.username, "wgt_2": FACEBOOK.username}
    assert Connection.objects.count() == 2


def test_a_new_account_that_two_people_connect_at_once_becomes_one_connection(key: FeedKey, run: Any) -> None:
    twin = replace(key, instance_id="wgt_2")
    second_person = replace(FACEBOOK, app_user_id="2", token=Secret("EAAB-second"))

    first, second = at_once(run, lambda: store(key), lambda: store(twin, second_person))
    first.result(timeout=20)
    second.result(timeout=20)

    row = Connection.objects.get()
    assert (row.app_user_id, row.token_version) == ("2", 3)
    assert ConnectionLink.objects.count() == 2


# Logins under way


@pytest.fixture
def two_accounts(logins: FakeLogins) -> FakeLogins:
    logins.accounts = (
        Account(FACEBOOK.account_id, FACEBOOK.username),
        Account(OTHER.account_id, OTHER.username),
    )
    return logins


def begun_login(key: FeedKey) -> logins.Attempt:
    """A login whose user has just returned from Meta."""
    url = logins.begin_login(
        key, Login.FACEBOOK, actor=CALLER, redirect_uri="https://x.example", callback_uri="https://y.example",
        now=timezone.now(),
    )  # fmt: skip
    state = url.partition("state=")[2].partition("&")[0]
    attempt = logins.take_state(Login.FACEBOOK, state, actor=CALLER, now=timezone.now())
    assert attempt is not None
    return attempt


def complete(attempt: logins.Attempt) -> str:
    try:
        logins.complete_login(
            attempt,
            str(attempt.attempt_id),
            actor=CALLER,
            callback_uri="https://y.example",
            now=timezone.now(),
        )
    except LoginFailed as failure:
        return failure.reason
    return "stored"


def waiting_choice(key: FeedKey) -> logins.Attempt:
    attempt = begun_login(key)
    assert complete(attempt) == "stored"
    waiting = logins.find_choice(attempt.attempt_id, actor=CALLER, now=timezone.now())
    assert waiting is not None
    return waiting


def choose(attempt: logins.Attempt, account_id: str) -> str:
    try:
        logins.choose_account(attempt, account_id, actor=CALLER, now=timezone.now())
    except LoginFailed as failure:
        return failure.reason
    return "stored"


@pytest.mark.usefixtures("two_accounts")
@pytest.mark.parametrize("second", [FACEBOOK.account_id, OTHER.account_id], ids=["same", "other"])
def test_two_simultaneous_clicks_use_a_choice_once(key: FeedKey, run: Any, second: str) -> None:
    """Both have read the choice and wait for its lock."""
    attempt = waiting_choice(key)

    with held(LoginAttempt.objects.all()):
        futures = [run(choose, attempt, FACEBOOK.account_id), run(choose, attempt, second)]
        wait_for_blocked(2)

    assert sorted(future.result(timeout=20) for future in futures) == ["STATE_INVALID", "stored"]
    assert Connection.objects.get().token_version == 2
    assert LoginAttempt.objects.count() == 0


@pytest.mark.usefixtures("two_accounts")
def test_two_logins_for_one_widget_leave_no_connection_without_a_widget(key: FeedKey, run: Any) -> None:
    """Neither finds a link. The login that is stored later removes the other's connection."""
    first, second = waiting_choice(key), waiting_choice(key)
    LoginAttempt.objects.filter(pk=second.attempt_id).update(app_user_id="2")

    with held(LoginAttempt.objects.all()):
        futures = [run(choose, first, FACEBOOK.account_id), run(choose, second, OTHER.account_id)]
        wait_for_blocked(2)

    assert [future.result(timeout=20) for future in futures] == ["stored", "stored"]
    assert ConnectionLink.objects.get().connection == Connection.objects.get()


WITHDRAWALS = [
    pytest.param(disconnect, id="disconnect"),
    pytest.param(lambda _: forget(erase=False, user_id="28970000000000001"), id="deauthorisation"),
    pytest.param(lambda _: forget(user_id="28970000000000001"), id="deletion"),
    pytest.param(lambda _: forget(user_id=FACEBOOK.account_id), id="deletion by account"),
]


@pytest.mark.usefixtures("two_accounts")
@pytest.mark.parametrize("first", ["choice", "withdrawal"])
@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_a_choice_and_a_withdrawal_at_the_same_time_leave_no_token(
    key: FeedKey, run: Any, withdraw: Callable[[FeedKey], object], first: str
) -> None:
    attempt = waiting_choice(key)
    acts = [lambda: choose(attempt, FACEBOOK.account_id), lambda: withdraw(key)]
    if first == "withdrawal":
        acts.reverse()

    with held(LoginAttempt.objects.all()):
        futures = []
        for number, act in enumerate(acts, start=1):
            futures.append(run(act))
            wait_for_blocked(number)
    for future in futures:
        future.result(timeout=20)

    assert not Connection.objects.filter(token__isnull=False).exists()
    assert LoginAttempt.objects.count() == 0


@pytest.mark.parametrize("accounts", [1, 2])
@pytest.mark.parametrize("first", ["login", "withdrawal"])
@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_a_login_and_a_withdrawal_at_the_same_time_leave_no_token(
    key: FeedKey, run: Any, two_accounts: FakeLogins, withdraw: Callable[[FeedKey], object], first: str,
    accounts: int,
) -> None:  # fmt: skip
    two_accounts.accounts = two_accounts.accounts[:accounts]
    # Rows of the person and the accounts exist already. They are locked like new ones.
    login_fences.hold_persons(Login.FACEBOOK, ["28970000000000001", FACEBOOK.account_id, OTHER.account_id])
    attempt = begun_login(key)
    acts = [lambda: complete(attempt), lambda: withdraw(key)]
    if first == "withdrawal":
        acts.reverse()

    results = [future.result(timeout=20) for future in at_once(run, *acts)]

    assert ("stored" in results) is (first == "login")
    assert not Connection.objects.filter(token__isnull=False).exists()
    assert not LoginAttempt.objects.filter(token__isnull=False).exists()


@pytest.mark.parametrize("erase", [True, False], ids=["deletion", "deauthorisation"])
@pytest.mark.parametrize("first", ["login", "withdrawal"])
def test_an_account_connected_by_another_person_meanwhile_uses_the_new_grant(
    key: FeedKey, run: Any, first: str, erase: bool
) -> None:
    """Two people manage one account, which is one connection. It uses the grant that was stored last."""
    store(key)
    twin = replace(key, instance_id="wgt_2")
    second_person = replace(FACEBOOK, app_user_id="2", token=Secret("EAAB-second"))
    acts = [lambda: store(twin, second_person), lambda: forget(erase=erase)]
    if first == "withdrawal":
        acts.reverse()

    for future in at_once(run, *acts):
        future.result(timeout=20)

    row = Connection.objects.get()
    assert (row.app_user_id, row.state) == ("2", "active")
    assert lifecycle.open_token(links.facts_of(row)) == Secret("EAAB-second")
    assert ConnectionLink.objects.filter(pk="wgt_2", connection=row).exists()


def test_two_people_with_several_accounts_can_be_deleted_at_the_same_time(key: FeedKey, run: Any) -> None:
    """Each withdrawal locks several connections. None is shared."""
    for number in range(6):
        of = replace(key, instance_id=f"wgt_{number}")
        store(of, replace(FACEBOOK, account_id=str(number), app_user_id=str(100 + number % 2)))
        add_feed(of)

    with held(Connection.objects.all()):
        futures = [run(forget, user_id=user_id) for user_id in ("100", "101")]
        wait_for_blocked(2)

    assert [future.result(timeout=20) for future in futures] == [3, 3]
    assert Connection.objects.count() == ConnectionLink.objects.count() == Feed.objects.count() == 0
