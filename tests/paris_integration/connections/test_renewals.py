"""Token renewals, notices to members, and key rotation."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entitlements.models import Membership, Plan, Workspace
from paris_integration.connections import (
    hashtags,
    key_rotation,
    lifecycle,
    links,
    notices,
    renewals,
    vault,
    withdrawal,
)
from paris_integration.connections.notices import LAST_NOTICE, due_notice
from paris_integration.errors import ProviderError, ProviderUnavailable, TokenRejected, UnexpectedPayload
from paris_integration.models import AuditEvent, Connection, HashtagNumber, HashtagSearch, LoginAttempt
from paris_integration.retention import expiry
from paris_integration.types import Actor, FeedKey, Login, Secret, Source, SourceType
from tests.fakes import FakeLogins, FakeProvider
from tests.paris_integration.connections.test_connections import GRANT

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EDITOR = Actor(7, "editor")


@pytest.fixture
def workspace(db: None) -> Workspace:
    made = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))
    for name, role in (("olga", "owner"), ("ed", "editor"), ("vera", "viewer"), ("nomail", "owner")):
        user = User.objects.create_user(name, email="" if name == "nomail" else f"{name}@shop.example")
        Membership.objects.create(workspace=made, user=user, role=role)
    return made


@pytest.fixture
def row(key: FeedKey) -> Connection:
    """A connection whose token ends in 60 days."""
    lifecycle.store_grant(key, GRANT, actor=EDITOR, now=NOW)
    return Connection.objects.get()


def token_of(row: Connection) -> str:
    row.refresh_from_db()
    return lifecycle.open_token(links.facts_of(row)).reveal()


def due_at(row: Connection) -> datetime:
    row.refresh_from_db()
    assert row.next_renewal_at is not None
    return row.next_renewal_at


def test_a_token_is_renewed_once_it_is_due(row: Connection, logins: FakeLogins) -> None:
    at = due_at(row)
    assert NOW + 40 * DAY <= at <= NOW + 41 * DAY
    assert renewals.due_connections(now=at - DAY, limit=9) == []
    assert renewals.renew_token(row.pk, now=at - DAY).result == "not_due"

    assert renewals.due_connections(now=at, limit=9) == [row.pk]
    assert renewals.renew_token(row.pk, now=at).result == "renewed"

    assert logins.renewals == ["IGAA-canary"]
    assert token_of(row) == "renewed-1"
    assert row.expires_at == at + 60 * DAY
    assert renewals.renew_token(row.pk, now=at).result == "not_due"
    assert AuditEvent.objects.filter(action="token_renewed").count() == 1


def test_a_token_younger_than_a_day_is_not_renewed(row: Connection, logins: FakeLogins) -> None:
    Connection.objects.update(next_renewal_at=NOW)
    early = NOW + DAY - timedelta(seconds=1)
    assert renewals.due_connections(now=early, limit=9) == []
    assert renewals.renew_token(row.pk, now=early).result == "not_due"
    assert logins.renewals == []

    assert renewals.renew_token(row.pk, now=NOW + DAY).result == "renewed"


def test_a_failed_renewal_keeps_the_grant_and_is_retried_the_next_day(
    row: Connection, logins: FakeLogins
) -> None:
    logins.renewal_error = ProviderUnavailable(status=503)
    at = due_at(row)
    for failures in (1, 2, 3):
        assert renewals.renew_token(row.pk, now=at).result == "failed"
        assert token_of(row) == "IGAA-canary"
        assert (row.state, row.renewal_failures) == ("active", failures)
        assert at + DAY <= due_at(row) <= at + 1.11 * DAY
        at = due_at(row)
    logins.renewal_error = None
    assert renewals.renew_token(row.pk, now=at).result == "renewed"
    assert row.renewal_failures == 3
    row.refresh_from_db()
    assert row.renewal_failures == 0


def test_a_dead_token_marks_its_connection(
    row: Connection, logins: FakeLogins, provider: FakeProvider
) -> None:
    logins.renewal_error = TokenRejected(code=190, subcode=463)
    provider.raises(TokenRejected(code=190, subcode=463))
    assert renewals.renew_token(row.pk, now=due_at(row)).result == "died"
    row.refresh_from_db()
    assert (row.state, row.next_renewal_at) == ("reconnect_required", None)
    assert row.token is not None


def test_code_190_after_a_concurrent_renewal_keeps_the_new_token(
    row: Connection, key: FeedKey, logins: FakeLogins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_wins(*_: Any, **__: Any) -> Any:
        lifecycle.store_grant(key, replace(GRANT, token=Secret("IGAA-winner")), actor=EDITOR, now=NOW)
        raise TokenRejected(code=190)

    monkeypatch.setattr(logins, "renew", another_wins)
    renewals.renew_token(row.pk, now=due_at(row))

    assert token_of(row) == "IGAA-winner"
    assert row.state == "active"


def test_a_renewal_does_not_overwrite_a_newer_token(
    row: Connection, key: FeedKey, logins: FakeLogins
) -> None:
    """The account is connected again while its old token is renewed. The login's token is kept."""
    newer = replace(GRANT, token=Secret("IGAA-newer"), expires_at=NOW + 99 * DAY)
    logins.during_renewal = lambda: lifecycle.store_grant(key, newer, actor=EDITOR, now=NOW)

    assert renewals.renew_token(row.pk, now=due_at(row)).result == "not_due"

    assert len(logins.renewals) == 1
    assert token_of(row) == "IGAA-newer"
    assert row.expires_at == NOW + 99 * DAY
    assert AuditEvent.objects.filter(action="token_renewed").count() == 0


