"""`POST /v1/integrations/instagram/refresh`: who can call it, what it costs, and accurate refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from entitlements.changes import Actor, set_override, set_plan
from entitlements.models import Membership, Plan
from paris_integration import public as paris
from paris_integration.errors import ProviderUnavailable, RefreshRefused
from paris_integration.feeds import lease
from paris_integration.models import (
    AuditEvent,
    Feed,
    ForcedRefresh,
    ProviderWindow,
    QuotaWindow,
    RefreshReceipt,
)
from paris_integration.providers.base import Usage
from paris_integration.quota import forcing, ledger
from paris_integration.retention import expiry
from paris_integration.waiting import OrderPlaces, Wait
from tests.conftest import Cast
from tests.fakes import FakeProvider, InlineBoard, media
from venice_api import embed_tokens
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

REFRESH = "/v1/integrations/instagram/refresh"
FEED = "/v1/integrations/instagram/feed"
NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY_KEY = "instagram.refresh.forcePerDay.max"
HOUR_KEY = "instagram.refresh.forcePerHour.max"
HASHTAG_KEY = "instagram.hashtag.enabled"
STAFF = Actor("test")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@contextmanager
def broken_calls(people: Cast, provider: FakeProvider) -> Iterator[None]:
    """Calls meet a bug of ours, and the editor's client gets the answer to it."""

    def break_down() -> None:
        raise RuntimeError("a bug")

    provider.during_call = break_down
    people.editor.raise_request_exception = False
    yield
    provider.during_call = lambda: None


@pytest.fixture
def ask(people: Cast, instance: WidgetInstance) -> Callable[..., Any]:
    def send(client: Client = people.editor, *, key: str | None = None, **body: Any) -> Any:
        headers = {"Idempotency-Key": key} if key is not None else {}
        payload = {"instanceId": instance.pk} | body
        return client.post(REFRESH, json.dumps(payload), content_type="application/json", headers=headers)

    return send


def put_on(people: Cast, plan: str) -> None:
    set_plan(people.workspace, Plan.objects.get(key=plan), actor=STAFF)


def used() -> dict[str, int]:
    return {row.kind: row.used for row in QuotaWindow.objects.order_by("starts_at", "kind")}


def audit() -> list[tuple[str, str, str]]:
    return [(event.actor, event.outcome, event.reason) for event in AuditEvent.objects.order_by("id")]


def blocked(response: Any) -> tuple[str, str | None, str | None]:
    assert response.status_code == 409, response.content
    body = response.json()
    assert body["error"] == "REFRESH_BLOCKED"
    assert set(body) <= {"error", "reasonCode", "message", "nextRefreshAllowedAt", "upgradeHint", "requestId"}
    return body["reasonCode"], body.get("nextRefreshAllowedAt"), body.get("upgradeHint")


def test_a_forced_refresh_loads_new_posts_and_costs_one_unit(
    ask: Any, people: Cast, provider: FakeProvider, instance: WidgetInstance
) -> None:
    assert ask().status_code == 200
    provider.accounts["acme.bakery"].insert(
        0, media(0, id="17900000000009999", timestamp="2026-11-23T12:19:00+0000")
    )

    response = ask()

    assert (response.status_code, response["Cache-Control"]) == (200, "private, no-store")
    body = response.json()
    assert body["posts"][0]["id"] == "17900000000009999"
    assert body["lastUpdated"] == "2026-11-23T12:20:00Z"
    assert body["refresh"] == {"remainingToday": 22, "remainingThisHour": 2}
    assert "nextRefreshAllowedAt" not in body
    assert used() == {"day": 2, "hour": 2}
    assert len(provider.calls) == 2
    lines = ForcedRefresh.objects.order_by("pk").values_list(
        "username", "state", "instance_id", "source_value"
    )
    assert list(lines) == [("editor", "succeeded", instance.pk, "acme.bakery")] * 2
    assert audit() == [("editor", "done", "")] * 2


PLANS = [
    # plan, per hour, per day, hint in the same hour, hint when the day's units are used up
    pytest.param("free", 1, 1, "Pro", "Starter", id="Free"),
    pytest.param("starter", 1, 6, "Pro", "Pro", id="Starter"),
    pytest.param("pro", 4, 24, "Business", "Business", id="Pro"),
    pytest.param("business", 12, 96, None, None, id="Business"),
]


