"""From "connect" to a stored grant: the state that goes out, the callback that comes back, the choice of an account.

A state is 256 random bits, good once and for ten minutes, for one user, session, workspace, instance, login and
redirect. It is consumed by one conditional write before the code is exchanged: of a hundred callbacks with one state,
one makes a call. What the login brings is stored once, and only while nothing has cancelled it (`login_fences`).
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from foundation import faults, threads
from paris_integration import clock, registry
from paris_integration.clock import CLOCK_TOLERANCE
from paris_integration.connections import lifecycle, login_fences, revoking, vault
from paris_integration.connections.lifecycle import GivenUp, Grant
from paris_integration.errors import LoginFailed
from paris_integration.models import LoginAttempt
from paris_integration.providers.oauth import Account, LoginResult
from paris_integration.types import Actor, FeedKey, Login, Source, SourceType
from paris_integration.waiting import order_places

logger = logging.getLogger(__name__)

STATE_LASTS = timedelta(minutes=10)
LONGEST = STATE_LASTS + CLOCK_TOLERANCE  # what ends later was begun by a wrong clock


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login under way, as Venice needs it: what it is for, and where it ends."""

    attempt_id: UUID
    workspace_id: UUID
    instance_id: str
    login: Login
    redirect_uri: str
    accounts: tuple[Account, ...] = ()

    @property
    def key(self) -> FeedKey:
        # Connections belong to instances, whatever these show: the source does not matter here.
        return FeedKey(self.workspace_id, self.instance_id, Source(SourceType.PROFILE, ""))


def offers(login: Login) -> bool:
    """Whether the operator has configured this login's app."""
    return registry.logins().offers(login)


def begin_login(
    key: FeedKey, login: Login, *, actor: Actor, redirect_uri: str, callback_uri: str, now: datetime
) -> str:
    """Note a new attempt; the address at Meta to send the person to."""
    state = secrets.token_urlsafe(32)
    LoginAttempt.objects.create(
        state_hash=_hash(state),
        user_id=_user_of(actor),
        session_hash=_hash(actor.session),
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        login=login.value,
        redirect_uri=redirect_uri,
        began_at=clock.database_now(),
        expires_at=now + STATE_LASTS,
    )
    return registry.logins().authorize_url(login, state=state, redirect_uri=callback_uri)


def take_state(login: Login, state: str, *, actor: Actor, now: datetime) -> Attempt | None:
    """Consume the state; None unless it is fresh, unused, and this very caller's for this login."""
    row = LoginAttempt.objects.filter(
        state_hash=_hash(state),
        login=login.value,
        user_id=_user_of(actor),
        session_hash=_hash(actor.session),
        expires_at__gt=now,
        expires_at__lte=now + LONGEST,
        consumed_at__isnull=True,
    )
    if not row.update(consumed_at=now):
        return None
    return _attempt_of(LoginAttempt.objects.get(state_hash=_hash(state)))


def complete_login(
    attempt: Attempt, code: str, *, actor: Actor, callback_uri: str, now: datetime
) -> Account | None:
    """Exchange the code and store the grant; None when several accounts came and one must be chosen.

    Raises LoginFailed: also STATE_INVALID when the login was cancelled meanwhile; and TooBusy when too many wait for
    Meta. A code is used once, whatever comes of it.
    """
    try:
        with order_places.taken():
            result = registry.logins().exchange(attempt.login, code=code, redirect_uri=callback_uri, now=now)
    except LoginFailed:
        LoginAttempt.objects.filter(pk=attempt.attempt_id).delete()
        raise
    if len(result.accounts) == 1:
        return _store(attempt, result, result.accounts[0], actor, now)
    _keep_for_choice(attempt, result, now)
    return None


def find_choice(attempt_id: UUID, *, actor: Actor, now: datetime) -> Attempt | None:
    """An attempt of this caller's that waits for the choice of an account; None otherwise."""
    row = _waiting(attempt_id, actor, now).first()
    return _attempt_of(row) if row else None


