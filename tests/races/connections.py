"""Races around connections, by two processes on PostgreSQL: disconnects during refreshes, logins, renewals, states, key
rotation, and refusals of all connections at once.

    python -m tests.races.connections --rounds 1000 --logins 600 --renewals 50 --states 100 --rows 1000 --kills 20 \
        --refusals 200 --renewal-seconds 8

Needs DATABASE_URL of a PostgreSQL server and REDIS_URL. Creates a database there. Prints one line per race.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.processes import forking
from tests.processes.service import running_service

SPAWN = forking.CONTEXT


# Runs in the processes of the races: the product's functions, with a fake provider and fake logins.


def _set_up(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from paris_integration import registry
    from tests.fakes import FakeLogins, FakeProvider

    provider = FakeProvider()
    registry.provider = lambda: provider  # type: ignore[assignment]
    registry.logins = FakeLogins  # type: ignore[assignment]


def _key(workspace_id: str, instance_id: str) -> Any:
    from uuid import UUID

    from paris_integration.types import FeedKey, Source, SourceType

    return FeedKey(UUID(workspace_id), instance_id, Source(SourceType.PROFILE, "acme.bakery"))


def _connect(key: Any, *, now: Any, number: int = 1) -> Any:
    from paris_integration.connections import lifecycle
    from paris_integration.connections.lifecycle import Grant
    from paris_integration.observing.audit import SERVICE
    from paris_integration.types import Login, Secret

    grant = Grant(
        login=Login.INSTAGRAM,
        account_id=str(17841400000000000 + number),
        app_user_id="",
        username="acme.bakery",
        scopes=(),
        token=Secret(f"IGAA-token-{number}"),
        expires_at=now + timedelta(days=60),
    )
    return lifecycle.store_grant(key, grant, actor=SERVICE, now=now)


def refresher(environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any) -> None:
    """Fill, refresh and read the feed of each round while the other process disconnects it."""
    _set_up(environment)
    from django.utils import timezone

    from paris_integration.feeds import reading, refreshing, situation
    from paris_integration.types import Selection

    for number in range(rounds):
        key = _key(workspace_id, f"wgt_race_{number}")
        _connect(key, now=timezone.now())
        row = situation.with_feed(situation.load(key, timezone.now())).row
        assert row is not None
        barrier.wait()
        refreshing.refresh_feed(row.pk, now=timezone.now())
        reading.read_feed(key, Selection(max_posts=3), now=timezone.now())
        barrier.wait()
        barrier.wait()  # until the other has looked


def disconnector(
    environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any, report: Any
) -> None:
    """Disconnect each round's instance at about the time of its refresh, and count what is left."""
    _set_up(environment)
    from django.core.cache import cache
    from django.utils import timezone

    from paris_integration.connections import lifecycle
    from paris_integration.models import Connection, ConnectionLink, Feed
    from paris_integration.models.feeds import copy_key
    from paris_integration.observing.audit import SERVICE
    from paris_integration.types import Mode

    chance = random.Random(11)  # noqa: S311 - the same moments in every run
    left = {"tokens": 0, "links": 0, "copies": 0, "posts": 0}
    for number in range(rounds):
        key = _key(workspace_id, f"wgt_race_{number}")
        barrier.wait()
        time.sleep(chance.random() * 0.02)
        lifecycle.disconnect(key, actor=SERVICE, now=timezone.now())
        barrier.wait()
        left["tokens"] += Connection.objects.filter(token__isnull=False).count()
        left["links"] += ConnectionLink.objects.count()
        left["copies"] += cache.get(copy_key(key, Mode.CONNECTED)) is not None
        connected = Feed.objects.filter(mode="connected")
        left["posts"] += connected.exclude(posts_encoded="[]").count()
        barrier.wait()
    report.put({"rounds": rounds, **left})


def logger_in(environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any) -> None:
    """Begin a login in each round, and store its result while the other process withdraws.

    In every other round the person has already returned with two accounts, and chooses one now.
    """
    _set_up(environment)
    from paris_integration import registry
    from paris_integration.errors import LoginFailed
    from paris_integration.providers.oauth import Account
    from paris_integration.types import Actor
    from tests.fakes import FakeLogins

    fake = FakeLogins()
    registry.logins = lambda: fake  # type: ignore[assignment, return-value]
    account, another = Account("17841400000000001", "acme.bakery"), Account("17841400000000002", "trails")
    caller = Actor(1, "editor", "session-1")
    chance = random.Random(7)  # noqa: S311 - the same moments in every run
    for number in range(rounds):
        is_choice = number % 2 == 1
        fake.accounts = (account, another) if is_choice else (account,)
        fake.during_exchange = lambda: None
        attempt = _begun(_key(workspace_id, f"wgt_login_{number % 5}"), caller)
        if is_choice:
            _complete(attempt, caller, str(number))
        else:
            fake.during_exchange = lambda: time.sleep(chance.random() * 0.02)
        barrier.wait()
        with suppress(LoginFailed):
            if is_choice:
                _choose(attempt, account.account_id, caller, chance.random() * 0.01)
            else:
                _complete(attempt, caller, str(number))
        barrier.wait()
        barrier.wait()  # until the other has looked


