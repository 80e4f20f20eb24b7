"""After Meta's request to delete a person's data, neither database nor cache contains any of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError

from entitlements.models import Workspace
from paris_integration.connections import hashtags, lifecycle, links
from paris_integration.errors import SourceNotFound, TokenRejected
from paris_integration.feeds import fast_copy
from paris_integration.models import (
    AuditEvent,
    Connection,
    DeletionRequest,
    Feed,
    HashtagAccount,
    HashtagSearch,
    LoginAttempt,
    PersonFence,
    RefreshReceipt,
    UnfinishedErasure,
)
from paris_integration.observing.audit import Action, Outcome, note
from paris_integration.providers.oauth import Account
from paris_integration.public import Login, Selection, Source, SourceType, Warning, force_refresh, read_feed
from paris_integration.retention import expiry
from paris_integration.tasks import clean_up
from paris_integration.types import Actor
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider, media
from tests.stored import everything_stored
from tests.venice_api.test_connect import SECRETS, come_back, connect, meta, order, signed, state_of
from venice_api.instances import find_instance, from_row, load_instance
from venice_api.models import WidgetInstance
from venice_api.moderation import Act, moderate

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
APP_USER, ACCOUNT, USERNAME = "28970000000000001", "17841400000000002", "northern.trails"
OTHER = Account("17841400000000003", "tiny.studio")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def erase(client: Any, settings: Any, django_capture_on_commit_callbacks: Any) -> Any:
    settings.INSTAGRAM_APP_SECRET, settings.FACEBOOK_APP_SECRET = SECRETS["instagram"], SECRETS["facebook"]

    def send(family: str = "facebook", user_id: str = APP_USER) -> dict[str, str]:
        with django_capture_on_commit_callbacks(execute=True):
            answer = meta(client, f"{family}/data-deletion", signed(order(user_id), SECRETS[family]))
        assert answer.status_code == 200, answer.content
        reply: dict[str, str] = answer.json()
        return reply

    return send


@pytest.fixture
def logins(logins: FakeLogins, provider: FakeProvider) -> FakeLogins:
    provider.accounts[USERNAME] = [media(n, id=f"1790000000077{n:04d}") for n in range(3)]
    provider.tags["bread"] = "17843800000000001"
    logins.accounts = (Account(ACCOUNT, USERNAME), OTHER)
    return logins


def waiting_choice(people: Cast, instance: WidgetInstance, code: str) -> str:
    begun = connect(people.editor, instance, login="facebook")
    page: str = come_back(people.editor, "callback/facebook", code=code, state=state_of(begun))["Location"]
    assert page.startswith("/connect/choose/")
    return page


def fill(instance: WidgetInstance) -> list[str]:
    """Read and refresh everything the widget can show. Returns the post IDs."""
    key = from_row(instance).feed_key()
    twelve = Selection(max_posts=12)
    force_refresh(key, twelve, actor=Actor(7, "editor"), idempotency_key="k-1", now=NOW)
    return [post.id for post in read_feed(key, twelve, now=NOW).posts]


@pytest.mark.parametrize("user_id", [APP_USER, ACCOUNT])
@pytest.mark.parametrize("source", [USERNAME, "acme.bakery"], ids=["own posts", "another's posts"])
def test_nothing_is_left(
    people: Cast, make_instance: Any, logins: FakeLogins, provider: FakeProvider, client: Any, erase: Any,
    django_capture_on_commit_callbacks: Any, user_id: str, source: str,
) -> None:  # fmt: skip
    instance = make_instance(source_value=source)
    in_public_mode = fill(instance)
    with django_capture_on_commit_callbacks(execute=True):
        page = waiting_choice(people, instance, "code-1")
        assert people.editor.post(page, {"account": ACCOUNT}).status_code == 302
    assert links.recall(from_row(instance).feed_key()) is not None
    post_ids = {*fill(instance), *in_public_mode}
    tag = Source(SourceType.HASHTAG, "bread")
    read_feed(from_row(instance).feed_key(tag), Selection(max_posts=12), now=NOW)
    moderate(instance.pk, Act.HIDE, sorted(post_ids)[:1])
    assert find_instance(instance.pk) is not None
    unfinished = waiting_choice(people, instance, "code-2")
    note(
        Action.CONNECTED, Outcome.DONE, workspace_id=people.workspace.pk, instance_id=instance.pk,
        actor=Actor(7, "editor"), at=NOW, note=f"@{USERNAME} by facebook login",
    )  # fmt: skip
    people.editor.get(f"/editor/{instance.pk}/")
    personal = {ACCOUNT, APP_USER, "token-for-", f"@{USERNAME}", *post_ids}
    if source == USERNAME:
        personal.add(USERNAME)
    else:
        personal -= post_ids  # posts of another account, which requested nothing
        personal |= {USERNAME, OTHER.account_id}
    assert HashtagSearch.objects.filter(account_id=ACCOUNT).count() == 1
    before = everything_stored()
    assert {text for text in personal if text not in before} == {"token-for-"}  # it is sealed

    reply = erase(user_id=user_id)

    after = everything_stored()
    assert [text for text in personal if text in after] == []
    assert reply["confirmation_code"] in after
    assert not RefreshReceipt.objects.exists()
    assert Connection.objects.count() == LoginAttempt.objects.count() == HashtagAccount.objects.count() == 0
    assert people.editor.get(unfinished).status_code == 400
    assert people.editor.post(unfinished, {"account": ACCOUNT}).status_code == 400
    assert Connection.objects.count() == 0
    assert client.get(f"/deletion/{reply['confirmation_code']}").status_code == 200
    if source == USERNAME:
        shown = read_feed(load_instance(instance.pk).feed_key(), Selection(max_posts=12), now=NOW)
        assert (shown.posts, shown.warnings) == ((), {Warning.CONNECT_REQUIRED})
        assert people.editor.get(f"/editor/{instance.pk}/").status_code == 200


def test_posts_of_the_account_are_deleted_from_every_widget(
    people: Cast, make_instance: Any, logins: FakeLogins, erase: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """Another widget shows the same profile in public mode. Its next reader fills it again."""
    mine, public = make_instance(source_value=USERNAME), make_instance(source_value=USERNAME)
    bystander = make_instance()
    shown, kept = fill(public), fill(bystander)
    with django_capture_on_commit_callbacks(execute=True):
        people.editor.post(waiting_choice(people, mine, "code-1"), {"account": ACCOUNT})

    erase()

    after = everything_stored()
    assert [post_id for post_id in shown if post_id in after] == []
    assert [post_id for post_id in kept if post_id not in after] == []
    assert fill(public) == shown


def test_another_persons_connection_of_the_same_account_stays(
    people: Cast, make_instance: Any, logins: FakeLogins, erase: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """Two managers of one account connected it, each in their own workspace. One requests deletion."""
    instance = make_instance(source_type="hashtag", source_value="bread")
    people.editor.post(waiting_choice(people, instance, "code-1"), {"account": ACCOUNT})
    mine = Connection.objects.get()
    other = Workspace.objects.create(name="Other", plan=people.workspace.plan)
    grant = lifecycle.Grant(
        Login.FACEBOOK, ACCOUNT, "102000000000009", USERNAME, (), lifecycle.Secret("EAAB-2"), None
    )
    key = replace(from_row(instance).feed_key(), workspace_id=other.pk, instance_id="wgt_other")
    facts = lifecycle.store_grant(key, grant, actor=Actor(9, "other"), now=NOW)
    token = lifecycle.open_token(facts)
    hashtags.number_of("bread", account_id=ACCOUNT, token=token, now=NOW)

    erase()

    left = Connection.objects.get()
    assert left.pk != mine.pk
    assert left.state == "active"
    assert hashtags.searched(ACCOUNT, now=NOW) == 1
    hashtags.number_of("bread", account_id=ACCOUNT, token=token, now=NOW)
    assert hashtags.searched(ACCOUNT, now=NOW) == 1


def test_a_running_search_leaves_no_entry_in_the_ledger(
    people: Cast, make_instance: Any, logins: FakeLogins, provider: FakeProvider, erase: Any
) -> None:
    """The refresh and the daily comparison have already opened the token when the account is deleted."""
    instance = make_instance(source_type="hashtag", source_value="bread")
    people.editor.post(waiting_choice(people, instance, "code-1"), {"account": ACCOUNT})
    facts = links.find_connection(from_row(instance).feed_key())
    assert facts is not None
    token = lifecycle.open_token(facts)

    erase()
    hashtags.number_of("bread", account_id=ACCOUNT, token=token, now=NOW)
    assert ACCOUNT not in everything_stored()
    provider.recent_searches = ("17843800000000001", "99")
    hashtags.reconcile(ACCOUNT, token, now=NOW)
    assert ACCOUNT not in everything_stored()
    provider.raises(SourceNotFound(code=100))
    with pytest.raises(SourceNotFound):
        hashtags.number_of("cake", account_id=ACCOUNT, token=token, now=NOW)

    assert ACCOUNT not in everything_stored()
    with pytest.raises(TokenRejected):
        lifecycle.open_token(facts)


def test_a_late_copy_of_the_connection_is_deleted(
    people: Cast, make_instance: Any, logins: FakeLogins, erase: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader loads connection and feed, both are deleted, and then the reader stores its copies."""
    instance = make_instance(source_value=USERNAME)
    people.editor.post(waiting_choice(people, instance, "code-1"), {"account": ACCOUNT})
    fill(instance)
    real, late = links._load, []

    def load_and_lose(instance_id: str) -> Any:
        found = real(instance_id)
        if not late:
            late.append(erase())
        return found

    cache.clear()
    monkeypatch.setattr(links, "_load", load_and_lose)
    assert links.recall(from_row(instance).feed_key()) is None
    assert ACCOUNT not in everything_stored()


