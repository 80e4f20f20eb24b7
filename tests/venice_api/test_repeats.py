"""Reads answered by a repeated answer are answered as the view would answer them, and count like all others."""

from __future__ import annotations

import io
import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core import signals
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client

from config.wsgi import application
from entitlements.changes import Actor, set_plan
from entitlements.models import EntitlementOverride, Plan
from foundation import buffers, counters
from foundation.cache import RECHECK_AFTER_SECONDS, Lookups
from foundation.logs import JsonFormatter, RedactionFilter
from paris_integration import public as paris
from paris_integration.errors import ProviderUnavailable
from paris_integration.feeds import fast_copy
from paris_integration.models import DailyUsage, Feed
from paris_integration.tasks import refresh_feed
from tests.fakes import FakeProvider, RecordingDispatcher, media, video
from tests.metrics import difference, scrape
from venice_api import embed_tokens
from venice_api.api import repeats
from venice_api.instances import rotate_embed_token
from venice_api.models import DailyReads, PageSighting, WidgetInstance

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SITE = "https://bakery.example"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class Answered:
    """What a client gets."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.body = status, body
        self.headers = sorted((name, value) for name, value in headers if name != "X-Request-ID")
        self.request_id = dict(headers)["X-Request-ID"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answered) and self._parts == other._parts

    @property
    def _parts(self) -> tuple[str, list[tuple[str, str]], bytes]:
        return self.status, self.headers, self.body

    def __repr__(self) -> str:
        return f"{self.status} {self.headers} {self.body[-400:]!r}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def environ(query: dict[str, str], **headers: str) -> dict[str, Any]:
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": repeats.PATH,
        "QUERY_STRING": urlencode(query),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **named,
    }


def call(server: Any, request: dict[str, Any], start_response: Callable[..., Any]) -> bytes:
    # Django would close the connection with the test's transaction. Its test client does the same.
    signals.request_started.disconnect(close_old_connections)
    return b"".join(server(request, start_response))


def ask(server: Any, query: dict[str, str], **headers: str) -> Answered:
    started: list[Any] = []
    body = call(server, environ(query, **headers), lambda *start: started.append(start))
    status, sent, *_ = started[-1]
    return Answered(status, sent, body)


django = get_wsgi_application()


def ask_view(query: dict[str, str], **headers: str) -> Answered:
    return ask(django, query, **headers)


def read(query: dict[str, str], **headers: str) -> Answered:
    return ask(application, query, **headers)


@pytest.fixture(autouse=True)
def _monotonic_follows_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "monotonic", time.time)


@pytest.fixture(autouse=True)
def _connection_closes_again() -> Iterator[None]:
    yield
    signals.request_started.connect(close_old_connections)


@pytest.fixture
def view_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each read that the view answered."""
    calls: list[int] = []
    real = paris.read_feed

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(paris, "read_feed", counted)
    return calls


@pytest.fixture
def token(instance: WidgetInstance) -> str:
    return token_of(instance)


@pytest.fixture
def warm(token: str, view_calls: list[int], clock: Any) -> dict[str, str]:
    """The query of a read whose answer is kept, in a cache that holds all that it needs."""
    query = {"token": token}
    for _ in range(3):
        read(query)
        clock.shift(1.5)
    read(query)
    view_calls.clear()
    return query


def token_of(instance: WidgetInstance) -> str:
    return embed_tokens.issue(instance.pk, instance.token_version)


def test_an_answer_is_repeated_for_a_second_and_then_compared(
    warm: dict[str, str], view_calls: list[int], clock: Any
) -> None:
    first = read(warm)
    assert first.status == "200 OK"
    assert len(first.json["posts"]) == 3
    for _ in range(20):
        clock.shift(0.9)
        assert read(warm) == first
    assert view_calls == []


def test_answers_in_use_stay_good_without_a_request_that_waits(
    warm: dict[str, str], view_calls: list[int], clock: Any
) -> None:
    for _ in range(20):
        assert application.repeat(environ(warm)) is not None
        clock.shift(0.7)
        repeats.repeats.check_used()
    assert view_calls == []


def test_a_change_sends_one_request_to_the_view_and_the_others_need_not_wait(
    warm: dict[str, str], instance: WidgetInstance, clock: Any, act: Callable[..., Any], view_calls: list[int]
) -> None:
    request = environ(warm)
    before = application.repeat(request)
    instance.max_posts = 1
    act(instance.save)
    clock.shift(0.7)
    repeats.repeats.check_used()
    assert application.repeat(request) is None
    other = application.repeat(request)
    assert before is not None
    assert other is not None
    assert other.body == before.body
    for _ in range(3):
        assert len(read(warm).json["posts"]) == 1
    assert len(view_calls) == 1


