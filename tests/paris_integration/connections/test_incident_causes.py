"""Whatever makes calls with many connections fail alike: one incident of the login, few calls, a quick recovery."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from paris_integration.connections import health, incidents
from paris_integration.errors import (
    HashtagQuotaExhausted,
    PermissionMissing,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SourceNotFound,
    TokenRejected,
    UnexpectedPayload,
)
from paris_integration.media import copying
from paris_integration.models import Connection, Feed, Incident, ProviderWindow
from paris_integration.providers.base import FeedRequest, OwnMediaRequest
from paris_integration.public import Source, SourceType, Warning, read_feed
from paris_integration.types import Login, Trouble
from tests.fakes import media
from tests.metrics import scrape
from tests.paris_integration.connections.world import TWELVE, World, incident_lines, incident_records, key_of
from tests.pictures import FakePictureHost

pytestmark = [pytest.mark.sqlite_leg, pytest.mark.usefixtures("mail_at_once")]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RECOVERY = timedelta(minutes=15)


def limited(seconds: float | None = None, **values: Any) -> RateLimited:
    fault = RateLimited(**values)
    fault.retry_after_seconds = seconds
    return fault


@pytest.mark.parametrize(
    ("fault", "own", "other"),
    [
        pytest.param(TokenRejected(code=190), "refused", None, id="token refused"),
        pytest.param(PermissionMissing(code=200), "refused", None, id="API access blocked"),
        pytest.param(TokenRejected("not decrypted"), None, None, id="token that we can't decrypt"),
        pytest.param(limited(code=4), "throttled", "throttled", id="the app's limit"),
        pytest.param(limited(status=429), "throttled", "throttled", id="429 without a code"),
        pytest.param(limited(code=368), "throttled", "throttled", id="blocked for policy"),
        pytest.param(limited(code=17), None, None, id="a user's limit"),
        pytest.param(limited(code=80_002), None, None, id="an account's limit"),
        pytest.param(ProviderUnavailable("timed out"), "unreachable", "unreachable", id="no answer"),
        pytest.param(ProviderUnavailable(code=2), "unreachable", "unreachable", id="service down"),
        pytest.param(ProviderError(code=100), "rejected", None, id="wrong proof of the app secret"),
        pytest.param(ProviderError(code=3), "rejected", None, id="capability missing"),
        pytest.param(SourceNotFound(code=100, subcode=33), "rejected", None, id="own account not found"),
        pytest.param(UnexpectedPayload("no object"), "rejected", None, id="unknown format"),
        pytest.param(ProviderError(code=100, rejected_field="alt_text"), None, None, id="one field"),
        pytest.param(HashtagQuotaExhausted(code=18), None, None, id="the account's hashtags"),
    ],
)
def test_what_a_fault_means_if_many_have_it(fault: ProviderError, own: str | None, other: str | None) -> None:
    assert incidents.trouble_of(fault, is_own_account=True) == own
    assert incidents.trouble_of(fault, is_own_account=False) == other


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param(PermissionMissing(code=200, status=403), "refused", id="app banned"),
        pytest.param(limited(code=4, status=403), "throttled", id="the app's limit"),
        pytest.param(limited(status=429), "throttled", id="mass 429"),
        pytest.param(ProviderUnavailable("timed out"), "unreachable", id="no answer"),
        pytest.param(ProviderError(code=100), "rejected", id="wrong app secret"),
    ],
)
def test_an_incident_of_any_cause_recovers_by_itself(
    world: World, caplog: pytest.LogCaptureFixture, fault: ProviderError, cause: str
) -> None:
    numbers = range(12)
    world.fill(*numbers)
    before = len(world.provider.requests)
    world.refuse(*numbers, fault=fault)
    world.work(10)
    world.work(3, step=10 * MINUTE)

    incident = Incident.objects.get()
    assert (incident.login, incident.cause, incident.ended_at) == ("instagram", cause, None)
    # Before it begins, five connections fail, some of them again after their back-off of seconds.
    assert len(world.provider.requests) - before <= 20 + 2 * incident.probes
    assert incident.probes <= 7
    assert len(world.dead()) == (4 if cause == "refused" else 0)
    assert scrape()[("instagram_incident", (("kind", "instagram"),))] == 1
    calm = Connection.objects.filter(trouble="", refused_at=None).values_list("username", flat=True)
    waiting = next(number for number in numbers if f"shop.{number}" in calm)
    view = world.read(waiting)
    assert (len(view.posts), view.is_stale, view.warnings) == (3, True, {Warning.PROVIDER_UNAVAILABLE})
    calls = len(world.provider.requests)
    remaining = world.read_as_member(waiting).forced
    view = world.force(waiting)
    assert Warning.PROVIDER_UNAVAILABLE in view.warnings
    assert view.forced is not None
    assert remaining is not None
    assert view.forced.remaining_today == remaining.remaining_today
    assert len(world.provider.requests) == calls

    world.recover()
    world.work(15)

    assert set(world.states().values()) == {"active"}
    for number in numbers:
        view = world.read(number)
        assert (len(view.posts), view.is_stale, view.warnings) == (3, False, frozenset())
    world.work(1, step=20 * MINUTE)
    assert mail.outbox == []
    (begun,) = (line for line in incident_records(caplog) if line.getMessage().startswith("incident begins"))
    assert begun.__dict__["fields"]["cause"] == cause
    assert set(Connection.objects.values_list("trouble", flat=True)) == {""}


def test_the_other_login_and_its_host_are_not_concerned(world: World) -> None:
    """graph.instagram.com is away, graph.facebook.com isn't."""
    world.fill(*range(8))
    world.connect(*range(20, 26), login=Login.FACEBOOK)
    away = ProviderUnavailable("connection failed")
    world.provider.fault_for = lambda asked: (
        away if getattr(asked, "login", None) is Login.INSTAGRAM else None
    )
    world.work(10)

    assert [row.login for row in Incident.objects.all()] == ["instagram"]
    for number in range(20, 26):
        assert (len(world.read(number).posts), world.read(number).warnings) == (3, frozenset())
    public = replace(key_of(world.workspace, 50), source=Source(SourceType.PROFILE, "acme.bakery"))
    assert len(read_feed(public, TWELVE, now=timezone.now()).posts) == 3