@pytest.mark.parametrize("mode", ["public", "connected"])
def test_a_late_copy_of_the_feed_is_deleted(make_instance: Any, mode: str) -> None:
    instance = make_instance()
    row = Feed.objects.create(
        workspace_id=instance.workspace_id, instance_id=instance.pk, source_type="profile",
        source_value=USERNAME, mode=mode, fetched_at=NOW, profile={"username": USERNAME},
    )  # fmt: skip
    Feed.objects.all().delete()
    fast_copy.publish(row)
    assert USERNAME not in everything_stored()


def test_hidden_posts_of_other_accounts_stay_hidden(
    people: Cast, make_instance: Any, logins: FakeLogins, erase: Any
) -> None:
    shows_another, elsewhere = make_instance(), make_instance(source_value=USERNAME)
    for instance in (shows_another, elsewhere):
        moderate(instance.pk, Act.HIDE, ["17900000000000001"])
    people.editor.post(waiting_choice(people, shows_another, "code-1"), {"account": ACCOUNT})

    erase()

    hidden = WidgetInstance.objects.values_list("hidden_post_ids", flat=True)
    assert list(hidden) == [["17900000000000001"]] * 2


def test_no_audit_note_names_an_account(
    people: Cast, make_instance: Any, logins: FakeLogins, erase: Any
) -> None:
    instance = make_instance()
    people.editor.post(waiting_choice(people, instance, "code-1"), {"account": ACCOUNT})
    people.editor.post(f"/editor/{instance.pk}/disconnect/")

    notes = dict(AuditEvent.objects.values_list("action", "note"))
    assert notes == {"connected": "by facebook login", "disconnected": ""}