def test_a_repeated_answer_is_the_views_in_every_part(warm: dict[str, str], view_calls: list[int]) -> None:
    etag = dict(read(warm).headers)["ETag"]
    for headers in (
        {},
        {"if_none_match": etag},
        {"if_none_match": f'W/{etag}, "other"'},
        {"if_none_match": "*"},
        {"if_none_match": '"other"'},
        {"referer": f"{SITE}/page", "user_agent": "x", "accept": "text/html"},
        {"if_modified_since": "Mon, 23 Nov 2026 12:00:00 GMT"},
    ):
        repeated = read(warm, **headers)
        assert view_calls == []
        assert repeated == ask_view(warm, **headers)
        view_calls.clear()
        assert len(repeated.request_id) == 32
    assert read(warm, x_request_id="my-id.1").request_id == "my-id.1"
    assert len(read(warm, x_request_id="not valid!").request_id) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"REQUEST_METHOD": "HEAD"},
        {"REQUEST_METHOD": "OPTIONS"},
        {"HTTP_COOKIE": "sessionid=x"},
        {"HTTP_CACHE_CONTROL": "max-age=0"},
        {"HTTP_PRAGMA": "no-cache"},
        {"CONTENT_LENGTH": "2"},
        {"PATH_INFO": repeats.PATH + "/"},
        {"SCRIPT_NAME": "/x"},
        {"HTTP_HOST": "evil.example"},
        {"HTTP_X_FORWARDED_HOST": "evil.example"},
        {"HTTP_ORIGIN": ""},
        {"HTTP_ORIGIN": SITE},
        {"HTTP_AUTHORIZATION": "Bearer x"},
        {"QUERY_STRING": "token=x"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
    ],
)
def test_other_requests_are_not_answered_with_it(warm: dict[str, str], change: dict[str, str]) -> None:
    request = {**environ(warm), **change}
    assert application.repeat(environ(warm)) is not None
    assert application.repeat(request) is None


def test_answers_differ_by_origin_as_the_views_do(
    make_instance: Callable[..., WidgetInstance], provider: FakeProvider, view_calls: list[int]
) -> None:
    query = {"token": token_of(make_instance(allowed_origins=[SITE]))}
    for origin in (SITE, "https://other.example", None, "http://localhost", ""):
        headers = {} if origin is None else {"origin": origin}
        for _ in range(3):
            repeated, viewed = read(query, **headers), ask_view(query, **headers)
            if viewed.status == "200 OK":
                assert repeated == viewed
            else:
                assert repeated.status == viewed.status == "403 Forbidden"
    assert read(query, origin="https://other.example").status == "403 Forbidden"
    view_calls.clear()
    assert dict(read(query, origin=SITE).headers)["Access-Control-Allow-Origin"] == SITE
    assert view_calls == []


def test_a_token_in_the_header_is_repeated_too(token: str, view_calls: list[int]) -> None:
    ask_view({"token": token})
    first = read({}, authorization=f"Bearer {token}")
    view_calls.clear()
    assert read({}, authorization=f"Bearer {token}") == first
    assert view_calls == []
    assert first == ask_view({}, authorization=f"Bearer {token}")
    assert dict(first.headers)["Vary"] == "Authorization"


def test_changes_show_after_a_second(
    warm: dict[str, str], instance: WidgetInstance, clock: Any, act: Callable[..., Any]
) -> None:
    posts = [post["id"] for post in read(warm).json["posts"]]

    def change(**values: Any) -> list[str]:
        for name, value in values.items():
            setattr(instance, name, value)
        act(instance.save)
        clock.shift(1)
        return [post["id"] for post in read(warm).json["posts"]]

    assert change(hidden_post_ids=posts[:1]) == posts[1:]
    assert change(hidden_post_ids=[], pinned_post_ids=posts[2:]) == [posts[2], *posts[:2]]
    assert change(max_posts=1) == posts[2:]
    act(rotate_embed_token, instance.pk)
    clock.shift(1)
    assert read(warm).status == "401 Unauthorized"


def test_a_deleted_widget_is_gone_after_a_second(
    warm: dict[str, str], instance: WidgetInstance, clock: Any, act: Callable[..., Any]
) -> None:
    act(instance.delete)
    clock.shift(1)
    assert read(warm).status == "401 Unauthorized"


def test_an_answer_that_nobody_asks_for_is_forgotten(warm: dict[str, str], clock: Any) -> None:
    clock.shift(repeats.REPEAT_SECONDS + repeats.FORGET_SECONDS + 1)
    repeats.repeats.forget_old()
    assert repeats.repeats._kept == {}
    assert repeats.repeats._bytes == 0


def test_the_kept_answers_are_bounded(token: str) -> None:
    store = repeats.Repeats(max_bytes=200_000)
    for number in range(100):
        request = environ(
            {"token": token, "maxPosts": str(number % 50 + 1)}, origin=f"https://{number}.example"
        )
        application_of(store)(request)
        assert store._bytes <= 200_000
    assert 0 < len(store._kept) < 100


