"""Connections: what they read, what ends them, and that a disconnect removes all their data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache as store

from entitlements.changes import Actor as Changer
from entitlements.changes import set_plan
from entitlements.models import Plan, Workspace
from foundation import cache
from paris_integration.connections import hashtags, lifecycle, links, withdrawal
from paris_integration.connections.lifecycle import Grant
from paris_integration.errors import (
    HashtagQuotaExhausted,
    PermissionMissing,
    ProviderUnavailable,
    SourceNotFound,
    TokenRejected,
)
from paris_integration.feeds import fast_copy, refreshing
from paris_integration.models import AuditEvent, Connection, ConnectionLink, Feed, HashtagSearch
from paris_integration.models.feeds import copy_key
from paris_integration.providers.base import HashtagRequest, OwnMediaRequest
from paris_integration.public import (
    FeedKey,
    Selection,
    Source,
    SourceType,
    Warning,
    force_refresh,
    read_feed,
    read_feed_as_member,
)
from paris_integration.types import Actor, ConnectionState, FeedView, Login, Mode, Secret
from tests.fakes import FakeProvider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("clock")
DAY = timedelta(days=1)
EDITOR = Actor(7, "editor")
TWELVE = Selection(max_posts=12)
GRANT = Grant(
    login=Login.INSTAGRAM,
    account_id="17841400000000001",
    app_user_id="28970000000000001",
    username="acme.bakery",
    scopes=("instagram_business_basic",),
    token=Secret("IGAA-canary"),
    expires_at=NOW + 60 * DAY,
)
FACEBOOK = replace(GRANT, login=Login.FACEBOOK, app_user_id="102000000000001", token=Secret("EAAB-canary"))


@pytest.fixture
def act(django_capture_on_commit_callbacks: Any) -> Any:
    """Call a function, then its on_commit callbacks, as a test's transaction never commits."""

    def run(work: Any, *args: Any, **kwargs: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return work(*args, **kwargs)

    return run


@pytest.fixture
def connect(act: Any, key: FeedKey) -> Any:
    def store(grant: Grant = GRANT, of: FeedKey | None = None) -> Any:
        return act(lifecycle.store_grant, of or key, grant, actor=EDITOR, now=NOW)

    return store


def read(key: FeedKey, **options: Any) -> FeedView:
    return read_feed(key, TWELVE, now=NOW, **options)


def tag(key: FeedKey, value: str = "bread") -> FeedKey:
    return replace(key, source=Source(SourceType.HASHTAG, value))


def test_a_connected_profile_reads_its_own_media(key: FeedKey, connect: Any, provider: FakeProvider) -> None:
    connect()

    view = read(key)

    (request,) = provider.requests
    assert request == OwnMediaRequest(Login.INSTAGRAM, GRANT.account_id, "acme.bakery", GRANT.token)
    assert len(view.posts) == 3
    assert Feed.objects.get().mode == Mode.CONNECTED.value


def test_connecting_again_keeps_the_connection_and_replaces_its_token(key: FeedKey, connect: Any) -> None:
    connect()
    connect(replace(GRANT, token=Secret("IGAA-second")))

    row = Connection.objects.get()
    assert row.token_version == 3
    assert lifecycle.open_token(links.facts_of(row)) == Secret("IGAA-second")
    assert ConnectionLink.objects.get().instance_id == "wgt_1"


def test_a_token_is_stored_encrypted(connect: Any) -> None:
    from django.db import connection as database

    connect()
    with database.cursor() as cursor:
        cursor.execute("SELECT token FROM paris_integration_connection")
        (raw,) = cursor.fetchone()
    assert b"canary" not in bytes(raw)


def test_tags_require_facebook_login_and_the_plan(
    key: FeedKey, connect: Any, provider: FakeProvider, workspace: Workspace
) -> None:
    connect()
    assert read(tag(key)).warnings == {Warning.HASHTAG_REQUIRES_CONNECT}
    connect(FACEBOOK)
    provider.tags["bread"] = "17843800000000001"

    assert len(read(tag(key)).posts) == 3

    assert provider.requests[-1] == HashtagRequest(FACEBOOK.account_id, "17843800000000001", FACEBOOK.token)
    set_plan(workspace, Plan.objects.get(key="free"), actor=Changer("test"))
    store.clear()
    restricted = read(tag(key))
    assert len(restricted.posts) == 3
    assert restricted.warnings == {Warning.PLAN_RESTRICTED, Warning.HASHTAG_RECENT_ONLY}


def test_a_dead_token_stops_the_calls_and_keeps_the_posts(
    key: FeedKey, connect: Any, provider: FakeProvider, act: Any
) -> None:
    connect()
    read(key)
    provider.raises(TokenRejected(code=190))
    later = NOW + timedelta(hours=2)
    act(refreshing.refresh_feed, Feed.objects.get().pk, now=later)

    row = Connection.objects.get()
    assert (row.state, row.cause, row.next_renewal_at) == (
        "reconnect_required",
        "TokenRejected code=190",
        None,
    )
    assert row.token is not None
    view = read_feed(key, TWELVE, now=later + timedelta(hours=5))
    assert (len(view.posts), view.warnings) == (3, {Warning.RECONNECT_REQUIRED})
    assert len(provider.requests) == 2
    assert AuditEvent.objects.filter(action="token_died").count() == 1


def test_a_refresh_returns_the_same_connection_warnings_as_a_read(
    key: FeedKey, connect: Any, provider: FakeProvider
) -> None:
    connect()
    read(key)
    Connection.objects.update(state="reconnect_required")
    links.forget([key.instance_id])

    answer = force_refresh(key, TWELVE, actor=EDITOR, now=NOW)

    assert answer.warnings == read(key).warnings == {Warning.RECONNECT_REQUIRED}
    assert len(answer.posts) == 3
    assert len(provider.requests) == 1


def test_a_missing_permission_has_its_own_warning_and_state(
    key: FeedKey, connect: Any, provider: FakeProvider, act: Any
) -> None:
    connect()
    provider.raises(PermissionMissing(code=10))
    view = act(read, key)
    assert Warning.PERMISSION_MISSING in view.warnings
    assert Connection.objects.get().state == "permission_missing"


def test_a_failure_with_an_older_token_does_not_mark_the_connection(connect: Any) -> None:
    facts = connect()
    connect(replace(GRANT, token=Secret("IGAA-renewed")))

    lifecycle.mark_refused(facts, TokenRejected(code=190), now=NOW)

    assert Connection.objects.get().state == "active"


def test_transient_faults_do_not_mark_the_connection(connect: Any) -> None:
    lifecycle.mark_refused(connect(), ProviderUnavailable(status=503), now=NOW)
    assert Connection.objects.get().state == "active"


def test_a_disconnect_leaves_no_data(
    key: FeedKey, connect: Any, provider: FakeProvider, act: Any, settings: Any
) -> None:
    settings.PUBLIC_MODE_IG_USER_ID = ""
    connect()
    read(key)

    revocable = act(lifecycle.disconnect, key, actor=EDITOR, now=NOW)

    assert (revocable.login, revocable.token) == (Login.INSTAGRAM, GRANT.token)
    assert Connection.objects.count() == ConnectionLink.objects.count() == Feed.objects.count() == 0
    assert fast_copy.find(key, Mode.CONNECTED) is None
    assert links.recall(key) is None
    after = read(key)
    assert (after.posts, after.warnings) == ((), {Warning.CONNECT_REQUIRED})
    assert act(lifecycle.disconnect, key, actor=EDITOR, now=NOW) is None
    assert AuditEvent.objects.filter(action="disconnected").count() == 1


def test_a_refresh_under_way_writes_nothing_after_a_disconnect(
    key: FeedKey, connect: Any, provider: FakeProvider, act: Any
) -> None:
    connect()
    provider.during_call = lambda: act(lifecycle.disconnect, key, actor=EDITOR, now=NOW)

    read(key)

    assert Feed.objects.filter(mode="connected").count() == 0
    assert fast_copy.find(key, Mode.CONNECTED) is None


@pytest.mark.parametrize("stored_by", ["a refresh", "a reader"])
def test_a_copy_stored_after_a_disconnect_is_removed(
    key: FeedKey,
    connect: Any,
    provider: FakeProvider,
    act: Any,
    monkeypatch: pytest.MonkeyPatch,
    stored_by: str,
) -> None:
    """The row is read, a disconnect deletes the row and its copy, and only then the copy is stored."""
    connect()
    read(key)
    row = Feed.objects.get()
    store.clear()
    put = cache.store

    def put_late(*args: Any, **kwargs: Any) -> None:
        if args[0] == copy_key(key, Mode.CONNECTED):
            monkeypatch.setattr(cache, "store", put)
            act(lifecycle.disconnect, key, actor=EDITOR, now=NOW)
        put(*args, **kwargs)

    monkeypatch.setattr(cache, "store", put_late)
    if stored_by == "a refresh":
        refreshing.refresh_feed(row.pk, now=NOW)
    else:
        read(key)

    assert not Feed.objects.filter(pk=row.pk).exists()
    assert store.get(copy_key(key, Mode.CONNECTED)) is None


def test_a_connection_is_kept_while_an_instance_uses_it(key: FeedKey, connect: Any, act: Any) -> None:
    twin = replace(key, instance_id="wgt_2")
    connect()
    connect(of=twin)

    assert act(lifecycle.disconnect, key, actor=EDITOR, now=NOW) is None
    assert Connection.objects.count() == 1
    assert act(lifecycle.disconnect, twin, actor=EDITOR, now=NOW) is not None
    assert Connection.objects.count() == 0


def test_another_workspace_cannot_disconnect_the_instance(key: FeedKey, connect: Any, act: Any) -> None:
    connect()
    stranger = Workspace.objects.create(name="Other", plan=Plan.objects.get(key="pro"))
    act(lifecycle.disconnect, replace(key, workspace_id=stranger.pk), actor=EDITOR, now=NOW)
    assert Connection.objects.count() == ConnectionLink.objects.count() == 1


@pytest.mark.parametrize("user_id", [GRANT.account_id, GRANT.app_user_id])
@pytest.mark.parametrize("erase", [True, False])
def test_a_deauthorisation_by_meta_ends_the_connections_of_the_person(
    key: FeedKey, connect: Any, provider: FakeProvider, act: Any, user_id: str, erase: bool
) -> None:
    connect()
    read(key)

    assert act(withdrawal.forget_account, Login.FACEBOOK, user_id, erase=erase, now=NOW) == 0
    assert act(withdrawal.forget_account, Login.INSTAGRAM, user_id, erase=erase, now=NOW) == 1

    assert Feed.objects.filter(mode="connected").count() == 0
    assert fast_copy.find(key, Mode.CONNECTED) is None
    if erase:
        assert Connection.objects.count() == 0
    else:
        row = Connection.objects.get()
        assert (row.token, row.state) == (None, ConnectionState.DEAUTHORISED.value)
        assert read(key).warnings == {Warning.RECONNECT_REQUIRED}
        connect()
        assert len(read(key).posts) == 3


def test_a_token_that_cannot_be_decrypted_requires_a_reconnect(
    key: FeedKey, connect: Any, provider: FakeProvider, settings: Any, act: Any
) -> None:
    connect()
    settings.TOKEN_ENCRYPTION_KEYS = (b"z" * 32,)

    assert Warning.RECONNECT_REQUIRED in act(read, key).warnings
    assert Connection.objects.get().token is not None
    assert provider.requests == []


def test_members_are_warned_of_a_token_that_expires_soon(
    key: FeedKey, connect: Any, provider: FakeProvider
) -> None:
    connect(replace(GRANT, expires_at=NOW + 6 * DAY))
    assert Warning.TOKEN_EXPIRING in read_feed_as_member(key, TWELVE, now=NOW).warnings
    assert Warning.TOKEN_EXPIRING not in read(key).warnings


# Tags


TOKEN = Secret("EAAB")


def test_the_search_of_a_tag_and_the_fetch_share_one_timeout(
    key: FeedKey, connect: Any, provider: FakeProvider, settings: Any
) -> None:
    settings.PROVIDER_TIMEOUT_SECONDS = 12.0
    provider.tags["bread"] = "17843800000000001"
    connect(FACEBOOK)

    read(tag(key))

    search, fetch = provider.deadlines
    assert search is not None
    assert search is fetch
    assert search.remaining_seconds <= 12


@pytest.mark.django_db
def test_after_thirty_tags_in_seven_days_the_next_makes_no_call(provider: FakeProvider) -> None:
    for n in range(31):
        provider.tags[f"tag{n}"] = str(n + 1)
    for n in range(30):
        hashtags.number_of(f"tag{n}", account_id="1", token=TOKEN, now=NOW + n * timedelta(minutes=1))
    calls = len(provider.tag_calls)

    with pytest.raises(HashtagQuotaExhausted) as refusal:
        hashtags.number_of("tag30", account_id="1", token=TOKEN, now=NOW + DAY)

    assert len(provider.tag_calls) == calls
    assert refusal.value.retry_after_seconds == (6 * DAY).total_seconds()
    assert hashtags.number_of("tag0", account_id="1", token=TOKEN, now=NOW + DAY) == "1"
    assert hashtags.number_of("tag30", account_id="2", token=TOKEN, now=NOW + DAY) == "31"
    assert hashtags.number_of("tag30", account_id="1", token=TOKEN, now=NOW + 7 * DAY) == "31"
    assert len(provider.tag_calls) == calls + 1


@pytest.mark.django_db
def test_a_missing_tag_costs_nothing_and_is_not_requested_again_that_day(
    provider: FakeProvider,
) -> None:
    for moment in (NOW, NOW + timedelta(hours=23)):
        with pytest.raises(SourceNotFound):
            hashtags.number_of("nothing", account_id="1", token=TOKEN, now=moment)
    assert provider.tag_calls == ["nothing"]
    assert HashtagSearch.objects.count() == 0
    with pytest.raises(SourceNotFound):
        hashtags.number_of("nothing", account_id="1", token=TOKEN, now=NOW + DAY)
    assert len(provider.tag_calls) == 2


@pytest.mark.django_db
def test_a_tag_unknown_to_all_accounts_is_not_requested_again_that_day(
    provider: FakeProvider,
) -> None:
    for account_id in ("1", "2"):
        with pytest.raises(SourceNotFound):
            hashtags.number_of("nothing", account_id=account_id, token=TOKEN, now=NOW)

    assert provider.tag_calls == ["nothing"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(SourceNotFound(code=100), id="code 100"),
        pytest.param(SourceNotFound(code=100, subcode=33), id="100/33"),
        pytest.param(SourceNotFound(), id="an empty answer"),
    ],
)
def test_other_refusals_of_a_tag_apply_only_to_the_account(
    provider: FakeProvider, refusal: SourceNotFound
) -> None:
    provider.raises(refusal)
    for moment in (NOW, NOW + timedelta(hours=23)):
        with pytest.raises(SourceNotFound):
            hashtags.number_of("bread", account_id="1", token=TOKEN, now=moment)
    assert provider.tag_calls == ["bread"]
    assert HashtagSearch.objects.count() == 0

    provider.recovers()
    provider.tags["bread"] = "11"
    assert hashtags.number_of("bread", account_id="2", token=TOKEN, now=NOW) == "11"
    with pytest.raises(SourceNotFound):
        hashtags.number_of("bread", account_id="1", token=TOKEN, now=NOW + timedelta(hours=23))
    assert hashtags.number_of("bread", account_id="1", token=TOKEN, now=NOW + DAY) == "11"