def test_fences_and_ledgers_expire(
    people: Cast, make_instance: Any, logins: FakeLogins, clock: Any, erase: Any
) -> None:
    erase()
    hashtags.number_of("bread", account_id=ACCOUNT, token=lifecycle.Secret("EAAB"), now=NOW)
    clock.move_to(NOW + timedelta(hours=1, minutes=59), tick=False)
    removed = expiry.remove_expired(now=NOW + timedelta(hours=1, minutes=59))
    assert (removed["personFences"], removed["hashtagSearches"], removed["hashtagAccounts"]) == (0, 0, 0)
    clock.move_to(NOW + timedelta(days=9), tick=False)
    removed = expiry.remove_expired(now=NOW + timedelta(days=9))
    assert (removed["personFences"], removed["hashtagSearches"], removed["hashtagAccounts"]) == (1, 1, 1)
    assert PersonFence.objects.count() == HashtagAccount.objects.count() == 0
    assert DeletionRequest.objects.count() == 1


def test_a_request_for_an_unknown_person_stores_no_id(erase: Any) -> None:
    erase("instagram", "28970000000000777")
    assert "28970000000000777" not in everything_stored()
    assert PersonFence.objects.get().withdrawn_at == NOW


@pytest.mark.parametrize("by", ["a repeated request", "clean-up"])
@pytest.mark.parametrize(
    "fails",
    [(WidgetInstance, "save"), (hashtags, "erase")],
    ids=["the first widget", "the account's searches"],
)
def test_a_deletion_that_fails_after_its_commit_is_finished(
    people: Cast, make_instance: Any, logins: FakeLogins, provider: FakeProvider, erase: Any, act: Any,
    monkeypatch: pytest.MonkeyPatch, fails: tuple[Any, str], by: str,
) -> None:  # fmt: skip
    widgets = [make_instance(source_value=USERNAME) for _ in range(3)]
    for number, instance in enumerate(widgets):
        act(people.editor.post, waiting_choice(people, instance, f"code-{number}"), {"account": ACCOUNT})
        moderate(instance.pk, Act.HIDE, ["17900000000770001"])
    fill(widgets[0])
    read_feed(
        from_row(widgets[0]).feed_key(Source(SourceType.HASHTAG, "bread")), Selection(max_posts=3), now=NOW
    )
    fail_once(monkeypatch, *fails)

    with pytest.raises(OperationalError):
        erase()

    cleared = WidgetInstance.objects.filter(source_value="", hidden_post_ids=[]).count()
    assert cleared == (2 if fails[0] is WidgetInstance else 3)
    fill(WidgetInstance.objects.exclude(source_value="").first() or widgets[0])  # in public mode
    erase() if by == "a repeated request" else act(clean_up)
    after = everything_stored()
    assert [text for text in (ACCOUNT, APP_USER, USERNAME, "17900000000770001") if text in after] == []
    assert not UnfinishedErasure.objects.exists()


def test_an_unfinished_deletion_of_another_person_does_not_hold_up_a_request(
    people: Cast,
    make_instance: Any,
    logins: FakeLogins,
    erase: Any,
    act: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = make_instance(source_value=USERNAME)
    act(people.editor.post, waiting_choice(people, instance, "code-1"), {"account": ACCOUNT})
    with monkeypatch.context() as patch:
        fail_once(patch, WidgetInstance, "save")
        with pytest.raises(OperationalError):
            erase()

    assert erase(user_id="28970000000000777")["confirmation_code"]
    assert UnfinishedErasure.objects.count() == 1


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    real, faults = getattr(owner, name), [OperationalError("connection lost")]

    def failing(*args: Any, **kwargs: Any) -> Any:
        if faults:
            raise faults.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