def choose_account(attempt: Attempt, account_id: str, *, actor: Actor, now: datetime) -> Account:
    """Store the grant for one of the accounts the login brought. Raises LoginFailed."""
    row = _waiting(attempt.attempt_id, actor, now).first()
    chosen = next((account for account in attempt.accounts if account.account_id == account_id), None)
    if row is None or row.token is None or chosen is None:
        raise LoginFailed("STATE_INVALID")
    try:
        token = vault.open_token(row.token, row_id=row.pk)
    except vault.CannotOpen:
        raise LoginFailed("STATE_INVALID") from None
    grant = Grant(
        login=attempt.login,
        account_id=chosen.account_id,
        app_user_id=row.app_user_id,
        username=chosen.username,
        scopes=tuple(row.scopes),
        token=token,
        expires_at=row.token_expires_at,
        never_expires=row.token_never_expires,
    )
    _store_grant(attempt, grant, actor, now)
    return chosen


def disconnect(key: FeedKey, *, actor: Actor, now: datetime) -> None:
    """Unlink the instance and erase what it read by the connection; then try to revoke the grant at Meta."""
    given_up = lifecycle.disconnect(key, actor=actor, now=now)
    if given_up is not None:
        # The answer does not wait for Meta: the token is gone from our side already.
        transaction.on_commit(partial(threads.start, _revoke, given_up))


def _revoke(given_up: GivenUp) -> None:
    try:
        revoking.revoke_unless_used(given_up)
    except faults.DRIVER_ERRORS as error:
        logger.warning("revocation not completed: %s", type(error).__name__)


def _store(attempt: Attempt, result: LoginResult, account: Account, actor: Actor, now: datetime) -> Account:
    grant = Grant(
        login=attempt.login,
        account_id=account.account_id,
        app_user_id=result.app_user_id,
        username=account.username,
        scopes=result.scopes,
        token=result.token.secret,
        expires_at=result.token.expires_at,
        never_expires=result.token.never_expires,
    )
    _store_grant(attempt, grant, actor, now)
    return account


def _store_grant(attempt: Attempt, grant: Grant, actor: Actor, now: datetime) -> None:
    lifecycle.store_grant(attempt.key, grant, actor=actor, now=now, attempt_id=attempt.attempt_id)


@transaction.atomic
def _keep_for_choice(attempt: Attempt, result: LoginResult, now: datetime) -> None:
    """Keep the token, sealed, with the accounts it brought, until one is chosen. Raises LoginFailed."""
    persons = (result.app_user_id, *(account.account_id for account in result.accounts))
    row = login_fences.claim(attempt.attempt_id, attempt.login, persons)
    row.token = vault.seal_token(result.token.secret, row_id=row.pk)
    row.token_expires_at = result.token.expires_at
    row.token_never_expires = result.token.never_expires
    row.app_user_id = result.app_user_id
    row.scopes = list(result.scopes)
    row.accounts = [[account.account_id, account.username] for account in result.accounts]
    row.expires_at = now + STATE_LASTS
    row.save()


def _waiting(attempt_id: UUID, actor: Actor, now: datetime):  # type: ignore[no-untyped-def]
    return LoginAttempt.objects.filter(
        pk=attempt_id,
        user_id=_user_of(actor),
        session_hash=_hash(actor.session),
        expires_at__gt=now,
        expires_at__lte=now + LONGEST,
        token__isnull=False,
    )


def _attempt_of(row: LoginAttempt) -> Attempt:
    return Attempt(
        attempt_id=row.pk,
        workspace_id=row.workspace_id,
        instance_id=row.instance_id,
        login=Login(row.login),
        redirect_uri=row.redirect_uri,
        accounts=tuple(Account(account_id, username) for account_id, username in row.accounts),
    )


def _user_of(actor: Actor) -> int:
    """A login belongs to a signed-in user; a command or the service itself has none."""
    if actor.user_id is None:
        raise ValueError("a login at Meta needs a user")
    return actor.user_id


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