@pytest.mark.sqlite_leg  # tests/races charges units on PostgreSQL
@pytest.mark.parametrize(("plan", "per_hour", "per_day", "hour_hint", "day_hint"), PLANS)
def test_each_plan_refreshes_as_often_as_the_matrix_says(
    ask: Any,
    people: Cast,
    provider: FakeProvider,
    clock: Any,
    plan: str,
    per_hour: int,
    per_day: int,
    hour_hint: str | None,
    day_hint: str | None,
) -> None:
    put_on(people, plan)
    tomorrow = "2026-11-24T00:00:00Z"
    for spent_hours in range(per_day // per_hour):
        moment = NOW.replace(hour=1) + spent_hours * HOUR
        clock.move_to(moment, tick=False)
        assert [ask().status_code for _ in range(per_hour)] == [200] * per_hour
        if (spent_hours + 1) * per_hour < per_day:
            next_hour = f"2026-11-23T{moment.hour + 1:02d}:00:00Z"
            assert blocked(ask()) == ("QUOTA_EXCEEDED", next_hour, hour_hint)
    assert len(provider.calls) == per_day

    clock.move_to(NOW.replace(hour=moment.hour + 1), tick=False)
    assert blocked(ask()) == ("QUOTA_EXCEEDED", tomorrow, day_hint)
    clock.move_to(datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), tick=False)
    assert blocked(ask())[:2] == ("QUOTA_EXCEEDED", tomorrow)
    clock.move_to(datetime(2026, 11, 24, tzinfo=UTC), tick=False)
    assert ask().status_code == 200
    assert len(provider.calls) == per_day + 1


def test_the_upgrade_hint_in_the_same_hour_names_the_plan_that_allows_a_second_refresh_now(
    ask: Any, people: Cast
) -> None:
    put_on(people, "free")
    ask()

    assert blocked(ask()) == ("QUOTA_EXCEEDED", "2026-11-24T00:00:00Z", "Pro")