def _begun(key: Any, caller: Any) -> Any:
    """A login whose user has just returned from Meta."""
    from urllib.parse import parse_qs, urlsplit

    from django.utils import timezone

    from paris_integration.connections import logins
    from paris_integration.types import Login

    url = logins.begin_login(
        key, Login.FACEBOOK, actor=caller, redirect_uri="https://x.example",
        callback_uri="https://x.example/callback", now=timezone.now(),
    )  # fmt: skip
    state = parse_qs(urlsplit(url).query)["state"][0]
    return logins.take_state(Login.FACEBOOK, state, actor=caller, now=timezone.now())


def _complete(attempt: Any, caller: Any, code: str) -> None:
    from django.utils import timezone

    from paris_integration.connections import logins

    logins.complete_login(
        attempt, code, actor=caller, callback_uri="https://x.example/callback", now=timezone.now()
    )


def _choose(attempt: Any, account_id: str, caller: Any, wait_seconds: float) -> None:
    from django.utils import timezone

    from paris_integration.connections import logins

    waiting = logins.find_choice(attempt.attempt_id, actor=caller, now=timezone.now())
    if waiting is not None:
        time.sleep(wait_seconds)
        logins.choose_account(waiting, account_id, actor=caller, now=timezone.now())


def withdrawer(
    environment: dict[str, str], workspace_id: str, rounds: int, barrier: Any, report: Any
) -> None:
    """Disconnect, deauthorise or delete at about the time each login is stored, and count the tokens left."""
    _set_up(environment)
    from django.utils import timezone

    from paris_integration.connections import lifecycle
    from paris_integration.connections.withdrawal import forget_account
    from paris_integration.models import Connection, LoginAttempt
    from paris_integration.observing.audit import SERVICE
    from paris_integration.types import Login

    chance = random.Random(13)  # noqa: S311 - the same moments in every run
    left = {"disconnect": 0, "deauthorisation": 0, "deletion": 0}
    for number in range(rounds):
        what = list(left)[number // 2 % 3]
        barrier.wait()
        time.sleep(chance.random() * 0.03)
        if what == "disconnect":
            key = _key(workspace_id, f"wgt_login_{number % 5}")
            lifecycle.disconnect(key, actor=SERVICE, now=timezone.now())
        else:
            erase = what == "deletion"
            forget_account(Login.FACEBOOK, "28970000000000001", erase=erase, now=timezone.now())
        barrier.wait()
        left[what] += Connection.objects.filter(token__isnull=False).count()
        left[what] += LoginAttempt.objects.filter(token__isnull=False).count()
        barrier.wait()
    report.put(left)


def renewer(
    environment: dict[str, str], connection_id: str, at: str, threads: int, answer_seconds: float, report: Any
) -> None:
    _set_up(environment)
    from datetime import datetime
    from uuid import UUID

    from django.db import connection

    from paris_integration import registry
    from paris_integration.connections import renewals
    from tests.fakes import FakeLogins

    logins = FakeLogins()
    slow = logins.renew

    def renew(*args: Any, **kwargs: Any) -> Any:
        time.sleep(answer_seconds)
        return slow(*args, **kwargs)

    logins.renew = renew  # type: ignore[method-assign]
    registry.logins = lambda: logins  # type: ignore[assignment, return-value]
    now = datetime.fromisoformat(at)

    def once(_: int) -> str:
        try:
            return renewals.renew_token(UUID(connection_id), now=now).result
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=threads) as pool:
        results = list(pool.map(once, range(threads)))
    report.put({"calls": len(logins.renewals), "renewed": results.count("renewed")})


def refused_refresher(environment: dict[str, str], feed_ids: list[str], barrier: Any, report: Any) -> None:
    """Refresh these feeds while Meta refuses every token. Returns how many incidents this process began."""
    _set_up(environment)
    import logging
    from uuid import UUID

    from django.db import connection
    from django.utils import timezone

    from paris_integration import registry
    from paris_integration.errors import TokenRejected
    from paris_integration.feeds import refreshing

    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("paris_integration.connections.incidents").addHandler(handler)
    registry.provider().raises(TokenRejected(code=190))  # type: ignore[attr-defined]

    def once(feed_id: str) -> None:
        try:
            refreshing.refresh_feed(UUID(feed_id), now=timezone.now())
        finally:
            connection.close()

    barrier.wait()
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(once, feed_ids))
    report.put(sum(line.startswith("incident begins") for line in lines))


