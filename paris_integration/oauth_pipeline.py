"""From "connect" to a stored grant: the state that goes out, the callback that comes back, the choice of an account.

A state is 256 random bits, good once and for ten minutes, for one user, session, workspace, instance, login and
redirect. It is consumed by one conditional write before the code is exchanged: of a hundred callbacks with one state,
one makes a call.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from foundation import threads
from paris_integration import connections, registry, vault
from paris_integration.audit import Actor
from paris_integration.connections import Grant
from paris_integration.errors import LoginFailed, ProviderError
from paris_integration.flights import order_places
from paris_integration.models import LoginAttempt
from paris_integration.providers.oauth import Account, LoginResult
from paris_integration.secret import Secret
from paris_integration.types import FeedKey, Login, Source, SourceType

logger = logging.getLogger(__name__)

STATE_LASTS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is on the way to Meta or back. `session` is the session's own key; only its hash is kept."""

    user_id: int
    username: str
    session: str


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
    key: FeedKey, login: Login, *, caller: Caller, redirect_uri: str, callback_uri: str, now: datetime
) -> str:
    """Note a new attempt; the address at Meta to send the person to."""
    state = secrets.token_urlsafe(32)
    LoginAttempt.objects.create(
        state_hash=_hash(state),
        user_id=caller.user_id,
        session_hash=_hash(caller.session),
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        login=login.value,
        redirect_uri=redirect_uri,
        expires_at=now + STATE_LASTS,
    )
    return registry.logins().authorize_url(login, state=state, redirect_uri=callback_uri)


def take_state(login: Login, state: str, *, caller: Caller, now: datetime) -> Attempt | None:
    """Consume the state; None unless it is fresh, unused, and this very caller's for this login."""
    row = LoginAttempt.objects.filter(
        state_hash=_hash(state),
        login=login.value,
        user_id=caller.user_id,
        session_hash=_hash(caller.session),
        expires_at__gt=now,
        consumed_at__isnull=True,
    )
    if not row.update(consumed_at=now):
        return None
    return _attempt_of(LoginAttempt.objects.get(state_hash=_hash(state)))


def complete_login(
    attempt: Attempt, code: str, *, caller: Caller, callback_uri: str, now: datetime
) -> Account | None:
    """Exchange the code and store the grant; None when several accounts came and one must be chosen.

    Raises LoginFailed, and TooBusy when too many wait for Meta. A code is used once, whatever comes of it.
    """
    with order_places.taken():
        result = registry.logins().exchange(attempt.login, code=code, redirect_uri=callback_uri, now=now)
    if len(result.accounts) == 1:
        return _store(attempt, result, result.accounts[0], caller, now)
    LoginAttempt.objects.filter(pk=attempt.attempt_id).update(
        token=vault.seal_token(result.token.secret, row_id=attempt.attempt_id),
        token_expires_at=result.token.expires_at,
        app_user_id=result.app_user_id,
        scopes=list(result.scopes),
        accounts=[[account.account_id, account.username] for account in result.accounts],
        expires_at=now + STATE_LASTS,
    )
    return None


def find_choice(attempt_id: UUID, *, caller: Caller, now: datetime) -> Attempt | None:
    """An attempt of this caller's that waits for the choice of an account; None otherwise."""
    row = _waiting(attempt_id, caller, now).first()
    return _attempt_of(row) if row else None


def choose_account(attempt: Attempt, account_id: str, *, caller: Caller, now: datetime) -> Account:
    """Store the grant for one of the accounts the login brought. Raises LoginFailed."""
    row = _waiting(attempt.attempt_id, caller, now).first()
    chosen = next((account for account in attempt.accounts if account.account_id == account_id), None)
    if row is None or row.token is None or chosen is None:
        raise LoginFailed("STATE_INVALID")
    token = vault.open_token(row.token, row_id=row.pk)
    if not _waiting(attempt.attempt_id, caller, now).update(token=None, accounts=[]):
        raise LoginFailed("STATE_INVALID")
    grant = Grant(
        login=attempt.login,
        account_id=chosen.account_id,
        app_user_id=row.app_user_id,
        username=chosen.username,
        scopes=tuple(row.scopes),
        token=token,
        expires_at=row.token_expires_at,
    )
    connections.store_grant(attempt.key, grant, actor=_actor(caller), now=now)
    return chosen


def disconnect(key: FeedKey, *, actor: Actor, now: datetime) -> None:
    """Unlink the instance and erase what it read by the connection; then try to revoke the grant at Meta."""
    revocable = connections.disconnect(key, actor=actor, now=now)
    if revocable is not None:
        # Nobody waits for Meta here: the token is gone from our side already.
        threads.start(_revoke, *revocable)


def _revoke(login: Login, token: Secret) -> None:
    try:
        registry.logins().revoke(login, token)
    except (ProviderError, KeyError) as error:
        logger.info("grant not revoked at Meta: %s", type(error).__name__)


def _store(attempt: Attempt, result: LoginResult, account: Account, caller: Caller, now: datetime) -> Account:
    grant = Grant(
        login=attempt.login,
        account_id=account.account_id,
        app_user_id=result.app_user_id,
        username=account.username,
        scopes=result.scopes,
        token=result.token.secret,
        expires_at=result.token.expires_at,
    )
    connections.store_grant(attempt.key, grant, actor=_actor(caller), now=now)
    return account


def _waiting(attempt_id: UUID, caller: Caller, now: datetime):  # type: ignore[no-untyped-def]
    return LoginAttempt.objects.filter(
        pk=attempt_id,
        user_id=caller.user_id,
        session_hash=_hash(caller.session),
        expires_at__gt=now,
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


def _actor(caller: Caller) -> Actor:
    return Actor(caller.user_id, caller.username)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
