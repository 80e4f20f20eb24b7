"""What ends a connection and what doesn't: refusals of other calls, wrong clocks, and failures of our app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from paris_integration import tasks
from paris_integration.connections import health, incidents, lifecycle, notices, renewals
from paris_integration.connections.incidents import BurstLimits, is_incident, probe_wait
from paris_integration.errors import (
    PermissionMissing,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TokenRejected,
)
from paris_integration.models import AuditEvent, Connection, Feed, Incident
from paris_integration.providers.base import DiscoveryRequest, FeedRequest, HashtagRequest, OwnMediaRequest
from paris_integration.public import (
    Source,
    SourceType,
    Warning,
    read_feed,
    read_feed_as_member,
    refresh_due_now,
)
from paris_integration.types import Login, Secret
from tests.fakes import FakeLogins
from tests.metrics import scrape
from tests.paris_integration.connections.world import (
    DEAD,
    EDITOR,
    TWELVE,
    World,
    grant_of,
    incident_lines,
    key_of,
)

# Simulations of hours with dozens of connections. tests/races begins incidents with processes on PostgreSQL.
pytestmark = [pytest.mark.sqlite_leg, pytest.mark.usefixtures("mail_at_once")]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def refusing(kind: type[FeedRequest], fault: ProviderError) -> Callable[[FeedRequest], ProviderError | None]:
    return lambda asked: fault if isinstance(asked, kind) else None


@pytest.mark.parametrize(
    ("refused", "tried", "expected"),
    [
        pytest.param(0, 0, False, id="nothing was tried"),
        pytest.param(4, 4, False, id="all of a few"),
        pytest.param(5, 5, True, id="enough, and all of them"),
        pytest.param(5, 25, True, id="exactly the share"),
        pytest.param(5, 26, False, id="enough, but a small share"),
        pytest.param(200, 1_000, True, id="the share of many"),
        pytest.param(199, 1_000, False, id="many, but one short of the share"),
    ],
)
def test_refusals_become_an_incident_by_number_and_share(refused: int, tried: int, expected: bool) -> None:
    assert is_incident(refused, tried, BurstLimits(5, 20)) is expected


def test_probes_become_rarer_up_to_ten_minutes() -> None:
    waits = [probe_wait(probes) / MINUTE for probes in (0, 1, 2, 3, 4, 5, 1_000)]
    assert waits == [1, 2, 4, 8, 10, 10, 10]


# What ends a connection


def test_a_single_withdrawal_is_detected_and_mailed_after_the_wait(world: World) -> None:
    world.fill(*range(30))
    world.refuse(7)
    world.work(20)  # the TTL ends on the way

    assert world.dead() == ["shop.7"]
    died_at = world.connection(7).state_changed_at
    assert len(mail.outbox) == 1
    assert mail.outbox[0].subject == "@shop.7: please reconnect Instagram"
    assert world.read(7).warnings == {Warning.RECONNECT_REQUIRED}
    assert not world.read(8).warnings
    assert Incident.objects.count() == 0
    mail.outbox.clear()
    Connection.objects.update(told_days=None)
    assert notices.send_due(now=died_at + timedelta(minutes=9)) == 0
    assert notices.send_due(now=died_at + timedelta(minutes=10)) == 1


def test_a_few_connections_never_cause_an_incident(world: World) -> None:
    world.fill(*range(4))
    world.refuse(*range(4))
    world.work(20)
    assert len(world.dead()) == 4
    assert len(mail.outbox) == 4


@pytest.mark.parametrize(
    "fault", [PermissionMissing(code=10), PermissionMissing(code=200), PermissionMissing(code=294)]
)
@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (HashtagRequest, Source(SourceType.HASHTAG, "bread")),
        (DiscoveryRequest, Source(SourceType.PROFILE, "somebody.else")),
    ],
)
def test_a_permission_refused_for_one_feed_does_not_affect_others(
    world: World, logins: FakeLogins, kind: type[FeedRequest], source: Source, fault: ProviderError
) -> None:
    world.connect(1, login=Login.FACEBOOK)
    world.connect(2, login=Login.FACEBOOK)
    world.provider.tags["bread"] = "17843800000000001"
    world.provider.fault_for = refusing(kind, fault)
    key = replace(key_of(world.workspace, 1), source=source)

    refused = read_feed(key, TWELVE, now=NOW)

    assert refused.warnings == {Warning.PERMISSION_MISSING}
    feed = Feed.objects.get(source_value=source.value)
    assert feed.blocked_until == NOW + timedelta(minutes=5)
    assert feed.failures == 1
    assert len(read_feed(key_of(world.workspace, 1), TWELVE, now=NOW).posts) == 3
    assert world.dead() == []
    asked = len(world.provider.requests)
    world.work(6)
    assert Feed.objects.get(pk=feed.pk).failures == 2, "the feed is tried again"
    assert len(world.provider.requests) == asked + 1, "and nothing is checked for it"
    world.pass_time(50 * DAY)
    world.work()
    assert "token-1" in logins.renewals
    assert world.dead() == []
    assert mail.outbox == []


def test_a_refused_permission_is_retried_at_growing_intervals(world: World) -> None:
    world.connect(1, login=Login.FACEBOOK)
    world.provider.fault_for = refusing(DiscoveryRequest, PermissionMissing(code=10))
    key = key_of(world.workspace, 1, "somebody.else")
    waits = []
    for _ in range(12):
        read_feed(key, TWELVE, now=timezone.now())
        feed = Feed.objects.get()
        assert feed.blocked_until is not None
        waits.append((feed.blocked_until - timezone.now()) / MINUTE)
        world.clock.move_to(feed.blocked_until, tick=False)
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 24 * 60


def test_a_dead_token_found_by_discovery_is_checked_once_and_ends_the_connection(world: World) -> None:
    world.connect(1, login=Login.FACEBOOK)
    world.refuse(1)
    for name in ("somebody.else", "another.one", "a.third"):
        view = read_feed(key_of(world.workspace, 1, name), TWELVE, now=NOW)
        assert view.warnings == {Warning.RECONNECT_REQUIRED}
    assert world.dead() == []

    world.work()

    assert world.dead() == ["shop.1"]
    own = [request for request in world.provider.requests if isinstance(request, OwnMediaRequest)]
    assert len(own) == 1
    world.work(30)
    assert len(world.provider.requests) == 4
    assert len(mail.outbox) == 1


def test_a_token_refused_by_discovery_that_still_reads_its_account_is_kept(world: World) -> None:
    world.connect(1, login=Login.FACEBOOK)
    world.provider.fault_for = refusing(DiscoveryRequest, DEAD)
    for name in ("somebody.else", "another.one"):
        read_feed(key_of(world.workspace, 1, name), TWELVE, now=NOW)
    world.work()

    assert world.dead() == []
    assert len(world.provider.requests) == 3
    assert len(world.read(1).posts) == 3
    assert world.connection(1).check_at is None


def test_a_check_without_an_answer_is_repeated(world: World) -> None:
    world.connect(1, login=Login.FACEBOOK)
    world.refuse(1)
    read_feed(key_of(world.workspace, 1, "somebody.else"), TWELVE, now=NOW)
    for fault in (ProviderUnavailable(status=503), RateLimited(code=4), ProviderError(code=100)):
        world.refuse(1, fault=fault)
        world.work()
        assert world.dead() == []
        world.pass_time(timedelta(minutes=10))
    world.refuse(1)
    world.work()
    assert world.dead() == ["shop.1"]


def test_the_command_maintains_connections_like_beat(world: World, logins: FakeLogins) -> None:
    world.fill(*range(6))
    health.request_check(world.facts(0), at=timezone.now())
    world.refuse(*range(5))
    world.pass_time(10 * MINUTE)
    refresh_due_now(now=timezone.now())
    assert len(world.dead()) == 4
    world.recover()
    world.pass_time(MINUTE)
    refresh_due_now(now=timezone.now())
    assert world.dead() == []
    assert {row.check_at for row in Connection.objects.all()} == {None}


def test_two_processes_check_a_connection_once(world: World) -> None:
    world.connect(1)
    health.request_check(world.facts(1), at=NOW)
    inner: list[str] = []
    world.provider.during_call = lambda: inner.append(health.check_connection(world.connection(1).pk))
    assert health.check_connection(world.connection(1).pk) == "accepted"
    assert inner == ["not_due"]


def test_a_refused_field_ends_no_connection(world: World) -> None:
    world.connect(1)
    world.refuse(1, fault=PermissionMissing(code=10, rejected_field="alt_text"))
    assert world.read(1).warnings == {Warning.PERMISSION_MISSING}
    assert world.dead() == []


def test_a_refused_renewal_is_checked_before_it_ends_a_connection(world: World, logins: FakeLogins) -> None:
    world.connect(1, 2)
    world.pass_time(45 * DAY)
    logins.renewal_error = DEAD
    world.refuse(2)

    assert renewals.renew_token(world.connection(1).pk, now=timezone.now()).result == "failed"
    assert renewals.renew_token(world.connection(2).pk, now=timezone.now()).result == "died"

    assert world.dead() == ["shop.2"]
    assert world.connection(1).next_renewal_at is not None
    logins.renewal_error = None
    world.pass_time(2 * DAY)
    assert renewals.renew_token(world.connection(1).pk, now=timezone.now()).result == "renewed"


def test_a_late_refusal_of_an_old_token_does_not_affect_the_new_one(world: World) -> None:
    world.connect(1)
    world.refuse(1)
    world.provider.during_call = lambda: lifecycle.store_grant(
        key_of(world.workspace, 1), replace(grant_of(1, now=NOW), token=Secret("new")), actor=EDITOR, now=NOW
    )
    view = world.read(1)
    assert view.warnings == {Warning.PROVIDER_UNAVAILABLE}
    assert (world.dead(), world.connection(1).refused_at) == ([], None)
    world.provider.during_call = lambda: None
    world.work()
    assert len(world.read(1).posts) == 3


def test_a_token_that_cannot_be_decrypted_ends_no_connection(world: World, settings: Any) -> None:
    keys = settings.TOKEN_ENCRYPTION_KEYS
    world.fill(*range(6))
    settings.TOKEN_ENCRYPTION_KEYS = (b"z" * 32,)
    world.work(10)
    assert world.dead() == []
    assert world.read(3).warnings == {Warning.RECONNECT_REQUIRED}
    settings.TOKEN_ENCRYPTION_KEYS = keys
    world.work(10)
    assert not world.read(3).warnings
    assert mail.outbox == []


# Clocks


def test_a_clock_seventy_days_ahead_ends_nothing_that_meta_accepts(world: World, logins: FakeLogins) -> None:
    world.fill(*range(8))
    logins.renewal_error = ProviderUnavailable(status=503)
    world.pass_time(70 * DAY)
    with world.commit(execute=True):
        tasks.look_after_connections()
    assert world.dead() == []
    assert len(logins.renewals) == 8, "the renewals are tried"

    world.clock.move_to(NOW + HOUR, tick=False)
    logins.renewal_error = None
    world.work()
    assert set(world.states().values()) == {"active"}
    assert mail.outbox == []


def test_an_expired_token_that_meta_refuses_ends_its_connection(world: World, logins: FakeLogins) -> None:
    world.connect(1)
    world.refuse(1, fault=TokenRejected(code=190, subcode=463))
    logins.renewal_error = ProviderError(code=1, status=400)
    world.pass_time(60 * DAY - MINUTE)
    world.work()
    assert world.dead() == ["shop.1"]
    assert AuditEvent.objects.filter(action="token_died").count() == 1


def test_a_token_is_checked_when_it_expires_and_then_daily(world: World, logins: FakeLogins) -> None:
    world.connect(1)
    logins.renewal_error = ProviderUnavailable(status=503)
    world.pass_time(59 * DAY)
    world.work(3 * 24, step=HOUR)

    assert world.dead() == []
    assert 2 <= len(world.provider.requests) <= 3
    assert len(logins.renewals) <= 5


def test_a_token_stored_by_a_wrong_clock_is_renewed_once_the_clock_is_right(
    world: World, logins: FakeLogins
) -> None:
    world.connect(1)
    world.pass_time(70 * DAY)
    world.work()
    assert world.connection(1).obtained_at > NOW + 69 * DAY
    world.clock.move_to(NOW + HOUR, tick=False)
    logins.renewal_error = ProviderError(code=1, status=400)  # Meta refuses to renew a token this new
    world.work(60)
    assert len(logins.renewals) == 2
    logins.renewal_error = None
    world.pass_time(1.2 * DAY)
    world.work()
    assert world.connection(1).obtained_at < NOW + 2 * DAY
    assert world.connection(1).expires_at == world.connection(1).obtained_at + 60 * DAY


# Incidents


@pytest.mark.both_legs
def test_a_failure_of_our_app_ends_at_most_four_connections_and_recovers(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = range(30)
    world.fill(*numbers)
    world.refuse(*numbers)
    before = len(world.provider.requests)
    world.work(10)
    world.work(8, step=timedelta(minutes=5))

    marked = world.dead()
    assert len(marked) == 4
    assert mail.outbox == []
    assert incident_lines(caplog) == ["incident begins"]
    assert scrape()[("instagram_incident", (("kind", "instagram"),))] == 1
    assert scrape()[("instagram_incident", (("kind", "facebook"),))] == 0
    calls = len(world.provider.requests) - before
    assert calls <= 5 + 2 * 10, "the first refusals, and a probe now and then"
    waiting = next(number for number in numbers if f"shop.{number}" not in marked)
    view = world.read(waiting)
    assert (len(view.posts), view.is_stale) == (3, True)
    assert view.warnings == {Warning.PROVIDER_UNAVAILABLE}
    remaining = world.read_as_member(waiting).forced
    view = world.force(waiting)
    assert view.warnings == {Warning.PROVIDER_UNAVAILABLE}
    assert remaining is not None
    assert view.forced is not None
    assert view.forced.remaining_today == remaining.remaining_today
    assert len(world.provider.requests) - before == calls

    world.recover()
    world.work(25)

    assert set(world.states().values()) == {"active"}
    assert incident_lines(caplog) == ["incident begins", "incident ends"]
    assert scrape()[("instagram_incident", (("kind", "instagram"),))] == 0
    for number in numbers:
        view = world.read(number)
        assert (len(view.posts), view.is_stale, view.warnings) == (3, False, frozenset())
    world.work(1, step=HOUR / 2)
    assert mail.outbox == []
    assert AuditEvent.objects.filter(action="token_died").count() == 4
    assert AuditEvent.objects.filter(action="token_accepted").count() == 4
    assert Connection.objects.filter(next_renewal_at=None).count() == 0


def test_missing_permissions_of_many_are_an_incident_too(world: World) -> None:
    world.begin_incident(*range(10), fault=PermissionMissing(code=200))
    assert len(world.dead()) == 4
    assert Incident.objects.get().ended_at is None
    world.recover()
    world.work(20)
    assert world.dead() == []
    assert mail.outbox == []


def test_an_incident_stops_the_calls_of_one_login_but_not_of_the_other(
    world: World, logins: FakeLogins
) -> None:
    world.fill(*range(10))
    world.connect(20, login=Login.FACEBOOK)
    world.refuse(*range(10))
    world.work(10)
    assert Incident.objects.get().login == "instagram"
    Connection.objects.update(next_renewal_at=timezone.now(), obtained_at=timezone.now() - 2 * DAY)
    before = len(world.provider.requests)

    world.connect(30)
    assert world.read(30).warnings == {Warning.PROVIDER_UNAVAILABLE}
    preview = read_feed_as_member(
        key_of(world.workspace, 30, "shop.30"), TWELVE, now=timezone.now(), is_preview=True
    )
    assert preview.warnings == {Warning.PROVIDER_UNAVAILABLE}
    assert len(world.provider.requests) == before
    assert len(world.read(20).posts) == 3
    world.work()
    assert logins.renewals == ["token-20"]
    world.recover()
    world.work(25)
    assert len(world.read(30).posts) == 3
    assert len(logins.renewals) == 1 + 6, "those that were not marked"


def test_probes_are_made_by_one_process(world: World) -> None:
    world.begin_incident(*range(6))
    incident = Incident.objects.get()
    world.clock.move_to(incident.next_probe_at, tick=False)
    before = len(world.provider.requests)
    world.provider.during_call = health.probe_incidents
    health.probe_incidents()
    assert len(world.provider.requests) - before <= 2


def test_of_two_processes_that_see_the_same_probe_due_one_makes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin_incident(*range(6))
    incident = Incident.objects.get()
    login, at = Login(incident.login), incident.next_probe_at
    wait_after, others = incidents.probe_wait, []

    def between_read_and_write(probes: int) -> timedelta:
        monkeypatch.setattr(incidents, "probe_wait", wait_after)
        others.append(incidents.claim_probe(login, at=at))
        return wait_after(probes)

    monkeypatch.setattr(incidents, "probe_wait", between_read_and_write)

    assert incidents.claim_probe(login, at=at) is None
    assert others == [incident]


def test_a_grant_that_ended_when_the_incident_began_is_mailed_after_it(world: World) -> None:
    world.begin_incident(*range(10))
    really_dead, *_ = (int(name.partition(".")[2]) for name in world.dead())
    world.refuse(really_dead)
    world.work(40)

    assert world.dead() == [f"shop.{really_dead}"]
    assert [message.subject for message in mail.outbox] == [
        f"@shop.{really_dead}: please reconnect Instagram"
    ]


def test_a_new_token_stored_during_the_incident_is_kept(world: World) -> None:
    world.begin_incident(*range(10))
    reconnected = int(world.dead()[0].partition(".")[2])
    new = replace(grant_of(reconnected, now=NOW), token=Secret("new"))
    with world.commit(execute=True):
        lifecycle.store_grant(key_of(world.workspace, reconnected), new, actor=EDITOR, now=timezone.now())
    version = world.connection(reconnected).token_version
    world.recover()
    world.work(25)
    assert world.dead() == []
    assert world.connection(reconnected).token_version == version
    assert AuditEvent.objects.filter(action="token_accepted").count() == 3


def test_many_real_withdrawals_delay_other_feeds_by_minutes_only(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    numbers, withdrawn = range(16), range(6)
    world.fill(*numbers)
    world.refuse(*withdrawn)
    world.work(12)
    assert incident_lines(caplog) == ["incident begins", "incident narrowed"]
    assert len(world.dead()) <= 5
    assert mail.outbox == []
    for number in numbers[6:]:
        view = world.read(number)
        assert (view.is_stale, view.warnings) == (False, frozenset())
    waiting = [number for number in withdrawn if f"shop.{number}" not in world.dead()]
    assert all(Warning.PROVIDER_UNAVAILABLE in world.read(number).warnings for number in waiting)
    calls = [request.token.reveal() for request in world.provider.requests]
    world.work(6, step=timedelta(minutes=10))
    later = [request.token.reveal() for request in world.provider.requests[len(calls) :]]
    assert sum(token in {f"token-{number}" for number in withdrawn} for token in later) <= 6

    world.work(32, step=HOUR)

    assert incident_lines(caplog)[-1] == "incident ends"
    assert world.dead() == [f"shop.{number}" for number in withdrawn]
    world.work(1, step=timedelta(minutes=20))
    assert len(mail.outbox) == 6


def narrow(world: World, *, withdrawn: int, of: int) -> list[int]:
    """Withdraw some of the connections, so that only those are in an incident. Returns those not marked yet."""
    world.connect(*range(of))
    world.refuse(*range(withdrawn))
    refused_again(world, *range(withdrawn))
    world.pass_time(2 * MINUTE)
    health.probe_incidents()
    assert Incident.objects.get().narrowed_at is not None
    return [number for number in range(withdrawn) if f"shop.{number}" not in world.dead()]


def refused_again(world: World, *numbers: int) -> None:
    """Refresh feeds of these connections, which Meta refuses."""
    for number in numbers:
        health.after_fault(world.facts(number), DEAD, is_own_account=True)


def check_all(world: World) -> None:
    world.pass_time(MINUTE)
    for connection_id in health.due_checks(limit=100):
        health.check_connection(connection_id)


def test_a_day_after_narrowing_each_refused_connection_is_checked(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = narrow(world, withdrawn=14, of=30)
    assert len(waiting) == 10
    world.pass_time(DAY)
    restored = waiting[4]
    world.refuse(*set(range(14)) - {restored})

    health.probe_incidents()
    check_all(world)

    assert world.dead() == sorted(f"shop.{number}" for number in range(14) if number != restored)
    assert incident_lines(caplog) == ["incident begins", "incident narrowed", "incident ends"]
    world.pass_time(20 * MINUTE)
    assert health.due_checks(limit=100) == []
    with world.commit(execute=True):
        notices.send_due(now=timezone.now())
    assert len(mail.outbox) == 13


def test_a_probe_without_an_answer_does_not_end_a_narrowed_incident(world: World) -> None:
    narrow(world, withdrawn=6, of=16)
    dead = world.dead()
    world.pass_time(DAY)
    world.refuse(*range(6), fault=ProviderUnavailable("timed out"))
    health.probe_incidents()
    check_all(world)
    assert (world.dead(), Incident.objects.get().ended_at) == (dead, None)

    world.refuse(*range(6))
    world.pass_time(10 * MINUTE)
    health.probe_incidents()
    check_all(world)

    assert world.dead() == [f"shop.{number}" for number in range(6)]


def test_late_answers_to_refused_connections_begin_no_incident(world: World) -> None:
    """Several feeds of a connection were being refreshed when it was marked."""
    narrow(world, withdrawn=6, of=16)
    world.pass_time(DAY)
    health.probe_incidents()
    check_all(world)

    refused_again(world, *range(6))

    assert Incident.objects.get().ended_at is not None
    assert len(world.dead()) == 6


def test_refusals_after_the_end_of_a_narrowed_incident_begin_another(world: World) -> None:
    narrow(world, withdrawn=6, of=18)
    world.pass_time(DAY)
    health.probe_incidents()
    check_all(world)
    assert Incident.objects.get().ended_at is not None
    world.pass_time(HOUR)

    refused_again(world, *range(6, 18))

    assert Incident.objects.get().ended_at is None
    assert len(world.dead()) == 10


def test_the_end_of_an_incident_does_not_start_another(world: World) -> None:
    """Refusals before the end are only minutes old. One more refusal isn't a new incident."""
    world.fill(*range(10))
    world.pass_time(HOUR)
    world.refuse(*range(10))
    world.work()
    assert Incident.objects.get().ended_at is None
    world.recover()
    world.work(3)
    assert Incident.objects.get().ended_at is not None
    world.refuse(9)
    Feed.objects.filter(instance_id="wgt_9").update(fetched_at=NOW - DAY, blocked_until=None)
    world.force(9)
    assert world.dead() == ["shop.9"]


def test_without_connections_an_incident_ends(world: World) -> None:
    world.begin_incident(*range(6))
    Connection.objects.all().delete()
    world.work(16)
    assert Incident.objects.get().ended_at is not None
