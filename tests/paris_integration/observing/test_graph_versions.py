"""The daily check of Graph versions: the table of versions, Meta's answers, and what is reported."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from instagram_standin.server import StandIn
from paris_integration import registry, tasks
from paris_integration.errors import ProviderUnavailable
from paris_integration.models import GraphVersion
from paris_integration.observing import graph_versions
from paris_integration.providers.base import Usage
from paris_integration.providers.http import HttpAnswer, HttpClient
from paris_integration.providers.versions import (
    LIFE_YEARS,
    VERSIONS,
    Ending,
    Seen,
    VersionProbe,
    ending_of,
    number_of,
    seen_in,
    years_after,
)
from paris_integration.types import Login, VersionState
from tests.metrics import scrape

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN_WANTED = "An active access token must be used to query information about the current user."
UNKNOWN_PATH = "Unknown path components: /me"


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def meta(running: StandIn, db: None, clock: Any, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    running.reset()
    hosts = {Login.INSTAGRAM: running.url("/ig-graph"), Login.FACEBOOK: running.url("/fb-graph")}
    probe = VersionProbe(HttpClient(), hosts=hosts, timeout_seconds=5)
    monkeypatch.setattr(registry, "version_probe", lambda: probe)
    return running


def found() -> dict[tuple[str, str], str]:
    rows = GraphVersion.objects.values_list("login", "version", "state")
    return {(login, version): state for login, version, state in rows}


# The table


def test_the_table_is_in_order_and_its_ends_follow_the_rule_for_those_not_announced() -> None:
    assert sorted(VERSIONS, key=lambda version: version.published_on) == list(VERSIONS)
    assert [number_of(version.name) for version in VERSIONS] == list(range(20, 20 + len(VERSIONS)))
    announced = [(version, after) for version, after in pairwise(VERSIONS) if version.ends_on]
    assert len(announced) >= 6
    for version, after in announced:
        assert version.ends_on is not None
        by_rule = years_after(after.published_on, LIFE_YEARS)
        assert abs(by_rule - version.ends_on) <= timedelta(days=10), version.name


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("v21.0", Ending(date(2027, 1, 21), is_announced=True)),
        ("v26.0", Ending(date(2028, 11, 4), is_announced=False)),
        ("v27.0", Ending(date(2028, 11, 4), is_announced=False)),
        ("v99.0", None),
        ("latest", None),
    ],
)
def test_when_a_version_ends(name: str, ending: Ending | None) -> None:
    assert ending_of(name) == ending


def test_two_years_after_a_leap_day_is_the_end_of_february() -> None:
    assert years_after(date(2028, 2, 29), 2) == date(2030, 2, 28)


# Meta's answers


def answer(status: int = 400, version: str | None = None, code: int = 2500, words: str = "") -> HttpAnswer:
    payload = {"error": {"message": words, "type": "OAuthException", "code": code}}
    return HttpAnswer(status, payload, True, Usage(), None, version)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (answer(version="v26.0", words=TOKEN_WANTED), Seen(VersionState.ALIVE, "v26.0")),
        (answer(words=TOKEN_WANTED), Seen(VersionState.ALIVE)),
        (answer(code=190), Seen(VersionState.ALIVE)),
        (answer(version="v27.0", words=TOKEN_WANTED), Seen(VersionState.UPGRADED, "v27.0")),
        (answer(words=UNKNOWN_PATH), Seen(VersionState.ABSENT)),
        (answer(version="v21.0", words=UNKNOWN_PATH), Seen(VersionState.ABSENT)),
    ],
)
def test_what_an_answer_says_about_the_version(given: HttpAnswer, seen: Seen) -> None:
    assert seen_in(given, "v26.0") == seen


@pytest.mark.parametrize(
    "given",
    [
        answer(status=503, code=2),
        answer(code=4),
        HttpAnswer(200, None, False, Usage(), None),
        HttpAnswer(200, [], True, Usage(), None),
        HttpAnswer(200, {"id": "1"}, True, Usage(), None),
    ],
)
def test_other_answers_say_nothing(given: HttpAnswer) -> None:
    with pytest.raises(ProviderUnavailable):
        seen_in(given, "v26.0")


# The daily check


@pytest.mark.django_db
def test_a_check_finds_the_versions_that_meta_serves(meta: StandIn) -> None:
    meta.options.newest_version = 28

    tasks.check_graph_versions()

    for login in ("instagram", "facebook"):
        states = {version: state for (host, version), state in found().items() if host == login}
        assert states == {
            "v20.0": "upgraded",
            **dict.fromkeys([f"v{number}.0" for number in range(21, 29)], "alive"),
        }
    assert [call["token_hash"] for call in meta.calls] == [None] * len(meta.calls)
    ours = graph_versions.our_version(now=NOW)
    assert (ours.newer, ours.gone, ours.needs_attention) == (("v27.0", "v28.0"), (), False)


@pytest.mark.django_db
def test_a_host_is_asked_once_a_day(meta: StandIn, clock: Any) -> None:
    assert tasks.check_graph_versions() > 0
    calls = len(meta.calls)
    for _ in range(22):
        clock.shift(HOUR)
        assert tasks.check_graph_versions() == 0
    assert len(meta.calls) == calls
    clock.shift(2 * HOUR)
    assert tasks.check_graph_versions() > 0


@pytest.mark.django_db
def test_a_new_setting_is_checked_within_the_hour(meta: StandIn, settings: Any) -> None:
    tasks.check_graph_versions()
    settings.META_GRAPH_VERSION = "v27.0"
    GraphVersion.objects.filter(version="v27.0").delete()
    assert tasks.check_graph_versions() > 0


@pytest.mark.django_db
def test_without_an_answer_it_is_repeated_in_an_hour_and_nothing_is_reported(
    meta: StandIn, clock: Any
) -> None:
    tasks.check_graph_versions()
    clock.shift(24 * HOUR)
    rule = meta.faults.add("status", status=503)
    assert tasks.check_graph_versions() == 0
    assert rule.hits == 2, "one call to each host"
    assert set(found().values()) == {"alive", "upgraded"}
    assert not graph_versions.our_version(now=NOW).needs_attention
    meta.faults.clear()
    clock.shift(HOUR / 2)
    assert tasks.check_graph_versions() == 0
    clock.shift(HOUR)
    assert tasks.check_graph_versions() > 0


@pytest.mark.django_db
def test_a_version_that_meta_ends_is_reported(
    meta: StandIn, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def served() -> list[float]:
        return [
            scrape()[("instagram_graph_version_served", (("kind", kind),))]
            for kind in ("facebook", "instagram")
        ]

    assert all(math.isnan(value) for value in served())
    tasks.check_graph_versions()
    assert served() == [1, 1]
    assert round(scrape()[("instagram_graph_version_days_left", ())], 1) == 711.5

    meta.options.oldest_version = 27
    clock.shift(24 * HOUR)
    tasks.check_graph_versions()

    assert served() == [0, 0]
    gone = graph_versions.our_version(now=NOW).gone
    assert [(each.login, each.answered_as, each.since) for each in gone] == [
        (Login.FACEBOOK, "v27.0", NOW + 24 * HOUR),
        (Login.INSTAGRAM, "v27.0", NOW + 24 * HOUR),
    ]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["Graph version v26.0 is upgraded"] * 2
    meta.options.newest_version = 25
    GraphVersion.objects.update(checked_at=NOW - 24 * HOUR)
    tasks.check_graph_versions()
    assert found()[("facebook", "v26.0")] == "absent"


@pytest.mark.django_db
def test_two_beats_ask_once(meta: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    inner: list[int] = []

    class Probe:
        def ask(self, login: Login, version: str) -> Seen:
            if not asked:
                asked.append(version)
                inner.append(
                    graph_versions._check(Login.FACEBOOK) if graph_versions._claim(login, NOW) else 0
                )
            asked.append(version)
            return Seen(VersionState.ALIVE, version)

    monkeypatch.setattr(registry, "version_probe", Probe)
    graph_versions.check_versions()
    assert inner == [0]