@pytest.mark.django_db
@pytest.mark.parametrize("refusal", [SourceNotFound(code=24), SourceNotFound(code=100)])
def test_a_refusal_stamped_in_the_future_is_ignored(provider: FakeProvider, refusal: SourceNotFound) -> None:
    provider.raises(refusal)
    with pytest.raises(SourceNotFound):
        hashtags.number_of("bread", account_id="1", token=TOKEN, now=NOW + 70 * DAY)
    provider.recovers()
    provider.tags["bread"] = "11"

    assert hashtags.number_of("bread", account_id="1", token=TOKEN, now=NOW) == "11"


@pytest.mark.django_db
def test_a_search_that_was_sent_counts_whatever_the_answer(provider: FakeProvider) -> None:
    provider.raises(ProviderUnavailable(status=503))
    with pytest.raises(ProviderUnavailable):
        hashtags.number_of("bread", account_id="1", token=TOKEN, now=NOW)
    assert hashtags.searched("1", now=NOW) == 1


@pytest.mark.django_db
def test_searches_by_other_apps_are_recorded_daily(provider: FakeProvider) -> None:
    provider.tags["bread"] = "11"
    hashtags.number_of("bread", account_id="1", token=TOKEN, now=NOW)
    provider.recent_searches = ("11", "99")

    assert hashtags.reconcile("1", TOKEN, now=NOW + DAY) == 1
    assert hashtags.reconcile("1", TOKEN, now=NOW + DAY) == 0
    assert hashtags.searched("1", now=NOW + DAY) == 2


@pytest.mark.parametrize(
    ("expires_in_days", "earliest_days", "latest_days"),
    [(60, 40, 40.25), (25, 5, 5.25), (10, 1, 1.25), (0.5, 1, 1.25), (None, 1, 1.25)],
)
def test_a_tokens_lifetime_decides_when_it_is_renewed(
    expires_in_days: float | None, earliest_days: float, latest_days: float
) -> None:
    expires_at = NOW + expires_in_days * DAY if expires_in_days is not None else None
    for share, days in ((0.0, earliest_days), (1.0, latest_days)):
        assert (
            lifecycle.next_renewal_at(obtained_at=NOW, expires_at=expires_at, share=share) == NOW + days * DAY
        )


def test_cached_links_are_plain_json(key: FeedKey, connect: Any) -> None:
    facts = connect()
    assert links.recall(key) == links.recall(key) == facts