def test_public_mode_waits_with_the_login_whose_host_it_uses(world: World) -> None:
    world.connect(*range(6), login=Login.FACEBOOK)
    for number in range(6):
        world.read(number)
    public = replace(key_of(world.workspace, 50), source=Source(SourceType.PROFILE, "acme.bakery"))
    read_feed(public, TWELVE, now=timezone.now())
    world.pass_time(80 * MINUTE)
    world.refuse(*range(6), fault=ProviderUnavailable("timed out"))
    world.work(2)
    assert Incident.objects.get().login == "facebook"
    Feed.objects.filter(instance_id="wgt_50").update(next_refresh_at=timezone.now(), fetched_at=NOW)
    before = list(world.provider.calls)

    world.work()

    assert world.provider.calls.count("acme.bakery") == before.count("acme.bakery")
    assert read_feed(public, TWELVE, now=timezone.now()).warnings == {Warning.PROVIDER_UNAVAILABLE}
    world.recover()
    world.work(15)
    view = read_feed(public, TWELVE, now=timezone.now())
    assert (view.is_stale, view.warnings) == (False, frozenset())


@pytest.mark.usefixtures("folder")
def test_pictures_that_fail_are_no_incident(world: World, host: FakePictureHost) -> None:
    host.files = {}
    world.connect(*range(8))
    for number in range(8):
        world.read(number)
    feeds = list(Feed.objects.values_list("pk", flat=True))
    outcomes = [copying.copy_pictures(feed_id) for feed_id in feeds]

    assert sum(outcome.failed for outcome in outcomes) >= 8
    assert Incident.objects.count() == 0
    assert set(Connection.objects.values_list("trouble", flat=True)) == {""}


def test_limits_of_single_accounts_are_no_incident(world: World) -> None:
    world.fill(*range(8))
    world.refuse(*range(8), fault=limited(code=80_002))
    world.work(10)
    assert Incident.objects.count() == 0
    assert ProviderWindow.objects.filter(parked_until__gt=timezone.now()).count() == 8


def test_failures_of_different_kinds_do_not_add_up(world: World) -> None:
    world.fill(*range(8))
    kinds: list[ProviderError] = [TokenRejected(code=190), limited(code=4), ProviderUnavailable("timed out")]

    def fault_for(asked: FeedRequest) -> ProviderError | None:
        number = int(asked.token.reveal().rpartition("-")[2]) if isinstance(asked, OwnMediaRequest) else 9
        return kinds[number % 3] if number < 8 else None

    world.provider.fault_for = fault_for
    for number in range(8):
        Feed.objects.filter(instance_id=f"wgt_{number}").update(next_refresh_at=timezone.now(), jitter=0)
    world.work(3)
    assert Incident.objects.count() == 0


