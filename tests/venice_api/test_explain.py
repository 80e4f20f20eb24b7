"""Every state of a widget is explained right, and alike by the API, the editor's page and the support desk."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.changes import Actor as Staff
from entitlements.changes import set_override, set_plan
from entitlements.models import Plan
from paris_integration import public as paris
from paris_integration.errors import (
    HashtagQuotaExhausted,
    PermissionMissing,
    ProviderUnavailable,
    TokenRejected,
    UnexpectedPayload,
)
from paris_integration.media import copying
from paris_integration.models import Connection, Feed, Incident, Pause, ProviderWindow
from paris_integration.providers.base import Usage
from paris_integration.providers.oauth import Account
from paris_integration.waiting import Wait
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider, InlineBoard, media
from tests.pictures import FakePictureHost
from tests.venice_api.test_connect import SECRETS, meta, order, signed
from venice_api import embed_tokens, explaining
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
API = "/v1/integrations/instagram/"
EXPLAIN = f"{API}explain"
STAFF = Staff("test")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
APP_USER = "28970000000000001"  # of FakeLogins

# The states, whatever the store.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_leg, pytest.mark.usefixtures("clock")]


@dataclass
class Stage:
    """A widget in the Pro plan (TTL: one hour), and what happens to it, through the pages and APIs that people use."""

    people: Cast
    make: Callable[..., WidgetInstance]
    provider: FakeProvider
    logins: FakeLogins
    settings: Any
    clock: Any
    board: InlineBoard
    commit: Any
    host: FakePictureHost
    desk: Client
    instance: WidgetInstance

    def tag(self) -> None:
        self.provider.tags["bread"] = "17843800000000001"
        self.instance = self.make(source_type="hashtag", source_value="bread")

    def plan(self, name: str) -> None:
        set_plan(self.people.workspace, Plan.objects.get(key=name), actor=STAFF)

    def private(self) -> None:
        self.settings.PUBLIC_MODE_ACCESS_TOKEN = ""

    def later(self, wait: timedelta) -> None:
        self.clock.move_to(timezone.now() + wait, tick=False)

    def view(self, instance: WidgetInstance | None = None) -> None:
        """A visitor views the widget."""
        cache.clear()
        shown = instance or self.instance
        token = embed_tokens.issue(shown.pk, shown.token_version)
        with self.commit(execute=True):
            assert self.people.anonymous.get(f"{API}feed", {"token": token}).status_code == 200

    def force(self) -> None:
        body = {"instanceId": self.instance.pk}
        with self.commit(execute=True):
            answer = self.people.editor.post(f"{API}refresh", body, content_type="application/json")
        assert answer.status_code == 200, answer.content

    def work(self) -> None:
        """Beat and the workers run once."""
        with self.commit(execute=True):
            paris.refresh_due_now(now=timezone.now())

    def connect(self, login: str = "instagram", username: str = "acme.bakery") -> None:
        self.logins.accounts = (Account("17841400000000009", username),)
        query = {"instanceId": self.instance.pk, "login": login}
        begun = self.people.editor.get(f"{API}connect", query)
        state = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
        path = f"{API}callback/facebook" if login == "facebook" else f"{API}callback"
        with self.commit(execute=True):
            done = self.people.editor.get(path, {"code": "good", "state": state})
        assert "status=connected" in done["Location"]

    def tell(self, name: str) -> None:
        """Meta calls back: `deauthorize` or `data-deletion`."""
        self.settings.INSTAGRAM_APP_SECRET = SECRETS["instagram"]
        with self.commit(execute=True):
            told = meta(
                self.people.anonymous, f"instagram/{name}", signed(order(APP_USER), SECRETS["instagram"])
            )
        assert told.status_code == 200, told.content

    def pause(self, hours: int) -> None:
        address = f"/admin/venice_api/widgetinstance/{quote(self.instance.pk)}/pause/"
        with self.commit(execute=True):
            assert self.desk.post(address, {"hours": hours, "note": "legal"}).status_code == 302

    def other(self) -> WidgetInstance:
        self.provider.accounts["tiny.studio"] = [media(9)]
        return self.make(source_value="tiny.studio")

    def copy_pictures(self) -> None:
        copying.copy_pictures(Feed.objects.get().pk)


@pytest.fixture
def stage(
    people: Cast,
    make_instance: Any,
    provider: FakeProvider,
    logins: FakeLogins,
    settings: Any,
    clock: Any,
    board: InlineBoard,
    host: FakePictureHost,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    monkeypatch.setattr("random.random", lambda: 1.0)  # the longest back-offs and jitter
    settings.MEDIA_COPIES = False
    desk = Client()
    desk.force_login(User.objects.create_superuser("desk", password="x"))
    commit = django_capture_on_commit_callbacks
    return Stage(
        people, make_instance, provider, logins, settings, clock, board, commit, host, desk, make_instance()
    )


# --- The states


def fresh(stage: Stage) -> None:
    stage.view()


def tag_outside_the_plan(stage: Stage) -> None:
    stage.tag()
    stage.plan("free")


def ended_override(stage: Stage) -> None:
    stage.tag()
    stage.plan("free")
    key = "instagram.hashtag.enabled"
    set_override(stage.people.workspace, key, True, ends_at=NOW + HOUR, actor=STAFF)
    stage.later(2 * HOUR)


def restricted_until_an_override_ends(stage: Stage) -> None:
    key = "instagram.profile.enabled"
    set_override(stage.people.workspace, key, False, ends_at=NOW + 3 * HOUR, actor=STAFF)


def downgraded_with_an_account(stage: Stage) -> None:
    stage.connect()
    stage.view()
    stage.later(5 * MINUTE)
    stage.plan("free")


def erased_account(stage: Stage) -> None:
    stage.connect()
    stage.tell("data-deletion")


def not_connected(stage: Stage) -> None:
    stage.private()


def tag_without_account(stage: Stage) -> None:
    stage.tag()


def tag_with_the_other_login(stage: Stage) -> None:
    stage.connect()
    with stage.commit(execute=True):
        stage.instance.source_type, stage.instance.source_value = "hashtag", "bread"
        stage.instance.save()


def wrong_account(stage: Stage) -> None:
    stage.private()
    stage.connect(username="somebody.else")


def wrong_account_in_public_mode(stage: Stage) -> None:
    stage.connect(username="somebody.else")
    stage.view()


def unused_account_withdrawn(stage: Stage) -> None:
    wrong_account_in_public_mode(stage)
    stage.tell("deauthorize")


def dead_beside_young_posts(stage: Stage) -> None:
    stage.connect()
    stage.view()
    stage.later(5 * MINUTE)
    stage.provider.raises(TokenRejected(code=190))
    stage.force()


def withdrawn(stage: Stage) -> None:
    stage.connect()
    stage.later(MINUTE)
    stage.tell("deauthorize")


def permission_missing(stage: Stage) -> None:
    stage.connect()
    stage.provider.raises(PermissionMissing(code=10))
    stage.view()


def unreadable_token(stage: Stage) -> None:
    stage.connect()
    stage.settings.TOKEN_ENCRYPTION_KEYS = (b"n" * 32,)
    stage.view()


def operator_token(stage: Stage) -> None:
    stage.provider.raises(TokenRejected(code=190))
    stage.view()


def call_refused(stage: Stage) -> None:
    stage.connect("facebook", "northern.trails")
    stage.provider.raises(PermissionMissing(code=10))
    stage.view()


def unknown_source(stage: Stage) -> None:
    stage.provider.accounts.clear()
    stage.view()


def unknown_source_and_unread(stage: Stage) -> None:
    unknown_source(stage)
    stage.later(8 * DAY)


def paused(stage: Stage) -> None:
    stage.view()
    stage.pause(2)


def paused_and_never_loaded(stage: Stage) -> None:
    stage.pause(2)


def paused_outside_the_plan(stage: Stage) -> None:
    tag_outside_the_plan(stage)
    stage.pause(2)


def incident(stage: Stage) -> None:
    stage.settings.INCIDENT_CONNECTIONS = 1
    stage.connect()
    stage.provider.raises(TokenRejected(code=190))
    stage.view()


def rate_limited(stage: Stage) -> None:
    stage.provider.rate_limits(3_600)
    stage.view()


def rate_limited_by_another_widget(stage: Stage) -> None:
    stage.view()
    stage.provider.rate_limits(2_400)
    stage.view(stage.other())


def rate_limited_longer_than_paused(stage: Stage) -> None:
    stage.provider.rate_limits(7_200)
    stage.view()
    stage.pause(1)


def used_up_by_a_success(stage: Stage) -> None:
    stage.provider.usage = Usage(percent=100)
    stage.view()


def near_the_rate_limit(stage: Stage) -> None:
    stage.provider.usage = Usage(percent=90)
    stage.view()
    stage.later(70 * MINUTE)


def searched_too_many_tags(stage: Stage) -> None:
    stage.tag()
    stage.connect("facebook")
    stage.provider.raises(HashtagQuotaExhausted(code=18))
    stage.view()


def unavailable(stage: Stage) -> None:
    stage.provider.raises(ProviderUnavailable(status=503))
    stage.view()


def retry_is_due(stage: Stage) -> None:
    stage.view()
    stage.later(67 * MINUTE)
    stage.provider.raises(ProviderUnavailable(status=503))
    stage.work()
    stage.later(40 * SECOND)


def retry_is_late(stage: Stage) -> None:
    retry_is_due(stage)
    stage.later(20 * MINUTE)


def failed_and_unread(stage: Stage) -> None:
    retry_is_due(stage)
    stage.later(7 * DAY)


def unusable_answer(stage: Stage) -> None:
    stage.provider.raises(UnexpectedPayload("not a list"))
    stage.view()


def only_the_first_pages(stage: Stage) -> None:
    stage.view()
    stage.later(67 * MINUTE)
    stage.provider.accounts["acme.bakery"] = [media(1)]
    stage.provider.later_page_error = ProviderUnavailable(status=503)
    stage.work()


def warming(stage: Stage) -> None:
    stage.board.wait = Wait.STILL_FLYING
    stage.view()


def never_viewed(stage: Stage) -> None:
    pass


def workers_silent(stage: Stage) -> None:
    stage.view()
    stage.later(70 * MINUTE)
    stage.view()
    stage.later(20 * MINUTE)


def nobody_reading(stage: Stage) -> None:
    stage.view()
    stage.later(8 * DAY)


def refreshing(stage: Stage) -> Callable[[], None]:
    stage.view()
    stage.later(67 * MINUTE)
    return stage.work


def due(stage: Stage) -> None:
    stage.view()
    stage.later(67 * MINUTE)


def waiting_for_the_ttl(stage: Stage) -> None:
    stage.view()
    stage.later(61 * MINUTE)


def ending(stage: Stage) -> None:
    stage.logins.lasts = 3 * DAY
    stage.connect()
    stage.view()


def links_expired(stage: Stage) -> None:
    expiry = int((NOW + 10 * MINUTE).timestamp())
    link = f"https://scontent.cdninstagram.com/v/1.jpg?oe={expiry:X}"
    stage.provider.accounts["acme.bakery"] = [media(1, media_url=link)]
    stage.view()
    stage.later(20 * MINUTE)


def pictures_waiting(stage: Stage) -> None:
    stage.settings.MEDIA_COPIES = True
    stage.host.problem = "unreachable"
    stage.view()
    stage.copy_pictures()
    stage.later(40 * MINUTE)


def pictures_full(stage: Stage) -> None:
    stage.settings.MEDIA_COPIES = True
    stage.settings.MEDIA_BYTES_PER_WORKSPACE = 1
    stage.view()
    stage.copy_pictures()


@dataclass(frozen=True)
class State:
    """A state in a sentence, how it comes about, and what the explanation must say."""

    sentence: str
    arrange: Callable[[Stage], Callable[[], None] | None]
    condition: str
    codes: tuple[str, ...]
    since: datetime
    until: datetime | None = None


STATES = [
    State("the posts are fresh", fresh, "fresh", ("FRESH",), NOW, NOW + HOUR),
    State("the plan has no hashtags", tag_outside_the_plan, "blocked", ("PLAN_SOURCE",), NOW),
    State(
        "the override that allowed hashtags has ended",
        ended_override,
        "blocked",
        ("PLAN_SOURCE",),
        NOW + HOUR,
    ),
    State(
        "an override forbids profiles for three hours",
        restricted_until_an_override_ends,
        "blocked",
        ("PLAN_SOURCE",),
        NOW,
        NOW + 3 * HOUR,
    ),
    State(
        "the plan has no connected accounts any more",
        downgraded_with_an_account,
        "blocked",
        ("PLAN_CONNECTION",),
        NOW + 5 * MINUTE,
    ),
    State("the account's owner had the data deleted", erased_account, "blocked", ("NO_SOURCE",), NOW),
    State(
        "no account is connected and public mode is off", not_connected, "blocked", ("NOT_CONNECTED",), NOW
    ),
    State("a hashtag without an account", tag_without_account, "blocked", ("FACEBOOK_LOGIN_NEEDED",), NOW),
    State(
        "a hashtag with an account of Instagram login",
        tag_with_the_other_login,
        "blocked",
        ("FACEBOOK_LOGIN_NEEDED",),
        NOW,
    ),
    State("the wrong account is connected", wrong_account, "blocked", ("WRONG_ACCOUNT",), NOW),
    State(
        "another account is connected but public mode reads the profile",
        wrong_account_in_public_mode,
        "fresh",
        ("ACCOUNT_UNUSED", "FRESH"),
        NOW,
    ),
    State(
        "an unused account was withdrawn",
        unused_account_withdrawn,
        "fresh",
        ("ACCOUNT_UNUSED", "FRESH"),
        NOW,
    ),
    State(
        "the token died while the posts are young",
        dead_beside_young_posts,
        "blocked",
        ("CONNECTION_REFUSED",),
        NOW + 5 * MINUTE,
    ),
    State("the owner withdrew the access", withdrawn, "blocked", ("ACCESS_WITHDRAWN",), NOW + MINUTE),
    State("a permission is missing", permission_missing, "blocked", ("PERMISSION_MISSING",), NOW),
    State(
        "our key no longer opens the token",
        unreadable_token,
        "broken",
        ("TOKEN_UNREADABLE",),
        NOW,
        NOW + 30 * SECOND,
    ),
    State(
        "Meta refuses the operator's token",
        operator_token,
        "broken",
        ("OPERATOR_TOKEN",),
        NOW,
        NOW + 30 * SECOND,
    ),
    State(
        "Meta refuses one call of a working account",
        call_refused,
        "blocked",
        ("CALL_REFUSED",),
        NOW,
        NOW + 5 * MINUTE,
    ),
    State(
        "there is no such account", unknown_source, "blocked", ("SOURCE_NOT_FOUND",), NOW, NOW + 5 * MINUTE
    ),
    State(
        "there is no such account and nobody has viewed the widget since",
        unknown_source_and_unread,
        "blocked",
        ("SOURCE_NOT_FOUND", "NOBODY_READING"),
        NOW,
    ),
    State("staff paused the widget", paused, "waiting", ("PAUSED",), NOW, NOW + 2 * HOUR),
    State(
        "staff paused a widget that was never loaded",
        paused_and_never_loaded,
        "waiting",
        ("PAUSED",),
        NOW,
        NOW + 2 * HOUR,
    ),
    State("paused and not in the plan", paused_outside_the_plan, "blocked", ("PLAN_SOURCE", "PAUSED"), NOW),
    State("Meta refuses our app", incident, "broken", ("INCIDENT",), NOW, NOW + MINUTE),
    State("Meta limits the rate", rate_limited, "waiting", ("RATE_LIMITED",), NOW, NOW + 66 * MINUTE),
    State(
        "another widget used up the rate limit",
        rate_limited_by_another_widget,
        "waiting",
        ("RATE_LIMITED",),
        NOW,
        NOW + 44 * MINUTE,
    ),
    State(
        "the rate limit lasts longer than a pause",
        rate_limited_longer_than_paused,
        "waiting",
        ("RATE_LIMITED", "PAUSED"),
        NOW,
        NOW + 132 * MINUTE,
    ),
    State(
        "a success used up the rate limit",
        used_up_by_a_success,
        "waiting",
        ("RATE_LIMITED",),
        NOW,
        NOW + 15 * MINUTE,
    ),
    State(
        "near the rate limit refreshes slow down",
        near_the_rate_limit,
        "stale",
        ("SLOWED",),
        NOW + HOUR,
        NOW + 2 * HOUR,
    ),
    State(
        "the account searched too many hashtags",
        searched_too_many_tags,
        "waiting",
        ("HASHTAG_QUOTA",),
        NOW,
        NOW + HOUR,
    ),
    State(
        "Instagram doesn't answer",
        unavailable,
        "waiting",
        ("PROVIDER_UNAVAILABLE",),
        NOW,
        NOW + 30 * SECOND,
    ),
    State(
        "the back-off is over and the retry is due",
        retry_is_due,
        "waiting",
        ("PROVIDER_UNAVAILABLE", "DUE"),
        NOW + 67 * MINUTE,
    ),
    State(
        "the back-off is over and no worker retries",
        retry_is_late,
        "broken",
        ("WORKER_SILENT", "PROVIDER_UNAVAILABLE"),
        NOW + 67 * MINUTE + 30 * SECOND,
    ),
    State(
        "the last attempt failed and nobody has viewed the widget since",
        failed_and_unread,
        "idle",
        ("NOBODY_READING", "PROVIDER_UNAVAILABLE", "LINKS_EXPIRED"),
        NOW + 7 * DAY,
    ),
    State(
        "Instagram sent an unusable answer",
        unusable_answer,
        "waiting",
        ("PROVIDER_ERROR",),
        NOW,
        NOW + 30 * SECOND,
    ),
    State(
        "only the first pages came",
        only_the_first_pages,
        "waiting",
        ("PROVIDER_UNAVAILABLE", "PARTIAL_DATA"),
        NOW + 67 * MINUTE,
        NOW + 67 * MINUTE + 30 * SECOND,
    ),
    State("the first fetch is running", warming, "waiting", ("WARMING",), NOW),
    State("nobody has viewed the widget yet", never_viewed, "idle", ("NEVER_LOADED",), NOW),
    State("no worker refreshes", workers_silent, "broken", ("WORKER_SILENT",), NOW + 70 * MINUTE),
    State(
        "nobody has viewed the widget for a week",
        nobody_reading,
        "idle",
        ("NOBODY_READING", "LINKS_EXPIRED"),
        NOW + 7 * DAY,
    ),
    State("a refresh is running", refreshing, "stale", ("REFRESHING",), NOW + 67 * MINUTE),
    State("a refresh is due", due, "stale", ("DUE",), NOW + 66 * MINUTE),
    State(
        "the posts wait for the TTL",
        waiting_for_the_ttl,
        "stale",
        ("WAITING_FOR_TTL",),
        NOW + HOUR,
        NOW + 66 * MINUTE,
    ),
    State(
        "the connection ends within a week",
        ending,
        "fresh",
        ("CONNECTION_ENDING", "FRESH"),
        NOW - 4 * DAY,
        NOW + 3 * DAY,
    ),
    State(
        "Instagram's links have expired",
        links_expired,
        "fresh",
        ("LINKS_EXPIRED", "FRESH"),
        NOW + 10 * MINUTE,
    ),
    State("pictures wait for copies", pictures_waiting, "fresh", ("PICTURES_WAITING", "FRESH"), NOW),
    State("pictures have used up the space", pictures_full, "fresh", ("PICTURES_FULL", "FRESH"), NOW),
]


@dataclass(frozen=True)
class Look:
    """What the three faces show at one moment."""

    answer: dict[str, Any]
    page: str
    desk: str


def look(stage: Stage) -> Look:
    cache.clear()
    answer = stage.people.viewer.get(EXPLAIN, {"instanceId": stage.instance.pk})
    assert answer.status_code == 200, answer.content
    page = stage.people.editor.get(f"/editor/{stage.instance.pk}/")
    desk = stage.desk.get(f"/admin/venice_api/widgetinstance/{quote(stage.instance.pk)}/change/")
    assert (page.status_code, desk.status_code) == (200, 200)
    return Look(answer.json(), page.content.decode(), desk.content.decode())


def words_of(markup: str) -> str:
    """The visible text. Links and times are parts of sentences."""
    text = re.sub(r"<script.*?</script>", " ", markup, flags=re.DOTALL)
    text = re.sub(r"</?(?:a|time)\b[^>]*>", "", text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.sentence)
def test_each_state_is_explained(stage: Stage, state: State) -> None:
    seen: list[Look] = []
    trigger = state.arrange(stage)
    if trigger is None:
        seen.append(look(stage))
    else:
        stage.provider.during_call = lambda: seen.append(look(stage))
        trigger()
    (found,) = seen

    answer = found.answer
    assert (answer["state"], [cause["code"] for cause in answer["causes"]]) == (
        state.condition,
        list(state.codes),
    )
    first = answer["causes"][0]
    times = {"since": at(state.since)} | ({"until": at(state.until)} if state.until else {})
    assert {name: first[name] for name in ("since", "until") if name in first} == times
    assert {name: answer[name] for name in ("since", "until") if name in answer} == times

    # The editor's page has the same first cause, with the same sentence, once.
    assert re.findall(r'id="why" data-cause="(\w+)"', found.page) == [first["code"]]
    assert words_of(found.page.partition("<h2")[2]).count(first["editor"]) == 1
    # The desk has the same chain in words.
    assert re.findall(r'<li title="\w+" data-cause="(\w+)"', found.desk) == list(state.codes)
    shown = words_of(found.desk)
    for cause in answer["causes"]:
        assert f"{cause['support']} Since " in shown
    if answer["state"] in ("blocked", "broken"):
        assert ", fresh;" not in shown


def test_there_are_thirty_states_and_every_cause_is_among_them() -> None:
    assert len({state.sentence for state in STATES}) >= 30
    assert {code for state in STATES for code in state.codes} == set(paris.CauseCode)
    assert {state.condition for state in STATES} == set(paris.FeedCondition)


def test_the_operations_guide_lists_every_code_with_its_state() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    listed = re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \|", guide, re.MULTILINE)
    assert [code for code, _ in listed] == [code.value for code in paris.CauseCode]
    shown_first = {(state.codes[0], state.condition) for state in STATES}
    assert shown_first <= set(listed)


def test_every_cause_has_words_for_each_of_the_three(stage: Stage) -> None:
    stage.connect()
    explanation = paris.explain_instance(from_row(stage.instance).feed_key(), now=NOW)
    for code in paris.CauseCode:
        cause = paris.Cause(code, NOW)
        editor = explaining.editor_words(cause, explanation, paris.SourceType.PROFILE)
        for words in (editor, explaining.support_words(cause, explanation), explaining.operator_words(cause)):
            assert words.endswith("."), words
            assert "{" not in words
        # Editors aren't told internals.
        assert not re.search(r"[A-Z]{2,}_|TTL|\b(worker|beat|back-off|credential|token)\b", editor), editor


def test_a_withdrawn_account_that_is_not_used_is_named_at_the_desk(stage: Stage) -> None:
    unused_account_withdrawn(stage)
    shown = words_of(look(stage).desk)
    assert "@somebody.else is connected, but isn't the profile shown, which is read in public mode." in shown
    assert "The connection doesn't work: access was revoked at Instagram." in shown


# --- The API


def test_only_members_may_ask(people: Cast, stage: Stage) -> None:
    stage.view()
    asked = {"instanceId": stage.instance.pk}
    for member in (people.owner, people.editor, people.viewer):
        answer = member.get(EXPLAIN, asked)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "private, no-store"
        assert "Cookie" in answer["Vary"]
        assert "Access-Control-Allow-Origin" not in answer
    refused = people.outsider.get(EXPLAIN, asked)
    assert (refused.status_code, refused.json()["error"]) == (404, "INSTANCE_NOT_FOUND")
    token = embed_tokens.issue(stage.instance.pk, stage.instance.token_version)
    for answer in (
        people.anonymous.get(EXPLAIN, asked),
        people.anonymous.get(EXPLAIN, {"token": token}),
        people.anonymous.get(EXPLAIN, asked, headers={"Authorization": f"Bearer {token}"}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "AUTHENTICATION_REQUIRED")
    assert people.editor.post(EXPLAIN, asked).status_code == 405


@pytest.mark.parametrize("query", ["", "instanceId=", "instanceId=a&instanceId=b", "instanceId=%00"])
def test_bad_queries_are_refused(people: Cast, query: str) -> None:
    answer = people.editor.get(f"{EXPLAIN}?{query}")
    assert answer.status_code == 400
    assert "instanceId" in answer.json()["fields"]


def test_an_unknown_widget_is_not_found(people: Cast) -> None:
    assert people.editor.get(EXPLAIN, {"instanceId": "wgt_none"}).status_code == 404


@pytest.mark.parametrize(
    "arrange", [fresh, paused, incident, dead_beside_young_posts, tag_outside_the_plan, pictures_waiting]
)
def test_an_explanation_makes_a_bounded_number_of_queries(
    stage: Stage, arrange: Callable[[Stage], object]
) -> None:
    arrange(stage)
    key = from_row(stage.instance).feed_key()
    with CaptureQueriesContext(connection) as queries:
        paris.explain_instance(key, now=timezone.now())
    assert len(queries) <= 11, "\n".join(query["sql"] for query in queries.captured_queries)


# --- Rows that wrong clocks and other releases wrote

FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
MOMENTS = [None, FIRST, NOW - 400 * DAY, NOW + MINUTE, NOW + 40 * DAY, LAST]
TIMES = {
    Feed: [
        "fetched_at", "blocked_at", "blocked_until", "paused_at", "paused_until", "slowed_until", "next_refresh_at",
        "last_read_at", "attempted_at", "lease_expires_at",
    ],
    Connection: ["expires_at", "state_changed_at", "obtained_at", "tried_at", "refused_at"],
    ProviderWindow: ["parked_at", "parked_until"],
    Pause: ["ordered_at", "until"],
    Incident: ["began_at", "narrowed_at", "next_probe_at"],
}  # fmt: skip
LONGEST = {"PAUSED": 30 * DAY, "CONNECTION_ENDING": 7 * DAY, "FRESH": 2 * HOUR}


def everything_at_once(stage: Stage) -> None:
    """A feed with rows of every kind that decides about it."""
    stage.connect()
    stage.view()
    stage.pause(2)
    row = Connection.objects.get()
    ProviderWindow.objects.create(credential=str(row.pk), parked_at=NOW, parked_until=NOW + HOUR)
    Incident.objects.create(login=row.login, began_at=NOW - MINUTE, next_probe_at=NOW + MINUTE)
    Feed.objects.update(fault="PROVIDER_UNAVAILABLE", blocked_at=NOW, blocked_until=NOW + MINUTE)


@pytest.mark.parametrize("model", TIMES)
@pytest.mark.parametrize("keeps_others", [True, False], ids=["beside others", "alone"])
def test_no_stored_time_makes_an_explanation_fail(stage: Stage, model: Any, keeps_others: bool) -> None:
    everything_at_once(stage)
    if not keeps_others:
        for other in {ProviderWindow, Pause, Incident} - {model}:
            other.objects.all().delete()
        Feed.objects.update(fault="", blocked_until=None, paused_until=None)
    key = from_row(stage.instance).feed_key()
    kept = model.objects.values(*TIMES[model]).get()
    for column in TIMES[model]:
        nullable = model._meta.get_field(column).null
        for moment in MOMENTS if nullable else MOMENTS[1:]:
            model.objects.update(**kept | {column: moment})
            explanation = paris.explain_instance(key, now=NOW)
            for cause in explanation.causes:
                assert cause.since <= NOW, (column, moment, cause)
                assert cause.until is None or NOW < cause.until <= NOW + LONGEST.get(cause.code, 1.1 * DAY), (
                    column,
                    moment,
                    cause,
                )


@pytest.mark.parametrize("moment", [FIRST, NOW - 400 * DAY, NOW + 40 * DAY, NOW + 365 * DAY])
def test_a_wrong_clock_of_the_process_does_no_harm(stage: Stage, moment: datetime) -> None:
    everything_at_once(stage)
    explanation = paris.explain_instance(from_row(stage.instance).feed_key(), now=moment)
    assert all(cause.since <= moment for cause in explanation.causes)
    assert all(cause.until is None or cause.until > moment for cause in explanation.causes)


@pytest.mark.parametrize("fault", ["INVENTED_LATER", "PLAN_RESTRICTED", " "])
def test_codes_of_a_later_release_are_explained_as_errors(stage: Stage, fault: str) -> None:
    stage.view()
    Feed.objects.update(fault=fault, data_warnings=["INVENTED_LATER", "POSTS_SKIPPED"])
    found = look(stage)
    assert found.answer["causes"][0]["code"] == "PROVIDER_ERROR"
    shown = stage.people.editor.get(f"{API}feed", {"instanceId": stage.instance.pk}).json()["warnings"]
    assert "POSTS_SKIPPED" in shown
    assert "INVENTED_LATER" not in shown
