"""Logins at Meta: the OAuth state, the callback, the choice of an account, and the stored grant.

A state is 256 random bits. It works once, for ten minutes, for one user or connect link, session, workspace, instance,
login and redirect URI. The result of a login is stored once, unless it was cancelled meanwhile (`login_fences`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from foundation import faults, threads
from foundation.random_secrets import hash_of, new_secret
from paris_integration import clock, registry
from paris_integration.clock import CLOCK_TOLERANCE
from paris_integration.connections import connect_links, lifecycle, login_fences, revoking, vault
from paris_integration.connections.lifecycle import GivenUp, Grant
from paris_integration.errors import LoginFailed
from paris_integration.models import LoginAttempt
from paris_integration.providers.login_values import Account, LoginResult
from paris_integration.types import Actor, FeedKey, Login, Source, SourceType
from paris_integration.waiting import order_places

logger = logging.getLogger(__name__)

STATE_LASTS = timedelta(minutes=10)
LONGEST = STATE_LASTS + CLOCK_TOLERANCE  # a later expiry was written by a wrong clock

_revocations = threads.Queue(places=4)  # a deleted workspace may give up hundreds of connections at once


@dataclass(frozen=True, slots=True)
class Attempt:
    """A pending login: what it is for, and where to send the user afterwards."""

    attempt_id: UUID
    workspace_id: UUID
    instance_id: str
    login: Login
    redirect_uri: str
    accounts: tuple[Account, ...] = ()
    link_id: UUID | None = None

    @property
    def key(self) -> FeedKey:
        # Connections belong to instances, so the source doesn't matter here.
        return FeedKey(self.workspace_id, self.instance_id, Source(SourceType.PROFILE, ""))


def offers(login: Login) -> bool:
    """Whether the operator has configured this login's app."""
    return registry.logins().offers(login)


def begin_login(
    key: FeedKey,
    login: Login,
    *,
    actor: Actor,
    redirect_uri: str,
    callback_uri: str,
    now: datetime,
    link_id: UUID | None = None,
) -> str:
    """Store a new login attempt, of a user or of the holder of a connect link.

    Returns the URL at Meta to redirect them to.
    """
    if (actor.user_id is None) == (link_id is None):
        raise ValueError("a login at Meta needs a user, or a connect link")
    state = new_secret()
    LoginAttempt.objects.create(
        state_hash=hash_of(state),
        user_id=actor.user_id,
        connect_link_id=link_id,
        session_hash=hash_of(actor.session),
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        login=login.value,
        redirect_uri=redirect_uri,
        began_at=clock.database_now(),  # compared with withdrawals, which use the same clock
        expires_at=now + STATE_LASTS,
    )
    return registry.logins().authorize_url(login, state=state, redirect_uri=callback_uri)


def take_state(login: Login, state: str, *, actor: Actor, now: datetime) -> Attempt | None:
    """Use up the state. None unless it is valid, unused, and belongs to this user, session and login.

    An actor without a user id holds a connect link: the state then belongs to the session alone.
    """
    row = _of_actor(actor).filter(
        state_hash=hash_of(state),
        login=login.value,
        expires_at__gt=now,
        expires_at__lte=now + LONGEST,
        consumed_at__isnull=True,
    )
    # One conditional write before the code exchange: of many callbacks with the same state, only one calls Meta.
    if not row.update(consumed_at=now):
        return None
    return _attempt_of(LoginAttempt.objects.get(state_hash=hash_of(state)))


def complete_login(
    attempt: Attempt, code: str, *, actor: Actor, callback_uri: str, now: datetime
) -> Account | None:
    """Exchange the code and store the grant. None if the login has several accounts and the user must choose one.

    Raises LoginFailed (STATE_INVALID if the login was cancelled meanwhile), and TooBusy if too many requests wait for
    Meta. The code can't be used again afterwards.
    """
    try:
        with order_places.taken():
            result = registry.logins().exchange(attempt.login, code=code, redirect_uri=callback_uri, now=now)
    except LoginFailed:
        # Meta accepts a code once, so the attempt can't be completed any more.
        LoginAttempt.objects.filter(pk=attempt.attempt_id).delete()
        raise
    if len(result.accounts) == 1:
        return _store(attempt, result, result.accounts[0], actor, now)
    _keep_for_choice(attempt, result, now)
    return None


def find_choice(attempt_id: UUID, *, actor: Actor, now: datetime) -> Attempt | None:
    """The caller's login attempt that waits for the choice of an account, or None."""
    row = _waiting(attempt_id, actor, now).first()
    return _attempt_of(row) if row else None


def choose_account(attempt: Attempt, account_id: str, *, actor: Actor, now: datetime) -> Account:
    """Store the grant for one of the login's accounts. Raises LoginFailed."""
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
    """Unlink the instance and delete its connected feeds; then try to revoke the grant at Meta, in a thread."""
    given_up = lifecycle.disconnect(key, actor=actor, now=now)
    if given_up is not None:
        # The response doesn't wait for Meta: the token is already deleted here.
        transaction.on_commit(partial(_revocations.add, _revoke, given_up))


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
    with transaction.atomic():
        lifecycle.store_grant(attempt.key, grant, actor=actor, now=now, attempt_id=attempt.attempt_id)
        if attempt.link_id is not None:
            connect_links.use(attempt.link_id, now=now)


@transaction.atomic
def _keep_for_choice(attempt: Attempt, result: LoginResult, now: datetime) -> None:
    """Store the encrypted token with its accounts until one is chosen. Raises LoginFailed."""
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
    return _of_actor(actor).filter(
        pk=attempt_id,
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
        link_id=row.connect_link_id,
    )


def _of_actor(actor: Actor) -> QuerySet[LoginAttempt]:
    """The attempts of a user or, without a user id, of the holder of a connect link, in the actor's session."""
    if not actor.session:
        raise ValueError("a login at Meta belongs to a session")
    mine = LoginAttempt.objects.filter(session_hash=hash_of(actor.session))
    if actor.user_id is None:
        return mine.filter(user_id__isnull=True, connect_link__isnull=False)
    return mine.filter(user_id=actor.user_id)
