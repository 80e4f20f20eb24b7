"""`/metrics`: who can read it, and that its numbers are right."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from entitlements import metric_labels
from entitlements.metric_labels import labels
from entitlements.models import Plan, Workspace
from foundation import cache as foundation_cache
from outbox.models import Mail
from paris_integration.errors import ProviderUnavailable, TokenRejected
from paris_integration.observing import gauges
from paris_integration.public import refresh_due_now
from tests.conftest import Cast
from tests.fakes import FakeProvider
from tests.metrics import difference, scrape
from venice_api.embed_tokens import issue

FEED = "/v1/integrations/instagram/feed"
REFRESH = "/v1/integrations/instagram/refresh"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_labels() -> None:
    labels.forget()


@pytest.mark.parametrize(
    ("headers", "address", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "::1", 200),
        ({}, "::ffff:127.0.0.1", 200),
        ({}, "10.0.0.7", 401),
        ({}, "", 401),
        ({"X-Forwarded-For": "127.0.0.1"}, "127.0.0.1", 401),
        ({"Forwarded": "for=127.0.0.1"}, "127.0.0.1", 401),
        ({"X-Forwarded-Proto": "https"}, "127.0.0.1", 401),
        ({"Authorization": "Bearer right-token"}, "10.0.0.7", 200),
        ({"Authorization": "Bearer right-token", "X-Forwarded-For": "9.9.9.9"}, "127.0.0.1", 200),
        ({"Authorization": "Bearer wrong-token"}, "127.0.0.1", 401),
        ({"Authorization": "Bearer "}, "127.0.0.1", 401),
        ({"Authorization": "Basic right-token"}, "127.0.0.1", 401),
        ({"Authorization": "Bearer r\u00efght"}, "127.0.0.1", 401),
    ],
)
@pytest.mark.parametrize("proxies", [0, 1])
def test_who_can_read(
    settings: Any, headers: dict[str, str], address: str, status: int, proxies: int
) -> None:
    settings.METRICS_TOKEN, settings.TRUSTED_PROXIES = "right-token", proxies
    answer = Client().get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answer.status_code == status
    assert answer["Cache-Control"] == "no-store"
    assert (b"instagram_database_up" in answer.content) is (status == 200)


@pytest.mark.parametrize("sent", ["", "anything"])
def test_without_a_configured_token_every_bearer_is_refused(settings: Any, sent: str) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": f"Bearer {sent}"}).status_code == 401
    assert Client().get("/metrics").status_code == 200
    assert Client().post("/metrics").status_code == 405


def test_every_answer_to_a_feed_request_is_counted_once(
    make_instance: Callable[..., Any], people: Cast, provider: FakeProvider
) -> None:
    row = make_instance()
    other = make_instance(source_value="nobody.there")
    token = issue(row.pk, row.token_version)
    reader = Client()
    before = scrape()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first = reader.get(FEED, {"token": token})  # filled
        reader.get(FEED, {"token": token})  # hit
        reader.get(FEED, {"token": token}, headers={"If-None-Match": first["ETag"]})  # not_modified
        reader.get(FEED, {"token": issue(other.pk, other.token_version)})  # failing
        clock.shift(timedelta(days=2))
        reader.get(FEED, {"token": token})  # stale
        reader.get(FEED, {"token": token, "maxPosts": "many"})  # invalid, of this workspace
        reader.get(FEED, {"token": token, "sourceType": "profile", "sourceValue": "else"})  # mismatch
        reader.get(FEED, {"token": "forged"})  # unauthenticated, without workspace
        reader.get(FEED, {"instanceId": row.pk})  # unauthenticated
        people.outsider.get(FEED, {"instanceId": row.pk})  # not_found
        reader.post(FEED)  # invalid: no such method
        reader.options(FEED, {"token": token})  # not counted
    made = difference(before, scrape(), "instagram_feed_requests_total")
    own = {result: n for (workspace, result), n in made.items() if workspace == str(row.workspace_id)}
    without_workspace = {result: n for (workspace, result), n in made.items() if workspace == "_unknown"}
    assert own == {
        "filled": 1, "hit": 1, "not_modified": 1, "failing": 1, "stale": 1, "invalid": 1, "mismatch": 1,
    }  # fmt: skip
    assert without_workspace == {"unauthenticated": 2, "not_found": 1, "invalid": 1}


def test_refreshes_blocks_and_errors_are_counted(
    make_instance: Callable[..., Any], people: Cast, provider: FakeProvider
) -> None:
    row = make_instance()
    workspace = str(row.workspace_id)
    before = scrape()

    def post() -> Any:
        return people.editor.post(
            REFRESH, json.dumps({"instanceId": row.pk}), content_type="application/json"
        )

    assert post().status_code == 200
    provider.raises(ProviderUnavailable(status=503))
    assert post().json()["warnings"] == ["PROVIDER_UNAVAILABLE"]
    assert post().status_code == 200  # makes no call
    provider.raises(TokenRejected(code=190))
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        refresh_due_now(now=timezone.now())
    made = difference(before, scrape(), "instagram_refresh_attempts_total")
    assert made == {
        ("forced", "succeeded", workspace): 1,
        ("forced", "failed", workspace): 1,
        ("automatic", "failed", workspace): 1,
    }
    assert difference(before, scrape(), "instagram_refresh_blocked_total") == {("BACKOFF", workspace): 1}
    errors = difference(before, scrape(), "instagram_provider_errors_total")
    assert errors == {("unavailable", workspace): 1, ("operator_token", workspace): 1}


def test_all_processes_label_the_same_oldest_workspaces(
    settings: Any, people: Cast, make_instance: Callable[..., Any], provider: FakeProvider
) -> None:
    settings.METRICS_WORKSPACE_LIMIT = 2  # Acme and the other studio were first
    late = Workspace.objects.create(name="Late", plan=Plan.objects.get(key="pro"))
    row = make_instance(workspace=late)
    before = scrape()
    Client().get(FEED, {"token": issue(row.pk, row.token_version)})
    assert difference(before, scrape(), "instagram_feed_requests_total") == {("_other", "filled"): 1}
    labels.forget()  # like another process
    assert labels.label_of(late.pk) == "_other"
    assert labels.label_of(people.workspace.pk) == str(people.workspace.pk)


def test_simultaneous_requests_get_the_same_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second thread must not use `_other` while the first is still looking up the label."""
    asked, answer = threading.Event(), threading.Event()

    def slow_look() -> frozenset[str]:
        asked.set()
        assert answer.wait(10)
        return frozenset({"new"})

    monkeypatch.setattr(metric_labels, "_first_workspaces", slow_look)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(labels.label_of, "new")
        assert asked.wait(10)
        second = pool.submit(labels.label_of, "new")
        threading.Timer(0.2, answer.set).start()
        assert [first.result(10), second.result(10)] == ["new", "new"]
    labels.forget()