def application_of(store: repeats.Repeats) -> Callable[[dict[str, Any]], None]:
    def run(request: dict[str, Any]) -> None:
        headers: list[Any] = []
        request[repeats.LOOKUPS] = Lookups()
        call(django, request, lambda status, sent: headers.extend(sent))
        store.keep(request, headers, repeats.monotonic())

    return run


def test_a_due_feed_is_asked_for_again_without_the_view(
    warm: dict[str, str], clock: Any, dispatched: RecordingDispatcher, view_calls: list[int]
) -> None:
    clock.shift(timedelta(hours=2))
    for _ in range(20):
        assert read(warm).json["stale"] is True
        clock.shift(1)
    assert len(view_calls) == 2  # the first notes in the feed that it was read
    assert len(dispatched.feed_ids) >= 20


def test_values_in_use_are_checked_against_the_database_ahead_of_time(
    warm: dict[str, str], view_calls: list[int], clock: Any
) -> None:
    for _ in range(400):
        clock.shift(0.7)
        repeats.repeats.check_used()
        repeats.repeats.check_database()
        assert application.repeat(environ(warm)) is not None
    assert view_calls == []


def test_a_check_ahead_of_time_finds_what_the_cache_was_not_told(
    warm: dict[str, str], instance: WidgetInstance, view_calls: list[int], clock: Any
) -> None:
    WidgetInstance.objects.filter(pk=instance.pk).update(max_posts=1)
    for _ in range(int(RECHECK_AFTER_SECONDS) - 2):
        clock.shift(1)
        answer = read(warm)
        repeats.repeats.check_database()
    assert len(answer.json["posts"]) == 1
    assert len(view_calls) == 1


def test_a_check_ahead_of_time_finds_a_deleted_widget(
    warm: dict[str, str], instance: WidgetInstance, clock: Any
) -> None:
    WidgetInstance.objects.filter(pk=instance.pk).delete()
    for _ in range(int(RECHECK_AFTER_SECONDS) - 2):
        clock.shift(1)
        repeats.repeats.check_database()
        repeats.repeats.check_used()
    assert read(warm).status == "401 Unauthorized"


def test_an_answer_ends_when_it_becomes_stale(warm: dict[str, str], clock: Any) -> None:
    fetched_at = Feed.objects.get().fetched_at
    assert fetched_at is not None
    clock.move_to(fetched_at + timedelta(minutes=60, seconds=-0.5), tick=False)
    read(warm)
    clock.shift(0.4)
    assert read(warm).json["stale"] is False
    clock.shift(0.2)  # not a second later
    assert read(warm).json["stale"] is True


def test_values_are_checked_against_the_database_as_often_as_before(
    warm: dict[str, str], instance: WidgetInstance, clock: Any
) -> None:
    """A change whose message to the cache was lost shows after the re-check, as it does in the view."""
    WidgetInstance.objects.filter(pk=instance.pk).update(max_posts=1)
    for _ in range(int(RECHECK_AFTER_SECONDS) + 1):
        clock.shift(1)
        answer = read(warm)
    assert len(answer.json["posts"]) == 1


def test_repeated_answers_count(
    warm: dict[str, str], instance: WidgetInstance, view_calls: list[int], people: Any
) -> None:
    buffers.flush_all()
    reads_before = DailyReads.objects.get().reads
    usage_before = DailyUsage.objects.get().feed_requests
    before = scrape()
    etag = dict(read(warm).headers)["ETag"]
    for _ in range(6):
        read(warm, origin=SITE)
    for _ in range(4):
        assert read(warm, if_none_match=etag).status == "304 Not Modified"
    assert len(view_calls) == 1  # the first with this origin
    buffers.flush_all()

    assert DailyReads.objects.get().reads == reads_before + 11
    assert DailyUsage.objects.get().feed_requests == usage_before + 11
    counted = difference(before, scrape(), "instagram_feed_requests_total")
    assert {labels[-1]: number for labels, number in counted.items()} == {"hit": 7, "not_modified": 4}
    assert [page.host for page in PageSighting.objects.all()] == ["bakery.example"]


def test_repeated_answers_count_towards_the_throttles(
    warm: dict[str, str], settings: Any, view_calls: list[int]
) -> None:
    counters.reads.clear()
    settings.THROTTLE_READS_PER_ADDRESS = 5
    answers = [read(warm) for _ in range(7)]
    assert [answer.status[:3] for answer in answers] == ["200"] * 5 + ["429"] * 2
    other = {**environ(warm), "REMOTE_ADDR": "192.0.2.2"}
    assert application.repeat(other) is not None
    settings.THROTTLE_READS_PER_INSTANCE = 6
    assert application.repeat(other) is None
    assert view_calls == []