def test_plan_restrictions_are_reported_before_other_reasons(
    ask: Any, people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    instance.source_type, instance.source_value = "hashtag", "sourdough"
    instance.save()
    cache.clear()
    put_on(people, "free")

    assert blocked(ask()) == ("PLAN_RESTRICTED", None, "Pro")
    set_override(people.workspace, HASHTAG_KEY, True, actor=STAFF)
    answer = ask()
    assert (answer.status_code, answer.json()["warnings"]) == (200, ["HASHTAG_REQUIRES_CONNECT"])
    assert provider.calls == []
    assert used() == {}


def test_a_plan_without_forced_refreshes_waits_for_the_ttl(
    ask: Any, people: Cast, clock: Any, provider: FakeProvider
) -> None:
    set_override(people.workspace, DAY_KEY, 0, actor=STAFF)
    assert ask().status_code == 200

    reason, allowed_at, hint = blocked(ask())

    assert (reason, hint) == ("TTL_NOT_ELAPSED", None)  # the override also applies in higher plans
    assert allowed_at is not None
    moment = datetime.fromisoformat(allowed_at)
    assert NOW + HOUR <= moment <= NOW + HOUR * 1.1 + SECOND
    clock.move_to(moment - SECOND, tick=False)
    assert blocked(ask())[1] == allowed_at
    clock.move_to(moment + SECOND, tick=False)
    assert ask().status_code == 200
    assert len(provider.calls) == 2
    assert used() == {"day": 0, "hour": 0}
    assert ForcedRefresh.objects.count() == 0


def test_the_end_of_an_override_is_taken_into_account(ask: Any, people: Cast, clock: Any) -> None:
    put_on(people, "free")
    set_override(people.workspace, DAY_KEY, 3, actor=STAFF, ends_at=NOW + 10 * SECOND)
    set_override(people.workspace, HOUR_KEY, 2, actor=STAFF, ends_at=NOW + 20 * SECOND)
    assert [ask().status_code for _ in range(2)] == [200, 200]

    # In this hour the hour cap blocks. After the override ends, the plan's single daily unit is already used up.
    assert blocked(ask())[:2] == ("QUOTA_EXCEEDED", "2026-11-24T00:00:00Z")


def test_a_failure_costs_nothing_and_starts_the_back_off(
    ask: Any, people: Cast, provider: FakeProvider, clock: Any
) -> None:
    ask()
    provider.raises(ProviderUnavailable(status=503))

    failed = ask()

    body = failed.json()
    assert (failed.status_code, body["warnings"]) == (200, ["PROVIDER_UNAVAILABLE"])
    assert len(body["posts"]) == 3
    assert body["refresh"]["remainingToday"] == 23
    assert used() == {"day": 1, "hour": 1}
    until = datetime.fromisoformat(body["nextRefreshAllowedAt"])
    assert NOW < until <= NOW + timedelta(minutes=5)

    held_back = ask()
    assert held_back.json()["nextRefreshAllowedAt"] == body["nextRefreshAllowedAt"]
    assert len(provider.calls) == 2
    assert used() == {"day": 1, "hour": 1}
    assert audit() == [
        ("editor", "done", ""),
        ("editor", "failed", "PROVIDER_UNAVAILABLE"),
        ("editor", "refused", "BACKOFF"),
    ]

    provider.recovers()
    clock.move_to(until + SECOND, tick=False)
    recovered = ask()
    assert recovered.json()["warnings"] == []
    assert used() == {"day": 2, "hour": 2}


def test_a_failure_before_the_first_fill_answers_200(ask: Any, provider: FakeProvider) -> None:
    provider.raises(ProviderUnavailable(status=503))

    body = ask().json()

    assert (body["posts"], body["lastUpdated"], body["warnings"]) == ([], None, ["PROVIDER_UNAVAILABLE"])
    assert used() == {"day": 0, "hour": 0}


def test_a_rate_limited_credential_is_not_called(ask: Any, provider: FakeProvider) -> None:
    ask()
    provider.rate_limits(1_800)
    ask()
    Feed.objects.update(blocked_until=None)

    body = ask().json()

    assert body["warnings"] == ["PROVIDER_RATE_LIMITED"]
    assert body["nextRefreshAllowedAt"] >= "2026-11-23T12:50:00Z"
    assert len(provider.calls) == 2


def test_a_success_that_reaches_the_rate_limit_announces_the_enforced_time(
    ask: Any, provider: FakeProvider, clock: Any, people: Cast, instance: WidgetInstance
) -> None:
    provider.usage = Usage(percent=100, regain_minutes=90)
    opens_at = NOW + timedelta(minutes=90)

    first = ask().json()

    assert (first["warnings"], first["nextRefreshAllowedAt"]) == ([], "2026-11-23T13:50:00Z")
    assert first["refresh"] == {"remainingToday": 23, "remainingThisHour": 3}
    read = people.editor.get(f"{FEED}?instanceId={instance.pk}").json()
    assert read["nextRefreshAllowedAt"] == "2026-11-23T13:50:00Z"

    clock.move_to(opens_at - SECOND, tick=False)
    held_back = ask().json()
    assert (held_back["warnings"], held_back["nextRefreshAllowedAt"]) == (
        ["PROVIDER_RATE_LIMITED"],
        "2026-11-23T13:50:00Z",
    )
    assert (len(provider.calls), used()["day"]) == (1, 1)

    provider.usage = Usage()
    clock.move_to(opens_at, tick=False)
    assert ask().json()["warnings"] == []
    assert len(provider.calls) == 2


def test_a_rate_limit_does_not_shorten_a_longer_back_off(
    ask: Any, provider: FakeProvider, clock: Any
) -> None:
    ask()
    until = NOW + 5 * HOUR
    Feed.objects.update(
        fault="SOURCE_NOT_FOUND", outcome="failed", blocked_at=NOW, blocked_until=until, attempted_at=NOW
    )
    ProviderWindow.objects.create(credential="public", parked_at=NOW, parked_until=NOW + HOUR)

    body = ask().json()

    assert "SOURCE_NOT_FOUND" in body["warnings"]
    assert body["nextRefreshAllowedAt"] == "2026-11-23T17:20:00Z"


def test_forced_refreshes_work_near_a_rate_limit(
    ask: Any, provider: FakeProvider, people: Cast, instance: WidgetInstance
) -> None:
    provider.usage = Usage(percent=99)

    assert "nextRefreshAllowedAt" not in ask().json()
    assert "nextRefreshAllowedAt" not in ask().json()

    assert len(provider.calls) == 2
    read = people.editor.get(f"{FEED}?instanceId={instance.pk}").json()
    assert read["nextRefreshAllowedAt"] == "2026-11-23T14:20:00Z"


def test_a_plan_without_forced_refreshes_can_refresh_after_its_ttl_near_a_rate_limit(
    ask: Any, people: Cast, provider: FakeProvider, clock: Any
) -> None:
    set_override(people.workspace, DAY_KEY, 0, actor=STAFF)
    provider.usage = Usage(percent=99)
    ask()
    allowed_at = blocked(ask())[1]
    assert allowed_at is not None
    assert datetime.fromisoformat(allowed_at) <= NOW + HOUR * 1.1 + SECOND

    clock.move_to(datetime.fromisoformat(allowed_at), tick=False)
    assert ask().status_code == 200
    assert len(provider.calls) == 2


# Who can refresh


def test_who_can_refresh(ask: Any, people: Cast, instance: WidgetInstance, provider: FakeProvider) -> None:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    with_token = people.anonymous.post(
        REFRESH,
        json.dumps({"instanceId": instance.pk}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )

    answers = {
        "viewer": ask(people.viewer),
        "outsider": ask(people.outsider),
        "unknown": ask(instanceId="wgt_instagramfeed_u_nobody"),
        "anonymous": ask(people.anonymous),
        "token": with_token,
    }

    assert {name: (answer.status_code, answer.json()["error"]) for name, answer in answers.items()} == {
        "viewer": (403, "FORBIDDEN"),
        "outsider": (404, "INSTANCE_NOT_FOUND"),
        "unknown": (404, "INSTANCE_NOT_FOUND"),
        "anonymous": (401, "AUTHENTICATION_REQUIRED"),
        "token": (401, "AUTHENTICATION_REQUIRED"),
    }
    assert answers["outsider"].json()["message"] == answers["unknown"].json()["message"]
    assert provider.calls == []
    assert ask(people.owner).status_code == 200


def test_a_session_without_its_csrf_token_changes_nothing(
    instance: WidgetInstance, provider: FakeProvider, people: Cast
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="editor"))
    strict.cookies["csrftoken"] = "x" * 32
    body = json.dumps({"instanceId": instance.pk})

    without = strict.post(REFRESH, body, content_type="application/json")
    assert (without.status_code, without.json()["error"]) == (403, "FORBIDDEN")
    sent = {"X-CSRFToken": "x" * 32}
    foreign = strict.post(
        REFRESH, body, content_type="application/json", headers=sent | {"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert provider.calls == []
    assert strict.post(REFRESH, body, content_type="application/json", headers=sent).status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_other_methods_have_no_effect(
    people: Cast, instance: WidgetInstance, provider: FakeProvider, method: str
) -> None:
    response = getattr(people.editor, method)(REFRESH, headers={"X-HTTP-Method-Override": "POST"})

    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert provider.calls == []


BAD_BODIES = [
    pytest.param(" ", 400, "body", id="nothing but space"),
    pytest.param("{", 400, "body", id="cut off"),
    pytest.param("[]", 400, "body", id="a list"),
    pytest.param('"x"', 400, "body", id="text"),
    pytest.param("NaN", 400, "body", id="NaN"),
    pytest.param("[" * 30_000, 400, "body", id="brackets in brackets"),
    pytest.param(b"\xff\xfe", 400, "body", id="no UTF-8"),
    pytest.param("[" * 100_000, 413, None, id="100,000 brackets"),
    pytest.param("{}", 400, "instanceId", id="no instance"),
    pytest.param('{"instanceId": null}', 400, "instanceId", id="null"),
    pytest.param('{"instanceId": 7}', 400, "instanceId", id="a number"),
    pytest.param('{"instanceId": ""}', 400, "instanceId", id="empty"),
    pytest.param('{"instanceId": "a\\u0000b"}', 400, "instanceId", id="NUL"),
    pytest.param('{"instanceId": "\\ud800"}', 400, "instanceId", id="lone surrogate"),
    pytest.param('{"instanceId": "x", "sourceType": "story"}', 400, "sourceType", id="unknown type"),
    pytest.param('{"instanceId": "x", "sourceValue": ["a"]}', 400, "sourceValue", id="a list as value"),
    pytest.param(
        '{"instanceId": "x", "sourceType": "profile", "sourceValue": "no way"}',
        400,
        "sourceValue",
        id="malformed",
    ),
]


@pytest.mark.parametrize(("body", "status", "field"), BAD_BODIES)
def test_invalid_bodies_are_refused(people: Cast, body: Any, status: int, field: str | None) -> None:
    response = people.editor.generic("POST", REFRESH, body, content_type="application/json")

    assert response.status_code == status
    assert list(response.json().get("fields", {})) == ([field] if field else [])


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_without_the_json_content_type_is_refused(people: Cast, content_type: str) -> None:
    assert people.editor.generic("POST", REFRESH, "{}", content_type=content_type).status_code == 415


@pytest.mark.parametrize(("content_type", "status"), [("application/json", 400), ("text/plain", 415)])
def test_an_empty_body(people: Cast, content_type: str, status: int) -> None:
    assert people.editor.generic("POST", REFRESH, CONTENT_TYPE=content_type).status_code == status


def test_who_asks_is_looked_at_before_what_is_asked(people: Cast) -> None:
    sent = [
        people.anonymous.generic("POST", REFRESH, "x" * 70_000, content_type="text/plain"),
        people.editor.generic("POST", REFRESH, "x" * 70_000, content_type="text/plain"),
        people.editor.generic("POST", REFRESH, "{", content_type="text/plain"),
    ]
    assert [response.status_code for response in sent] == [401, 413, 415]


def test_only_the_saved_source_is_refreshed(ask: Any, provider: FakeProvider) -> None:
    other = ask(sourceType="profile", sourceValue="other.account")
    assert (other.status_code, other.json()["error"]) == (409, "SOURCE_MISMATCH")
    assert ask(sourceType="hashtag").json()["error"] == "SOURCE_MISMATCH"
    assert ask(sourceValue="two words").json()["fields"].keys() == {"sourceValue"}
    assert provider.calls == []
    assert ask(sourceType="profile", sourceValue=" @Acme.Bakery ").status_code == 200


# The same request again


def test_a_repeat_answers_with_the_feed_as_it_is_now_and_costs_nothing(
    ask: Any, people: Cast, provider: FakeProvider, clock: Any
) -> None:
    first = ask(key="click-1").json()
    clock.move_to(NOW + 20 * SECOND, tick=False)
    again = ask(key="click-1")

    assert (again.status_code, again.json()) == (200, first)
    assert len(provider.calls) == 1
    assert used() == {"day": 1, "hour": 1}
    provider.accounts["acme.bakery"].insert(0, media(0, id="179000000", timestamp="2026-11-23T12:19:00+0000"))
    ask()
    assert ask(key="click-1").json()["posts"][0]["id"] == "179000000"
    assert len(provider.calls) == 2


def test_a_repeat_is_answered_when_the_units_are_used_up(ask: Any) -> None:
    assert [ask(key=f"click-{number}").status_code for number in range(4)] == [200] * 4

    assert ask(key="click-0").status_code == 200
    assert blocked(ask(key="click-4"))[0] == "QUOTA_EXCEEDED"


def test_a_key_belongs_to_one_user_and_one_widget(
    ask: Any, people: Cast, provider: FakeProvider, make_instance: Any
) -> None:
    twin = make_instance(name="Twin")
    for client, widget in ((people.editor, None), (people.owner, None), (people.editor, twin.pk)):
        assert ask(client, key="click-1", **({"instanceId": widget} if widget else {})).status_code == 200
    assert len(provider.calls) == 3
    assert ForcedRefresh.objects.count() == 3


@pytest.mark.parametrize("change", ["purge", "source", "hide"])
def test_a_repeat_does_not_restore_deleted_posts(
    ask: Any, instance: WidgetInstance, provider: FakeProvider, change: str
) -> None:
    posts = [post["id"] for post in ask(key="click-1").json()["posts"]]
    if change == "purge":
        paris.purge(from_row(instance).feed_key(), actor=paris.Actor(None, "desk"), now=NOW, note="x")
    elif change == "source":
        instance.source_value = "another.shop"
        instance.save()
    else:
        instance.hidden_post_ids = posts
        instance.save()
    cache.clear()

    again = ask(key="click-1")

    assert (again.status_code, again.json()["posts"]) == (200, [])
    assert len(provider.calls) == 1


def test_receipts_are_valid_for_a_day_even_before_clean_up(
    ask: Any, provider: FakeProvider, clock: Any
) -> None:
    ask(key="click-1")
    clock.move_to(NOW + 24 * HOUR, tick=False)
    assert expiry.remove_expired(now=NOW + 24 * HOUR)["receipts"] == 0
    ask(key="click-1")
    assert len(provider.calls) == 1

    clock.move_to(NOW + 24 * HOUR + SECOND, tick=False)
    ask(key="click-1")
    assert len(provider.calls) == 2
    assert ForcedRefresh.objects.count() == 2
    # The key now belongs to the second request, for a day.
    clock.move_to(NOW + 48 * HOUR, tick=False)
    ask(key="click-1")
    assert len(provider.calls) == 2
    assert expiry.remove_expired(now=NOW + 49 * HOUR)["receipts"] == 1


def test_an_expired_receipt_without_a_unit_is_replaced_too(
    ask: Any, people: Cast, provider: FakeProvider, clock: Any
) -> None:
    set_override(people.workspace, DAY_KEY, 0, actor=STAFF)
    ask(key="click-1")
    clock.move_to(NOW + 25 * HOUR, tick=False)
    ask(key="click-1")
    ask(key="click-1")
    assert len(provider.calls) == 2
    assert RefreshReceipt.objects.get().created_at == NOW + 25 * HOUR


def test_a_receipt_from_the_future_is_ignored(ask: Any, provider: FakeProvider, clock: Any) -> None:
    clock.move_to(NOW + timedelta(days=10), tick=False)
    ask(key="click-1")
    clock.move_to(NOW, tick=False)
    ask(key="click-1")
    assert len(provider.calls) == 2


def test_a_refusal_leaves_no_receipt(ask: Any, people: Cast, clock: Any) -> None:
    put_on(people, "free")
    ask()
    assert ask(key="click-1").status_code == 409
    clock.move_to(NOW + 12 * HOUR, tick=False)
    assert ask(key="click-1").status_code == 200


@pytest.mark.parametrize("key", ["", "with space", "x" * 201, "é"])
def test_invalid_idempotency_keys_are_refused(ask: Any, key: str) -> None:
    response = ask(key=key)
    assert (response.status_code, list(response.json()["fields"])) == (400, ["Idempotency-Key"])


def test_a_repeat_after_a_crash_costs_nothing_more(
    ask: Any, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died between charge and answer: the unit is spent, and the outcome is unknown."""
    ask(key="click-1")
    ForcedRefresh.objects.update(state="in_doubt")

    assert ask(key="click-1").json()["refresh"]["remainingToday"] == 23
    assert len(provider.calls) == 1


def test_a_repeat_after_a_request_that_was_cut_off_costs_nothing_more(
    ask: Any, people: Cast, provider: FakeProvider
) -> None:
    with broken_calls(people, provider):
        assert ask(key="click-1").status_code == 500

    assert ask(key="click-1").status_code == 200
    assert used() == {"day": 1, "hour": 1}
    assert len(provider.calls) == 1


# Crashes and absences


def test_reservations_of_a_dead_process_are_settled_as_spent(
    ask: Any, people: Cast, clock: Any, provider: FakeProvider
) -> None:
    ask()
    ForcedRefresh.objects.update(state="reserved", settled_at=None)
    clock.move_to(NOW + 24 * SECOND, tick=False)
    assert ledger.settle_orphans(older_than=timedelta(seconds=25)) == 0
    clock.move_to(NOW + 26 * SECOND, tick=False)

    assert ledger.settle_orphans(older_than=timedelta(seconds=25)) == 1

    assert ForcedRefresh.objects.get().state == "in_doubt"
    assert used() == {"day": 1, "hour": 1}
    assert audit()[-1] == ("editor", "in_doubt", "")
    assert ledger.settle_orphans(older_than=timedelta(seconds=25)) == 0


def test_a_ledger_line_is_settled_only_once(ask: Any) -> None:
    ask()
    ask()
    line = ForcedRefresh.objects.order_by("pk").last()
    assert line is not None
    ForcedRefresh.objects.filter(pk=line.pk).update(state="reserved", settled_at=None)
    events = AuditEvent.objects.count()

    assert ledger.settle(line, ledger.State.FAILED) is True
    assert ledger.settle(line, ledger.State.FAILED) is False
    assert ledger.settle(line, ledger.State.IN_DOUBT) is False

    assert used() == {"day": 1, "hour": 1}
    assert AuditEvent.objects.count() == events + 1


def test_a_bug_during_a_refresh_leaves_the_unit_unsettled_and_the_lease_free(
    ask: Any, people: Cast, provider: FakeProvider
) -> None:
    with broken_calls(people, provider):
        assert ask().status_code == 500

    assert ForcedRefresh.objects.get().state == "in_doubt"
    assert ask().status_code == 200
    assert used() == {"day": 2, "hour": 2}


def test_a_discarded_result_leaves_the_unit_in_doubt(ask: Any, provider: FakeProvider) -> None:
    """The lease ran out, and another process took it over: the call was made, and its result is lost."""
    provider.during_call = lambda: Feed.objects.update(fence=99) and None

    assert ask().status_code == 200

    assert ForcedRefresh.objects.get().state == "in_doubt"
    assert used() == {"day": 1, "hour": 1}
    assert audit()[-1] == ("editor", "in_doubt", "")


def test_a_refused_charge_leaves_no_lease(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another request took the last unit between the forecast and the charge."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RefreshRefused(paris.BlockReason.QUOTA_EXCEEDED)

    ask()
    before = Feed.objects.get()
    with monkeypatch.context() as racing:
        racing.setattr(ledger, "reserve", refuse)
        racing.setattr(forcing, "MAX_LOOKS", 1)
        assert ask().status_code == 503

    after = Feed.objects.get()
    assert (after.fence, after.lease_expires_at) == (before.fence, None)
    assert ask().status_code == 200


def test_a_unit_returns_to_the_day_it_was_charged_to(ask: Any, provider: FakeProvider, clock: Any) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    clock.move_to(midnight - SECOND, tick=False)
    provider.during_call = lambda: clock.move_to(midnight + SECOND, tick=False)
    provider.raises(ProviderUnavailable())

    ask()

    assert ForcedRefresh.objects.get().state == "failed"
    assert {(row.kind, row.starts_at, row.used) for row in QuotaWindow.objects.all()} == {
        ("day", midnight - timedelta(days=1), 0),
        ("hour", midnight - HOUR, 0),
    }


def test_an_emptied_cache_gives_no_units_back(ask: Any) -> None:
    assert [ask().status_code for _ in range(4)] == [200] * 4

    cache.clear()

    assert blocked(ask())[0] == "QUOTA_EXCEEDED"


def test_without_the_database_nothing_is_charged(
    ask: Any, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(lease, "acquire", away)
    response = ask()

    assert (response.status_code, response.json()["error"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert int(response["Retry-After"]) > 0
    assert used() == {}
    assert provider.calls == []


# A click that waits for another refresh


class Board(InlineBoard):
    """While the click waits, the `events` happen one after another."""

    def __init__(self, *events: Callable[[], object]) -> None:
        super().__init__()
        self._events = iter(events)

    def wait_for(
        self, flight_key: Hashable, job: Callable[[], Any], *, timeout_seconds: float
    ) -> tuple[Wait, Any]:
        next(self._events)()
        return super().wait_for(flight_key, job, timeout_seconds=timeout_seconds)


@pytest.fixture
def flight(ask: Any, provider: FakeProvider) -> lease.Lease:
    """The feed is filled, and another process refreshes it."""
    ask()
    provider.calls.clear()
    row = Feed.objects.get()
    taken = lease.acquire(row.pk, seen_fence=row.fence, lasts=timedelta(minutes=1))
    assert taken is not None
    return taken


def test_a_click_receives_the_result_of_the_running_refresh(
    ask: Any, flight: lease.Lease, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = NOW + SECOND
    monkeypatch.setattr(forcing, "board", Board(lambda: lease.write(flight, fetched_at=newer)))

    answer = ask()

    assert (answer.status_code, answer.json()["lastUpdated"]) == (200, "2026-11-23T12:20:01Z")
    assert (provider.calls, used(), audit()[-1]) == ([], {"day": 1, "hour": 1}, ("editor", "done", "JOINED"))


def test_a_feed_deleted_while_a_click_waits_gets_an_answer(
    ask: Any, flight: lease.Lease, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forcing, "board", Board(Feed.objects.all().delete))

    answer = ask()

    assert (answer.status_code, answer.json()["posts"]) == (200, [])
    assert (provider.calls, used()) == ([], {"day": 1, "hour": 1})
    assert not Feed.objects.exists()


def test_a_workspace_deleted_while_a_click_waits_gets_an_answer(
    ask: Any, flight: lease.Lease, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forcing, "board", Board(people.workspace.delete))

    answer = ask()

    assert (answer.status_code, answer.json()["error"]) == (404, "INSTANCE_NOT_FOUND")


def test_a_click_keeps_waiting_when_another_process_replaces_a_dead_one(
    ask: Any, flight: lease.Lease, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = NOW + SECOND
    second: list[lease.Lease | None] = []

    def die_and_be_followed() -> None:
        Feed.objects.update(lease_expires_at=NOW - timedelta(days=400))
        second.append(lease.acquire(flight.feed_id, seen_fence=flight.fence, lasts=timedelta(minutes=1)))

    def land() -> None:
        assert second[0] is not None
        assert lease.write(second[0], fetched_at=newer)

    monkeypatch.setattr(forcing, "board", Board(die_and_be_followed, land))

    assert ask().json()["lastUpdated"] == "2026-11-23T12:20:01Z"
    assert (provider.calls, used()) == ([], {"day": 1, "hour": 1})


def test_a_click_refreshes_when_the_process_it_waited_for_has_died(
    ask: Any, flight: lease.Lease, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = NOW - timedelta(days=400)
    monkeypatch.setattr(forcing, "board", Board(lambda: Feed.objects.update(lease_expires_at=gone)))

    assert ask().status_code == 200
    assert (len(provider.calls), used()) == (1, {"day": 2, "hour": 2})


def test_without_a_free_waiting_place_nothing_is_charged_or_called(
    ask: Any, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    places = OrderPlaces(1)
    monkeypatch.setattr(forcing, "order_places", places)
    with places.taken():
        refused = ask()

    assert (refused.status_code, refused.json()["error"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert int(refused["Retry-After"]) > 0
    assert (used(), provider.calls) == ({}, [])
    assert "answered 503: TooBusy" in caplog.text

    provider.raises(ProviderUnavailable("away"))
    assert ask().status_code == 200
    provider.recovers()
    ForcedRefresh.objects.all().delete()
    Feed.objects.update(blocked_until=None)
    assert ask().status_code == 200  # the place is released, however the work ended


# What members see in a read


def block_of(client: Client, instance: WidgetInstance) -> Any:
    return client.get(f"{FEED}?instanceId={instance.pk}").json()["refresh"]


def test_members_see_the_remaining_refreshes(ask: Any, people: Cast, instance: WidgetInstance) -> None:
    assert block_of(people.viewer, instance) == {"remainingToday": 24, "remainingThisHour": 4}
    for _ in range(4):
        ask()
    assert block_of(people.editor, instance) == {
        "remainingToday": 20,
        "remainingThisHour": 0,
        "forcedAllowedAt": "2026-11-23T13:00:00Z",
        "reasonCode": "QUOTA_EXCEEDED",
        "upgradeHint": "Business",
    }
    put_on(people, "free")
    assert block_of(people.editor, instance) == {
        "remainingToday": 0,
        "remainingThisHour": None,
        "forcedAllowedAt": "2026-11-24T00:00:00Z",
        "reasonCode": "QUOTA_EXCEEDED",
        "upgradeHint": "Business",
    }
    set_override(people.workspace, DAY_KEY, None, actor=STAFF)
    assert block_of(people.editor, instance) == {"remainingToday": None, "remainingThisHour": None}


def test_visitors_do_not_see_the_remaining_refreshes(people: Cast, instance: WidgetInstance) -> None:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    assert "refresh" not in people.anonymous.get(f"{FEED}?token={token}").json()


def test_two_workspaces_have_separate_quotas(
    ask: Any, people: Cast, make_instance: Any, provider: FakeProvider
) -> None:
    ask()
    twin = make_instance(name="Twin")
    assert block_of(people.editor, twin)["remainingToday"] == 24
    Membership.objects.create(
        workspace=people.workspace, user=User.objects.get(username="outsider"), role="viewer"
    )
    assert block_of(people.outsider, twin)["remainingToday"] == 24