def state_taker(environment: dict[str, str], state: str, threads: int, report: Any) -> None:
    _set_up(environment)
    from django.db import connection
    from django.utils import timezone

    from paris_integration.connections import logins
    from paris_integration.types import Actor, Login

    caller = Actor(1, "editor", "session-1")

    def once(_: int) -> bool:
        try:
            now = timezone.now()
            return logins.take_state(Login.INSTAGRAM, state, actor=caller, now=now) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=threads) as pool:
        report.put({"taken": sum(pool.map(once, range(threads)))})


# The races


def race_disconnects(environment: dict[str, str], workspace_id: str, rounds: int) -> dict[str, Any]:
    barrier, report = SPAWN.Barrier(2, timeout=60), SPAWN.Queue()
    _run(
        (refresher, (environment, workspace_id, rounds, barrier)),
        (disconnector, (environment, workspace_id, rounds, barrier, report)),
    )
    result: dict[str, Any] = report.get(timeout=10)
    return {
        "race": "disconnect",
        **result,
        "ok": not any(result[n] for n in ("tokens", "links", "copies", "posts")),
    }


def race_logins(environment: dict[str, str], workspace_id: str, rounds: int) -> dict[str, Any]:
    barrier, report = SPAWN.Barrier(2, timeout=60), SPAWN.Queue()
    _run(
        (logger_in, (environment, workspace_id, rounds, barrier)),
        (withdrawer, (environment, workspace_id, rounds, barrier, report)),
    )
    left: dict[str, int] = report.get(timeout=10)
    return {"race": "logins", "rounds": rounds, "tokensLeft": left, "ok": not any(left.values())}


