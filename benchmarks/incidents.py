"""Simulate incidents at Meta with many connections, and count calls, changes of state, mails and alerts.

python -m benchmarks.incidents [--connections 1000] [--scenario banned]...

Beat and the workers run in one process with a fake provider and a simulated clock, on a temporary SQLite database.
Each scenario runs with the incident mode and without it (INCIDENT_CONNECTIONS is then too large to reach), and is
compared with the same number of hours without a fault. The exit status is 1 if a goal is missed. With 1,000
connections it takes about a quarter of an hour on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
USUAL_HOURS = 2
OUT_OF_REACH = 1_000_000
FEWER_PERCENT = 95
RECOVERY_MINUTES = 15
READS = 50
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - SQLite waits for the disk at every commit


@dataclass(frozen=True)
class Scenario:
    """What Meta answers to calls of Instagram login. `facebook_percent` of the connections use Facebook login."""

    words: str
    hours: int
    fault: Callable[[], Exception] | None
    facebook_percent: int = 0


def _scenarios() -> dict[str, Scenario]:
    from paris_integration.errors import PermissionMissing, ProviderUnavailable, RateLimited, TokenRejected

    return {
        "usual": Scenario("nothing fails", USUAL_HOURS, None),
        "banned": Scenario("app banned for a day", 24, lambda: PermissionMissing(code=200, status=403)),
        "mass190": Scenario("mass 190 by mistake", 2, lambda: TokenRejected(code=190, status=400)),
        "mass429": Scenario("mass 429", 2, lambda: RateLimited(status=429)),
        "half": Scenario("half of Meta's hosts away", 2, lambda: ProviderUnavailable("timed out"), 50),
    }


@dataclass
class Outcome:
    """`calls`: calls of the login that fails, until Meta recovers; `others`: calls of the other login.

    `reads`: widgets that show all their posts. `marked`: connections that changed state while it failed; `lasting`:
    half an hour after the recovery. `minutes`: from the recovery until every feed of the login has been refreshed; None
    if that didn't happen within an hour.
    """

    calls: int
    others: int
    reads: int
    marked: int
    lasting: int
    mails: int
    alerts: int
    minutes: int | None


class Simulation:
    """Connected widgets whose feeds are filled, with TTLs that end at different times."""

    def __init__(self, scenario: Scenario, connections: int, stack: ExitStack) -> None:
        import time_machine

        from paris_integration.types import Login
        from tests.fakes import FakeProvider
        from tests.paris_integration.connections.world import World

        self.scenario, self.connections = scenario, connections
        self.failing = connections - connections * scenario.facebook_percent // 100
        self.provider, self.mails = FakeProvider(), 0
        traveller = stack.enter_context(time_machine.travel(NOW, tick=False))
        self._patch(stack)
        clock = mock.Mock(move_to=lambda moment, *, tick: traveller.move_to(moment))
        self.world = World(clock, self.provider, lambda **_: nullcontext())
        self.world.connect(*range(self.failing))
        self.world.connect(*range(self.failing, connections), login=Login.FACEBOOK)
        for number in range(connections):
            if number % max(connections // 60, 1) == 0:
                self.world.pass_time(MINUTE)
            self.world.read(number)
        self.provider.requests.clear()
        self.alerts, self._is_alerting = 0, False

    def _patch(self, stack: ExitStack) -> None:
        """As the fixtures of the tests do."""
        from django.db.models import DateTimeField, Value
        from django.utils import timezone

        from config.celery import app
        from outbox import sending
        from paris_integration import clock, registry
        from paris_integration.feeds import reading, refreshing
        from paris_integration.media import copying, sweeping
        from paris_integration.quota import forcing
        from tests.fakes import FakeLogins, InlineBoard, RecordingDispatcher

        def count_mail(*_: object) -> None:
            self.mails += 1

        logins = FakeLogins()
        replaced: list[tuple[Any, str, Any]] = [
            (registry, "provider", lambda: self.provider),
            (registry, "logins", lambda: logins),
            (clock, "database_now", timezone.now),
            (clock, "moment", lambda: Value(timezone.now(), output_field=DateTimeField())),
            (sending, "queue", count_mail),
        ]
        replaced += [(module, "board", InlineBoard()) for module in (reading, forcing)]
        replaced += [
            (module, "dispatcher", RecordingDispatcher())
            for module in (reading, refreshing, copying, sweeping)
        ]
        for module, name, value in replaced:
            stack.enter_context(mock.patch.object(module, name, value))
        app.conf.task_always_eager = True

    def run(self) -> Outcome:
        from paris_integration.types import Login

        fault = self.scenario.fault() if self.scenario.fault is not None else None
        if fault is not None:
            self.provider.fault_for = (  # type: ignore[assignment]
                lambda asked: fault if getattr(asked, "login", None) is Login.INSTAGRAM else None
            )
        self._pass(HOUR, MINUTE)
        long = max(self.scenario.hours - 3, 0)
        self._pass_quickly(long * HOUR)
        self._pass((self.scenario.hours - 1 - long) * HOUR, 5 * MINUTE)
        by_login = [getattr(request, "login", None) for request in self.provider.requests]
        marked = self._marked()
        reads = sum(len(self.world.read(number).posts) == 3 for number in self._sample())
        self.world.recover()
        minutes = self._recover() if fault is not None else 0
        return Outcome(
            calls=by_login.count(Login.INSTAGRAM),
            others=by_login.count(Login.FACEBOOK),
            reads=reads,
            marked=marked,
            lasting=self._marked(),
            mails=self.mails,
            alerts=self.alerts,
            minutes=minutes,
        )

    def _recover(self) -> int | None:
        """Minutes until every feed of the login has been refreshed. Continues for half an hour, to count late mails."""
        from django.utils import timezone

        from paris_integration.models import Feed

        recovered_at, minutes = timezone.now(), None
        ours = [f"wgt_{number}" for number in range(self.failing)]
        for minute in range(1, 61):
            self._pass(MINUTE, MINUTE)
            waiting = Feed.objects.filter(fetched_at__lt=recovered_at).values_list("instance_id", flat=True)
            if minutes is None and not set(waiting) & set(ours):
                minutes = minute
            if minutes is not None and minute >= 30:
                break
        return minutes

    def _pass(self, time: timedelta, step: timedelta) -> None:
        for _ in range(round(time / step)):
            self.world.work(1, step=step)
            self._watch()

    def _pass_quickly(self, time: timedelta) -> None:
        """Probe as usual, but look for due feeds only every half hour: in an incident they aren't refreshed."""
        from paris_integration.connections import health

        for step in range(round(time / (5 * MINUTE))):
            if step % 6 == 5:
                self._pass(5 * MINUTE, 5 * MINUTE)
            else:
                self.world.pass_time(5 * MINUTE)
                health.probe_incidents()

    def _watch(self) -> None:
        """The alert InstagramIncident fires once for each time that the gauge rises."""
        from paris_integration.observing.gauges import DatabaseGauges

        gauge = next(family for family in DatabaseGauges().collect() if family.name == "instagram_incident")
        is_alerting = any(sample.value > 0 for sample in gauge.samples)
        self.alerts += is_alerting and not self._is_alerting
        self._is_alerting = is_alerting

    def _marked(self) -> int:
        from paris_integration.connections.lifecycle import USABLE_STATES
        from paris_integration.models import Connection

        return Connection.objects.exclude(state__in=USABLE_STATES).count()

    def _sample(self) -> list[int]:
        return list(range(0, self.failing, max(self.failing // READS, 1)))[:READS]


def simulate(name: str, connections: int) -> None:
    """Run one scenario in this process, and print its outcome as JSON."""
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with ExitStack() as stack:
        print(json.dumps(asdict(Simulation(_scenarios()[name], connections, stack).run())))


def in_a_process(name: str, connections: int, *, with_incidents: bool) -> Outcome:
    """Run one scenario in a separate process with a separate database."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{folder}/incidents.sqlite3",
            "REDIS_URL": "",
            "LOG_LEVEL": "CRITICAL",
            "VAR_DIR": folder,
        }
        if not with_incidents:
            environment["INCIDENT_CONNECTIONS"] = str(OUT_OF_REACH)
        command = [
            sys.executable,
            "-m",
            "benchmarks.incidents",
            "--connections",
            str(connections),
            "--one",
            name,
        ]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def report(name: str, connections: int, usual: Outcome) -> bool:
    """Print one scenario. Returns whether its goals are reached."""
    scenario = _scenarios()[name]
    on, off = (in_a_process(name, connections, with_incidents=each) for each in (True, False))
    failing = connections - connections * scenario.facebook_percent // 100
    expected = usual.calls * scenario.hours * failing / (USUAL_HOURS * connections)
    fewer = 100 * (1 - on.calls / expected)
    print(
        f"{scenario.words} ({failing} connections, {scenario.hours} h)\n"
        f"  calls: usually {expected:,.0f}, without incident mode {off.calls:,}, with it {on.calls:,}"
        f" ({fewer:.1f} % fewer than usual)\n"
        f"  calls of the other login: {on.others:,}\n"
        f"  connections marked: without {off.marked}, with {on.marked} while it lasts; lasting: without {off.lasting},"
        f" with {on.lasting}\n"
        f"  mails: without {off.mails}, with {on.mails}; alerts: {on.alerts}\n"
        f"  widgets read in the incident that show their posts: {on.reads} of {READS}\n"
        f"  minutes from Meta's recovery until all feeds are fresh: without {off.minutes}, with {on.minutes}",
        flush=True,
    )
    return (
        fewer >= FEWER_PERCENT
        and (on.lasting, on.mails, on.alerts) == (0, 0, 1)
        and on.reads == min(READS, failing)
        and on.minutes is not None
        and on.minutes <= RECOVERY_MINUTES
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--scenario", action="append", choices=["banned", "mass190", "mass429", "half"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        simulate(given.one, given.connections)
        return 0
    usual = in_a_process("usual", given.connections, with_incidents=True)
    print(f"usual calls of {given.connections} connections in {USUAL_HOURS} h: {usual.calls:,}", flush=True)
    names = given.scenario or ["banned", "mass190", "mass429", "half"]
    reached = [report(name, given.connections, usual) for name in names]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