def test_a_failed_renewal_does_not_delay_the_renewal_of_a_newer_token(
    row: Connection, key: FeedKey, logins: FakeLogins
) -> None:
    newer = replace(GRANT, expires_at=NOW + 59 * DAY)
    logins.during_renewal = lambda: lifecycle.store_grant(key, newer, actor=EDITOR, now=NOW)
    logins.renewal_error = ProviderUnavailable(status=503)

    assert renewals.renew_token(row.pk, now=due_at(row)).result == "failed"

    assert due_at(row) >= NOW + 39 * DAY
    assert row.renewal_failures == 0


@pytest.mark.parametrize("user_id", [GRANT.app_user_id, GRANT.account_id])
@pytest.mark.parametrize("erase", [True, False], ids=["deletion", "deauthorisation"])
def test_a_withdrawal_during_a_renewal_takes_precedence(
    row: Connection, logins: FakeLogins, user_id: str, erase: bool
) -> None:
    logins.during_renewal = lambda: withdrawal.forget_account(Login.INSTAGRAM, user_id, erase=erase, now=NOW)

    assert renewals.renew_token(row.pk, now=due_at(row)).result == "not_due"

    assert not Connection.objects.filter(token__isnull=False).exists()
    assert not Connection.objects.filter(state__in=["active", "expiring"]).exists()


def test_a_token_that_never_expires_is_not_renewed(row: Connection, key: FeedKey, logins: FakeLogins) -> None:
    """Also if only the renewal says that it never expires. A token without a known expiry is renewed daily."""
    lifecycle.store_grant(key, replace(GRANT, expires_at=None), actor=EDITOR, now=NOW)
    at = due_at(row)
    assert NOW + DAY <= at <= NOW + 1.25 * DAY
    logins.lasts = None

    assert renewals.renew_token(row.pk, now=at).result == "renewed"

    row.refresh_from_db()
    assert (row.never_expires, row.expires_at, row.next_renewal_at) == (True, None, None)
    assert renewals.due_connections(now=at + 900 * DAY, limit=9) == []
    assert renewals.note_expiring(now=at + 900 * DAY) == 0
    row.refresh_from_db()
    assert row.state == "active"
    lifecycle.store_grant(key, GRANT, actor=EDITOR, now=NOW)
    row.refresh_from_db()
    assert (row.never_expires, row.expires_at) == (False, GRANT.expires_at)
    lifecycle.store_grant(key, replace(GRANT, expires_at=None, never_expires=True), actor=EDITOR, now=NOW)
    assert renewals.due_connections(now=at + 900 * DAY, limit=9) == []