def race_renewals(
    environment: dict[str, str], workspace_id: str, renewals: int, answer_seconds: float
) -> dict[str, Any]:
    report = SPAWN.Queue()
    connection_id, due_at = _in_process(environment, prepare_renewal, workspace_id)
    arguments = (environment, connection_id, due_at, renewals // 2, answer_seconds, report)
    _run(*[(renewer, arguments) for _ in range(2)])
    said = [report.get(timeout=10) for _ in range(2)]
    calls = sum(each["calls"] for each in said)
    return {
        "race": "renewals",
        "asked": renewals,
        "answerSeconds": answer_seconds,
        "calls": calls,
        "ok": calls == 1,
    }


def race_refusals(environment: dict[str, str], workspace_id: str, refusals: int) -> dict[str, Any]:
    """Meta refuses all connections at once. At most four are marked dead, and one process alerts."""
    barrier, report = SPAWN.Barrier(2, timeout=60), SPAWN.Queue()
    feed_ids = _in_process(environment, prepare_feeds, workspace_id, refusals)
    halves = (feed_ids[::2], feed_ids[1::2])
    _run(*[(refused_refresher, (environment, half, barrier, report)) for half in halves])
    begun = sum(report.get(timeout=10) for _ in range(2))
    marked = _in_process(environment, count_marked, workspace_id)
    ok = begun == 1 and marked <= 4
    return {"race": "refusals", "refused": refusals, "marked": marked, "begun": begun, "ok": ok}


def race_states(environment: dict[str, str], workspace_id: str, states: int) -> dict[str, Any]:
    report = SPAWN.Queue()
    state = _in_process(environment, prepare_state, workspace_id)
    _run(*[(state_taker, (environment, state, states // 2, report)) for _ in range(2)])
    taken = sum(report.get(timeout=10)["taken"] for _ in range(2))
    return {"race": "states", "callbacks": states, "taken": taken, "ok": taken == 1}


def race_rotation(environment: dict[str, str], workspace_id: str, rows: int, kills: int) -> dict[str, Any]:
    """Each run rotates to a new key and is killed midway. Every row must stay readable."""
    ring = environment["TOKEN_ENCRYPTION_KEYS"].split(",")
    _in_process(environment, prepare_rows, workspace_id, rows)
    chance = random.Random(3)  # noqa: S311 - the same moments in every run
    unreadable = hit = 0
    for _ in range(kills):
        ring.insert(0, urlsafe_b64encode(secrets.token_bytes(32)).decode())
        current = environment | {"TOKEN_ENCRYPTION_KEYS": ",".join(ring)}
        command = forking.start(
            ["manage.py", "rotate_encryption_keys"], current, stdout=Path(os.devnull), stderr=Path(os.devnull)
        )
        time.sleep(0.3 + chance.random())
        hit += command.poll() is None
        command.send_signal(signal.SIGKILL)
        command.wait()
        unreadable += _in_process(current, count_unreadable, False)
    done = forking.run("manage.py", "rotate_encryption_keys", env=current)
    alone = current | {"TOKEN_ENCRYPTION_KEYS": ring[0]}
    left = _in_process(alone, count_unreadable, True)
    said = json.loads(done.stdout)
    ok = unreadable == 0 and left == 0 and said["left"] == 0
    return {"race": "rotation", "rows": rows, "kills": kills, "killedOnTheWay": hit, "unreadable": unreadable, "leftOnOldKeys": left, "ok": ok}  # noqa: E501 # fmt: skip


def prepare_renewal(workspace_id: str) -> tuple[str, str]:
    from django.utils import timezone

    from paris_integration.models import Connection

    facts = _connect(_key(workspace_id, "wgt_renewals"), now=timezone.now(), number=2)
    row = Connection.objects.get(pk=facts.connection_id)
    assert row.next_renewal_at is not None
    return str(row.pk), row.next_renewal_at.isoformat()


def prepare_state(workspace_id: str) -> str:
    from urllib.parse import parse_qs, urlsplit

    from django.utils import timezone

    from paris_integration.connections import logins
    from paris_integration.types import Actor, Login

    url = logins.begin_login(
        _key(workspace_id, "wgt_states"), Login.INSTAGRAM, actor=Actor(1, "editor", "session-1"),
        redirect_uri="https://x.example", callback_uri="https://x.example/callback", now=timezone.now(),
    )  # fmt: skip
    return parse_qs(urlsplit(url).query)["state"][0]


def prepare_rows(workspace_id: str, rows: int) -> None:
    from django.utils import timezone

    for number in range(rows):
        _connect(_key(workspace_id, f"wgt_rows_{number}"), now=timezone.now(), number=100 + number)


def prepare_feeds(workspace_id: str, feeds: int) -> list[str]:
    from django.utils import timezone

    from paris_integration.feeds import situation

    ids = []
    for number in range(feeds):
        key = _key(workspace_id, f"wgt_refused_{number}")
        _connect(key, now=timezone.now(), number=10_000 + number)
        row = situation.with_feed(situation.load(key, timezone.now())).row
        assert row is not None
        ids.append(str(row.pk))
    return ids


def count_marked(workspace_id: str) -> int:
    from paris_integration.models import Connection

    return Connection.objects.filter(workspace_id=workspace_id, state="reconnect_required").count()


def count_unreadable(_: bool) -> int:
    from paris_integration.connections import vault
    from paris_integration.models import Connection

    unreadable = 0
    for row in Connection.objects.exclude(token=None):
        try:
            assert row.token is not None
            vault.open_token(row.token, row_id=row.pk)
        except vault.CannotOpen:
            unreadable += 1
    return unreadable


def _in_process(environment: dict[str, str], work: Callable[..., Any], *arguments: Any) -> Any:
    report = SPAWN.Queue()
    process = SPAWN.Process(target=_report, args=(environment, work, arguments, report))
    process.start()
    result = report.get(timeout=120)
    process.join()
    return result


def _report(
    environment: dict[str, str], work: Callable[..., Any], arguments: tuple[Any, ...], report: Any
) -> None:
    _set_up(environment)
    report.put(work(*arguments))


def _run(*jobs: tuple[Callable[..., None], tuple[Any, ...]]) -> None:
    processes = [SPAWN.Process(target=target, args=arguments) for target, arguments in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=600)
        assert process.exitcode == 0, "a process of the race failed"


def race_all(
    folder: Path,
    *,
    rounds: int,
    logins: int,
    renewals: int,
    states: int,
    rows: int,
    kills: int,
    refusals: int,
    renewal_seconds: float = 0.3,
) -> list[dict[str, Any]]:
    with running_service(folder, webs=0, LOG_LEVEL="ERROR") as service:
        workspace_id = service.workspace("business")
        environment = service.environment
        return [
            race_disconnects(environment, workspace_id, rounds),
            race_logins(environment, workspace_id, logins),
            race_renewals(environment, workspace_id, renewals, renewal_seconds),
            race_states(environment, workspace_id, states),
            race_refusals(environment, workspace_id, refusals),
            race_rotation(environment, workspace_id, rows, kills),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--logins", type=int, default=600)
    parser.add_argument("--renewals", type=int, default=50)
    parser.add_argument("--states", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--refusals", type=int, default=200)
    parser.add_argument("--renewal-seconds", type=float, default=8.0)
    with tempfile.TemporaryDirectory() as folder:
        results = race_all(Path(folder), **vars(parser.parse_args()))
    for result in results:
        print(json.dumps(result), flush=True)
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