def test_no_token_is_used_before_the_time_that_meta_names(world: World) -> None:
    numbers = range(12)
    world.fill(*numbers)
    told: dict[str, datetime] = {}
    calls: dict[str, list[datetime]] = defaultdict(list)

    def fault_for(asked: FeedRequest) -> ProviderError | None:
        token = asked.token.reveal()
        calls[token].append(timezone.now())
        assert token not in told or timezone.now() >= told[token], "called too early"
        if not is_limited:
            return None
        told[token] = timezone.now() + timedelta(hours=2)
        return limited(7_200, code=4)

    is_limited = True
    world.provider.fault_for = fault_for
    world.work(10)
    world.work(2, step=10 * MINUTE)
    assert Incident.objects.get().cause == "throttled"
    assert 5 <= len(told) <= 5 + Incident.objects.get().probes
    is_limited = False
    world.work(15)

    assert Incident.objects.get().ended_at is not None
    for number in numbers:
        view = world.read(number)
        if f"token-{number}" not in told:
            assert (view.is_stale, view.warnings) == (False, frozenset())
    world.work(14, step=10 * MINUTE)
    for token, until in told.items():
        fetched_at = Feed.objects.get(instance_id=f"wgt_{token.rpartition('-')[2]}").fetched_at
        assert fetched_at is not None
        assert fetched_at >= until


def test_if_all_connections_wait_as_meta_asks_the_incident_waits_too(world: World) -> None:
    world.begin_incident(*range(5), fault=limited(3_600, code=4))
    calls = len(world.provider.requests)
    world.recover()
    world.work(40)
    assert len(world.provider.requests) == calls
    assert Incident.objects.get().ended_at is None
    world.work(30)
    assert Incident.objects.get().ended_at is not None
    assert all(not world.read(number).is_stale for number in range(5))


def test_an_incident_that_goes_on_with_another_cause_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Meta comes back, but refuses all tokens."""
    world.begin_incident(*range(12), fault=ProviderUnavailable("timed out"))
    world.refuse(*range(12))
    world.work(12)
    incident = Incident.objects.get()
    assert (incident.cause, incident.ended_at) == ("refused", None)
    assert world.dead() == []
    world.recover()
    world.work(15)
    assert all(not world.read(number).is_stale for number in range(12))
    assert incident_lines(caplog).count("incident begins") == 1
    assert mail.outbox == []


def test_accounts_that_fail_by_themselves_do_not_keep_an_incident_open(world: World) -> None:
    """Some accounts were withdrawn while Meta was away. The probe that finds one of them doesn't prolong it."""
    world.begin_incident(*range(12), fault=ProviderUnavailable("timed out"))
    failed = list(Connection.objects.filter(trouble=Trouble.UNREACHABLE.value).order_by("tried_at"))
    withdrawn = [int(row.username.partition(".")[2]) for row in failed[:3]]
    world.refuse(*withdrawn)
    world.work(15)

    assert Incident.objects.get().ended_at is not None
    assert world.dead() == sorted(f"shop.{number}" for number in withdrawn)
    alive = [number for number in range(12) if number not in withdrawn]
    assert all(not world.read(number).is_stale for number in alive)


def test_a_few_accounts_that_time_out_delay_only_themselves(world: World) -> None:
    numbers, slow = range(16), range(5)
    world.fill(*numbers)
    world.refuse(*slow, fault=ProviderUnavailable(code=1))
    Feed.objects.filter(instance_id__in=[f"wgt_{number}" for number in slow]).update(
        fetched_at=NOW - MINUTE * 9
    )
    world.work(12)
    incident = Incident.objects.get()
    assert incident.narrowed_at is not None
    for number in numbers[5:]:
        assert (world.read(number).is_stale, world.read(number).warnings) == (False, frozenset())
    world.recover()
    world.work(15)
    assert all(not world.read(number).is_stale for number in numbers)


def test_a_missing_answer_does_not_hide_a_dead_connection_from_its_check(world: World) -> None:
    world.connect(1)
    world.refuse(1, fault=ProviderUnavailable("timed out"))
    health.request_check(world.facts(1), at=timezone.now())
    assert health.check_connection(world.connection(1).pk) == "unknown"
    assert world.connection(1).trouble == "unreachable"
    world.provider.accounts["shop.1"] = [media(1)]
    world.recover()
    world.pass_time(10 * MINUTE)
    assert health.check_connection(world.connection(1).pk) == "accepted"
    assert world.connection(1).trouble == ""