def test_repeated_answers_are_logged_like_others(
    warm: dict[str, str], token: str, instance: WidgetInstance
) -> None:
    repeats.repeats.settle()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(RedactionFilter())
    logger = logging.getLogger("access")
    logger.addHandler(handler)
    level, logger.level = logger.level, logging.INFO
    try:
        read(warm, x_request_id="a-1")
        ask_view(warm, x_request_id="a-1")
        read(warm, x_request_id=token[:60])
        repeats.repeats.settle()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    viewed, repeated, with_token = (json.loads(line) for line in stream.getvalue().splitlines())
    for line in (repeated, viewed):
        assert line.pop("duration_ms") >= 0
        line.pop("time")
    assert repeated == viewed
    assert list(repeated) == list(viewed)
    assert token not in stream.getvalue()
    assert with_token["status"] == 200


def test_repeats_are_the_views_answers_in_random_states(
    instance: WidgetInstance,
    make_instance: Callable[..., WidgetInstance],
    provider: FakeProvider,
    people: Any,
    clock: Any,
    act: Callable[..., Any],
    view_calls: list[int],
) -> None:
    """After any change and a second, and at any moment without a change, both answer alike."""
    chance = random.Random(20261128)  # noqa: S311 - no secret
    provider.accounts["acme.bakery"] = [video(n) if n % 3 else media(n) for n in range(30)]
    etags = ["*"]

    def run_refresh() -> None:
        row = Feed.objects.first()
        if row is not None:
            act(refresh_feed, str(row.pk))

    def fail() -> None:
        provider.raises(ProviderUnavailable(code=2))

    def save(**values: Any) -> None:
        row = WidgetInstance.objects.get(pk=instance.pk)
        for name, value in values.items():
            setattr(row, name, value)
        act(row.save)

    def put_on(plan: str) -> None:
        act(set_plan, people.workspace, Plan.objects.get(key=plan), actor=Actor("test"))

    def override() -> None:
        EntitlementOverride.objects.all().delete()
        act(
            EntitlementOverride.objects.create,
            workspace=people.workspace,
            key="instagram.refresh.ttlMinutes.min",
            value=chance.choice([15, 600]),
            ends_at=datetime.fromtimestamp(time.time() + chance.choice([0.5, 40, 4_000]), UTC),
        )

    def pause() -> None:
        Feed.objects.update(
            paused_at=datetime.fromtimestamp(time.time(), UTC),
            paused_until=datetime.fromtimestamp(time.time() + chance.choice([0.7, 50, 90_000]), UTC),
        )
        for row in Feed.objects.all():
            fast_copy.publish(row)

    changes: list[Callable[[], Any]] = [
        run_refresh,
        fail,
        provider.recovers,
        lambda: save(hidden_post_ids=[f"1790000000000{chance.randrange(30):04d}"]),
        lambda: save(pinned_post_ids=[f"1790000000000{chance.randrange(30):04d}"]),
        lambda: save(max_posts=chance.randrange(1, 30)),
        lambda: save(excluded_words=chance.choice([[], ["post"], ["5"]])),
        lambda: save(appearance={}, video_notice=chance.choice([True, False])),
        lambda: put_on(chance.choice(["free", "starter", "pro", "business"])),
        override,
        pause,
        cache.clear,
        lambda: act(rotate_embed_token, instance.pk),
    ]
    without_view = 0
    for _ in range(120):
        if chance.random() < 0.4:
            chance.choice(changes)()
            clock.shift(1)
        clock.shift(chance.choice([0, 0, 0.2, 0.6, 1.1, 3, 31, 70, 1_000, 4_000, 90_000]))
        row = WidgetInstance.objects.get(pk=instance.pk)
        query = {"token": token_of(row)} | chance.choice([{}, {}, {"maxPosts": "3"}, {"filterType": "video"}])
        headers = chance.choice([{}, {}, {"origin": SITE}, {"if_none_match": chance.choice(etags)}])
        for pause_seconds in (0, 0.3, 0.6, 0.3):
            clock.shift(pause_seconds)
            view_calls.clear()
            repeated = read(query, **headers)
            without_view += not view_calls
            expected = ask_view(query, **headers)
            assert repeated == expected
        etags.append(dict(expected.headers).get("ETag", "*"))
    assert 80 < without_view < 400


@pytest.fixture(autouse=True)
def _settled() -> Iterator[None]:
    yield
    repeats.repeats.clear()


def test_the_test_client_of_django_is_not_repeated(client: Client, token: str, view_calls: list[int]) -> None:
    """Other tests see the view."""
    for _ in range(2):
        client.get(repeats.PATH, {"token": token})
    assert len(view_calls) == 2