def test_a_renewal_under_way_is_not_started_twice(
    row: Connection, logins: FakeLogins, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, inner = due_at(row), []
    real = logins.renew

    def slow(*args: Any, **kwargs: Any) -> Any:
        inner.append(renewals.renew_token(row.pk, now=at).result)
        return real(*args, **kwargs)

    monkeypatch.setattr(logins, "renew", slow)
    assert renewals.renew_token(row.pk, now=at).result == "renewed"
    assert inner == ["not_due"]
    assert len(logins.renewals) == 1


def test_a_disconnect_during_a_renewal_takes_precedence(
    row: Connection, key: FeedKey, logins: FakeLogins, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = logins.renew

    def slow(*args: Any, **kwargs: Any) -> Any:
        lifecycle.disconnect(key, actor=EDITOR, now=NOW)
        return real(*args, **kwargs)

    monkeypatch.setattr(logins, "renew", slow)
    assert renewals.renew_token(row.pk, now=due_at(row)).result == "not_due"
    assert Connection.objects.count() == 0


def test_tokens_that_expire_soon_are_marked_but_the_clock_alone_ends_none(row: Connection) -> None:
    renewals.note_expiring(now=NOW + 52 * DAY)
    row.refresh_from_db()
    assert row.state == "active"
    renewals.note_expiring(now=NOW + 54 * DAY)
    row.refresh_from_db()
    assert row.state == "expiring"
    renewals.note_expiring(now=NOW + 60 * DAY)
    row.refresh_from_db()
    assert (row.state, row.cause) == ("expiring", "")
    assert renewals.due_connections(now=NOW + 60 * DAY, limit=9) == [row.pk]


# Notices


@pytest.mark.parametrize(
    ("days_left", "dead", "sent", "notice"),
    [
        (15, False, None, None),
        (14, False, None, 14),
        (13, False, 14, None),
        (7, False, 14, 7),
        (2, False, 14, 3),
        (2, False, 3, None),
        (0.5, False, 3, 1),
        (0.5, False, None, 1),
        (-1, False, 1, None),
        (-1, False, None, None),
        (0, False, 3, None),
        (30, True, None, LAST_NOTICE),
        (30, True, 14, LAST_NOTICE),
        (30, True, LAST_NOTICE, None),
        (None, False, None, None),
    ],
)
def test_the_due_notice_depends_on_state_and_days_left(
    days_left: float | None, dead: bool, sent: int | None, notice: int | None
) -> None:
    expires_at = NOW + days_left * DAY if days_left is not None else None
    assert due_notice(expires_at=expires_at, needs_reconnect=dead, told_days=sent, now=NOW) == notice


@pytest.mark.usefixtures("mail_at_once")
def test_editors_and_owners_are_mailed_once_per_notice(row: Connection) -> None:
    for days in range(70):
        notices.send_due(now=NOW + days * DAY)
        notices.send_due(now=NOW + days * DAY)

    assert len(mail.outbox) == 4 * 2
    assert {message.to[0] for message in mail.outbox} == {"olga@shop.example", "ed@shop.example"}
    first = mail.outbox[0]
    assert "ends in 14 days" in first.body
    (link,) = re.findall(r"https?://\S+", first.body)
    assert parse_qs(urlsplit(link).query)["next"] == [
        "/v1/integrations/instagram/connect?instanceId=wgt_1&login=instagram"
    ]
    assert "canary" not in "".join(message.body + message.subject for message in mail.outbox)


@pytest.mark.usefixtures("mail_at_once")
def test_a_dead_token_is_announced_and_a_reconnect_resets_the_notices(row: Connection, key: FeedKey) -> None:
    lifecycle.mark_refused(links.facts_of(row), TokenRejected(code=190), now=NOW)
    assert notices.send_due(now=NOW + timedelta(minutes=9)) == 0
    assert notices.send_due(now=NOW + timedelta(minutes=10)) == 1
    assert notices.send_due(now=NOW + timedelta(minutes=10)) == 0
    assert mail.outbox[0].subject == "@acme.bakery: please reconnect Instagram"
    lifecycle.store_grant(key, GRANT, actor=EDITOR, now=NOW)
    assert notices.send_due(now=NOW + 47 * DAY) == 1
    assert "ends in 14 days" in mail.outbox[-1].body


# Key rotation

OLD, NEW = b"o" * 32, b"n" * 32


def test_rotation_encrypts_everything_with_the_first_key(key: FeedKey, settings: Any) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = (OLD,)
    lifecycle.store_grant(key, GRANT, actor=EDITOR, now=NOW)
    row = Connection.objects.get()
    assert key_rotation.rotate_encryption_keys().rotated == 0
    settings.TOKEN_ENCRYPTION_KEYS = (NEW, OLD)

    report = key_rotation.rotate_encryption_keys()

    assert (report.rotated, report.unreadable, report.left) == (1, 0, 0)
    settings.TOKEN_ENCRYPTION_KEYS = (NEW,)
    assert token_of(row) == "IGAA-canary"
    assert key_rotation.rotate_encryption_keys().rotated == 0


def test_rotation_skips_what_it_cannot_decrypt(row: Connection, settings: Any) -> None:
    assert row.token is not None
    before = row.token.raw
    settings.TOKEN_ENCRYPTION_KEYS = (NEW,)
    report = key_rotation.rotate_encryption_keys()
    assert (report.rotated, report.unreadable, report.left) == (0, 1, 0)
    row.refresh_from_db()
    assert row.token is not None
    assert row.token.raw == before


def test_rotation_keeps_a_token_renewed_meanwhile(
    row: Connection, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = settings.TOKEN_ENCRYPTION_KEYS
    settings.TOKEN_ENCRYPTION_KEYS = (NEW, *keys)
    real = vault.open_token
    renewed = []

    def while_it_is_open(sealed: Any, *, row_id: Any) -> Secret:
        if not renewed:
            renewed.append(vault.seal_token(Secret("IGAA-renewed"), row_id=row.pk))
            Connection.objects.update(token=renewed[0])
        return real(sealed, row_id=row_id)

    monkeypatch.setattr(vault, "open_token", while_it_is_open)
    key_rotation.rotate_encryption_keys()

    assert token_of(row) == "IGAA-renewed"


def connect_with_searches(workspace: Workspace, *account_ids: str) -> None:
    for account_id in account_ids:
        key = FeedKey(workspace.pk, f"wgt_{account_id}", Source(SourceType.HASHTAG, "bread"))
        grant = replace(GRANT, login=Login.FACEBOOK, account_id=account_id, app_user_id=account_id)
        lifecycle.store_grant(key, grant, actor=EDITOR, now=NOW)
        HashtagSearch.objects.create(account_id=account_id, tag="bread", first_at=NOW)


@pytest.mark.parametrize(
    ("fault", "asked", "added"),
    [
        (ProviderUnavailable("timed out"), 1, 0),
        (TokenRejected(code=190), 3, 2),
        (UnexpectedPayload("x"), 3, 2),
    ],
)
def test_searches_are_not_asked_for_while_meta_is_away(
    workspace: Workspace,
    provider: FakeProvider,
    monkeypatch: Any,
    fault: ProviderError,
    asked: int,
    added: int,
) -> None:
    connect_with_searches(workspace, "1", "2", "3")
    calls: list[str] = []

    def fails_first(account_id: str, token: Secret) -> tuple[str, ...]:
        calls.append(account_id)
        if len(calls) == 1:
            raise fault
        return ("99",)

    monkeypatch.setattr(provider, "recently_searched", fails_first)

    assert renewals.reconcile_hashtags(now=NOW) == added
    assert len(calls) == asked


def test_an_account_that_always_fails_does_not_keep_the_others_from_being_asked(
    workspace: Workspace, provider: FakeProvider, monkeypatch: Any
) -> None:
    connect_with_searches(workspace, "1", "2", "3")

    def fails_for_one(account_id: str, token: Secret) -> tuple[str, ...]:
        if account_id == "1":
            raise ProviderUnavailable("code 1", code=1)
        return ("99",)

    monkeypatch.setattr(provider, "recently_searched", fails_for_one)
    monkeypatch.setattr("random.shuffle", lambda accounts: accounts.sort(reverse=True))

    assert renewals.reconcile_hashtags(now=NOW) == 2


def test_only_the_searched_numbers_are_looked_up(workspace: Workspace, provider: FakeProvider) -> None:
    HashtagNumber.objects.bulk_create(HashtagNumber(tag=f"t{n}", number=str(n)) for n in range(50))
    provider.recent_searches = ("7", "99")

    with CaptureQueriesContext(connection) as queries:
        assert hashtags.reconcile("1", Secret("t"), now=NOW) == 2

    (lookup,) = [
        query["sql"] for query in queries if 'FROM "paris_integration_hashtagnumber"' in query["sql"]
    ]
    assert " IN (" in lookup
    assert set(HashtagSearch.objects.values_list("tag", flat=True)) == {"t7", "id:99"}


def test_old_login_attempts_are_deleted(workspace: Workspace) -> None:
    LoginAttempt.objects.create(
        state_hash="x", user_id=1, session_hash="y", workspace=workspace, instance_id="wgt_1", login="instagram",
        redirect_uri="https://x.example", expires_at=NOW,
    )  # fmt: skip
    assert expiry.remove_expired(now=NOW + timedelta(minutes=59))["loginAttempts"] == 0
    assert expiry.remove_expired(now=NOW + timedelta(minutes=61))["loginAttempts"] == 1
