"""Which requests are limited, also when the cache is unavailable."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.conf import settings as real_settings
from django.core.cache import caches
from django.test import Client

from foundation import counters
from foundation.cache import ResilientRedisCache
from tests.conftest import Cast
from tests.fakes import FakeProvider
from tests.marks import needs_redis
from venice_api import embed_tokens

FEED = "/v1/integrations/instagram/feed"
REFRESH = "/v1/integrations/instagram/refresh"
NOON = "2026-01-20T12:00:20Z"


@pytest.fixture(autouse=True)
def _clock(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def token(make_instance: Any, provider: FakeProvider) -> str:
    return token_of(make_instance())


def token_of(instance: Any) -> str:
    return embed_tokens.issue(instance.pk, instance.token_version)


def read(client: Client, token: str, address: str = "192.0.2.1", **headers: str) -> Any:
    return client.get(FEED, {"token": token}, REMOTE_ADDR=address, headers=headers)


def statuses(*responses: Any) -> list[int]:
    return [response.status_code for response in responses]


def test_no_default_is_below_the_minimum_limit() -> None:
    assert real_settings.THROTTLE_READS_PER_ADDRESS >= 6_000
    assert real_settings.THROTTLE_READS_PER_INSTANCE >= 6_000
    assert real_settings.THROTTLE_POSTS_PER_USER >= 1_200


def test_reads_from_one_address_are_limited(
    client: Client, token: str, settings: Any, time_machine: Any
) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = 2
    assert statuses(*(read(client, token) for _ in range(3))) == [200, 200, 429]

    refused = read(client, token, origin="https://bakery.example")
    body = refused.json()
    assert (body["error"], refused["Retry-After"], refused["Cache-Control"]) == (
        "THROTTLED",
        "40",
        "no-store",
    )
    assert set(body) == {"error", "message", "requestId"}
    assert refused["Access-Control-Allow-Origin"] == "*"

    assert read(client, token, address="192.0.2.2").status_code == 200
    time_machine.move_to("2026-01-20T12:01:00Z", tick=False)
    assert read(client, token).status_code == 200


def test_reads_of_one_widget_do_not_limit_other_widgets(
    client: Client, token: str, make_instance: Any, settings: Any
) -> None:
    settings.THROTTLE_READS_PER_INSTANCE = 2
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3")

    assert statuses(*(read(client, token, address=a) for a in addresses)) == [200, 200, 429]
    assert read(client, token_of(make_instance(source_value="acme.other"))).status_code == 200


def test_the_address_comes_from_the_trusted_proxy(client: Client, token: str, settings: Any) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = 1
    settings.TRUSTED_PROXIES = 1

    first = read(client, token, x_forwarded_for="203.0.113.1")
    forged = read(client, token, x_forwarded_for="198.51.100.7, 203.0.113.1")
    other = read(client, token, x_forwarded_for="203.0.113.2")

    assert statuses(first, forged, other) == [200, 429, 200]


def ask_first(client: Client, address: str = "192.0.2.1", **query: str) -> Any:
    """The preflight a browser sends before reading from another site."""
    return client.options(f"{FEED}?{urlencode(query)}", REMOTE_ADDR=address)


@pytest.mark.parametrize("named", ["token", "instanceId", "nothing", "odd"])
def test_preflights_from_one_address_count_as_reads(
    client: Client, make_instance: Any, settings: Any, named: str, django_assert_num_queries: Any
) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = 2
    instance = make_instance()
    query = {
        "token": {"token": token_of(instance)},
        "instanceId": {"instanceId": instance.pk},
        "nothing": {},
        "odd": {"instanceId": ""},
    }[named]

    assert statuses(*(ask_first(client, **query) for _ in range(3))) == [204, 204, 429]
    refused = ask_first(client, **query)
    assert (refused.json()["error"], refused["Retry-After"]) == ("THROTTLED", "40")
    with django_assert_num_queries(0):
        assert ask_first(client, instanceId="wgt_that_nobody_has_read_yet").status_code == 429
    assert ask_first(client, address="192.0.2.2", **query).status_code == 204


def test_preflights_of_one_widget_count_as_reads(
    client: Client, make_instance: Any, provider: FakeProvider, settings: Any
) -> None:
    settings.THROTTLE_READS_PER_INSTANCE = 2
    instance = make_instance()
    token = token_of(instance)

    first = ask_first(client, "192.0.2.1", token=token)
    second = ask_first(client, "192.0.2.2", instanceId=instance.pk)

    assert statuses(first, second, read(client, token, "192.0.2.3")) == [204, 204, 429]
    assert ask_first(client, "192.0.2.4", instanceId="another").status_code == 204


def frame(client: Client, instance: Any, token: str, address: str = "192.0.2.1") -> Any:
    return client.get(f"/embed/{instance.pk}", {"token": token}, REMOTE_ADDR=address)


def test_frames_count_as_reads(
    client: Client, make_instance: Any, provider: FakeProvider, settings: Any
) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = 2
    instance = make_instance()
    token = token_of(instance)

    assert statuses(*(frame(client, instance, token) for _ in range(3))) == [200, 200, 429]

    refused = frame(client, instance, token)
    assert (refused["Retry-After"], refused["Cache-Control"]) == ("40", "no-store")
    assert "frame-ancestors *" in refused["Content-Security-Policy"]
    assert read(client, token).status_code == 429
    assert frame(client, instance, token, address="192.0.2.2").status_code == 200


def test_frames_of_one_widget_do_not_limit_other_widgets(
    client: Client, make_instance: Any, provider: FakeProvider, settings: Any
) -> None:
    settings.THROTTLE_READS_PER_INSTANCE = 1
    one, other = make_instance(), make_instance(source_value="acme.other")

    answers = [
        frame(client, widget, token_of(widget), f"192.0.2.{n}") for n, widget in enumerate((one, one, other))
    ]

    assert statuses(*answers) == [200, 429, 200]


def test_failed_authentication_has_a_lower_limit_and_valid_tokens_still_work(
    client: Client, token: str, settings: Any
) -> None:
    settings.THROTTLE_FAILURES_PER_ADDRESS = 2

    assert statuses(*(read(client, "wrong") for _ in range(3))) == [401, 401, 429]
    assert statuses(read(client, token), read(client, "wrong", address="192.0.2.9")) == [200, 401]


def test_changes_by_one_user_are_limited(
    people: Cast, make_instance: Any, provider: FakeProvider, settings: Any
) -> None:
    settings.THROTTLE_POSTS_PER_USER = 1
    body = json.dumps({"instanceId": make_instance().pk})

    def refresh(who: Client) -> Any:
        return who.post(REFRESH, body, content_type="application/json")

    assert statuses(refresh(people.editor), refresh(people.editor)) == [200, 429]
    assert refresh(people.owner).status_code == 200
    assert statuses(refresh(people.anonymous), refresh(people.outsider)) == [401, 404]
    assert people.editor.get("/editor/").status_code == 200


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_sign_ins_from_one_address_are_limited(client: Client, db: None, settings: Any, path: str) -> None:
    settings.THROTTLE_SIGN_INS_PER_ADDRESS = 2
    attempt = {"username": "owner", "password": "guess"}

    answers = [client.post(path, attempt) for _ in range(3)]

    assert statuses(*answers) == [200, 200, 429]
    assert b"Too many requests" in answers[2].content
    assert answers[2]["Retry-After"] == "40"
    assert client.get(path).status_code == 200


def test_zero_means_no_limit(client: Client, token: str, settings: Any) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = settings.THROTTLE_READS_PER_INSTANCE = 0

    assert statuses(*(read(client, token) for _ in range(3))) == [200, 200, 200]
    assert counters.count(["read"]) == [1]


def test_without_the_cache_reads_are_counted_by_each_process_alone(
    client: Client, token: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.THROTTLE_READS_PER_ADDRESS = 2
    away = ResilientRedisCache("redis://127.0.0.1:1/0", {})
    monkeypatch.setattr(counters, "caches", {"default": away})

    assert counters.count(["x"]) is None
    assert statuses(*(read(client, token) for _ in range(2))) == [200, 200]
    counters.reads.settle()
    assert statuses(read(client, token)) == [429]


def test_reads_are_counted_without_a_round_trip(
    client: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(client, token)
    monkeypatch.setattr(counters, "caches", None)
    assert read(client, token).status_code == 200


@needs_redis
def test_processes_learn_of_each_others_reads() -> None:
    mine, others = counters.BatchedCounters(), counters.BatchedCounters()
    at = 1_768_910_420.0
    assert [mine.raise_all(["a"], now_seconds=at) for _ in range(3)] == [[1], [2], [3]]
    assert others.raise_all(["a", "b"], now_seconds=at) == [1, 1]
    mine.settle()
    others.settle()
    assert others.raise_all(["a", "b"], now_seconds=at) == [5, 2]
    assert mine.raise_all(["a"], now_seconds=at) == [4]
    others.settle()
    mine.settle()
    assert mine.raise_within({"a": 7}, now_seconds=at)
    assert not mine.raise_within({"a": 7}, now_seconds=at)
    assert mine.raise_all(["a"], now_seconds=at + 60) == [1]


@needs_redis
def test_redis_counts_for_all_processes_and_expires() -> None:
    backend: Any = caches["default"]
    with time_machine.travel(NOON, tick=False):
        assert [counters.count(["a", "b"]), counters.count(["a"])] == [[1, 1], [2]]
    key = backend.make_key(f"count:{1768910420 // 60}:a")
    assert 0 < backend._cache.get_client(key).ttl(key) <= 120