def test_the_page_works_while_the_database_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> list[Any]:
        raise OperationalError("away")

    monkeypatch.setattr(gauges, "_read_all", away)
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert b"instagram_database_up 0.0" in answer.content
    foundation_cache.database_breaker.success()


def test_the_gauges_cost_a_bounded_number_of_queries(
    django_assert_max_num_queries: Any, make_instance: Callable[..., Any], provider: FakeProvider
) -> None:
    for number in range(12):
        row = make_instance(source_value=f"account.{number}")
        Client().get(FEED, {"token": issue(row.pk, row.token_version)})
    with django_assert_max_num_queries(14):
        page = scrape()
    assert page[("instagram_database_up", ())] == 1


def test_mails_that_wait_for_the_mail_server_are_counted() -> None:
    now = timezone.now()
    for hours, fault, is_given_up in (
        (2, "ConnectionRefusedError", False),
        (1, "", False),
        (5, "SMTPRecipientsRefused 450", False),
        (9, "ConnectionRefusedError", True),
    ):
        Mail.objects.create(
            kind="invitation", recipient="ann@shop.example", fault=fault, queued_at=now - timedelta(hours=hours),
            next_try_at=None if is_given_up else now, expires_at=now,
        )  # fmt: skip
    page = scrape()
    assert page[("instagram_mails_waiting", ())] == 2
    assert page[("instagram_mails_waiting_age_seconds", ())] == pytest.approx(7_200, abs=60)
