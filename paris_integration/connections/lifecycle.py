"""The states of a connection: granted, linked, renewed, refused, unlinked, erased.

A disconnect overrides anything in progress: the connected feeds are deleted with the link, so a running refresh has no
row to write to, and pending logins are cancelled (`login_fences`). Changes of state name the token version they are
about, so a call with an older token changes nothing.

Lock order: a transaction that locks rows of several kinds locks them in this order, and rows of one kind by primary
key, so that no two transactions deadlock:

    person fences → login attempts → links → connections → feeds → quota windows, ledger → receipts → audit

A new connection is inserted after all other connections are locked. Only the process that settles a ledger line locks
it, so ledger lines and quota windows need no order. No lock is held during a call to Meta.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from paris_integration import clock
from paris_integration.connections import incidents, links, login_fences, vault
from paris_integration.errors import PermissionMissing, ProviderError, RateLimited, TokenRejected
from paris_integration.models import (
    Connection,
    ConnectionLink,
    Feed,
    ProviderWindow,
)
from paris_integration.models.feeds import FeedQuerySet
from paris_integration.observing import audit
from paris_integration.observing.audit import Action, Outcome
from paris_integration.types import (
    Actor,
    ConnectionFacts,
    ConnectionState,
    FeedKey,
    Login,
    Mode,
    Secret,
    Warning,
)

logger = logging.getLogger(__name__)

USABLE_STATES = (ConnectionState.ACTIVE.value, ConnectionState.EXPIRING.value)
RENEW_FROM = timedelta(days=20)  # before the token expires
RENEW_AT_AGE = timedelta(hours=24)  # Meta refuses to renew younger tokens
RENEW_EVERY = timedelta(days=1)
RENEW_WITHIN = timedelta(days=40)  # also for tokens that last longer
EXPIRING_WITHIN = timedelta(days=7)
UNREADABLE = "the stored token can't be decrypted"


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of a login. `expires_at` None without `never_expires`: Meta didn't say when the token expires."""

    login: Login
    account_id: str
    app_user_id: str
    username: str
    scopes: tuple[str, ...]
    token: Secret
    expires_at: datetime | None
    never_expires: bool = False


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A token deleted with its connection, and its owner. `app_user_id` is empty if it isn't known."""

    workspace_id: UUID
    instance_id: str
    login: Login
    account_id: str
    app_user_id: str
    token: Secret


@transaction.atomic
def store_grant(
    key: FeedKey, grant: Grant, *, actor: Actor, now: datetime, attempt_id: UUID | None = None
) -> ConnectionFacts:
    """Create or update the account's connection in this workspace, and link the instance to it.

    `attempt_id`: the login attempt to use up. Raises LoginFailed if it was used or cancelled.
    """
    # The lock on the account also keeps two logins from inserting the same connection.
    persons = (grant.app_user_id, grant.account_id)
    if attempt_id is None:
        login_fences.hold_persons(grant.login, persons)
    else:
        login_fences.claim(attempt_id, grant.login, persons).delete()
    link = ConnectionLink.objects.select_for_update().filter(pk=key.instance_id).first()
    account = {"workspace_id": key.workspace_id, "login": grant.login.value, "account_id": grant.account_id}
    old, row = None, Connection(**account)
    for held in hold_connections(Q(**account) | Q(pk=link.connection_id if link else None)):
        if (held.workspace_id, held.login, held.account_id) == tuple(account.values()):
            row = held
        else:
            old = held
    row.app_user_id = grant.app_user_id
    row.username = grant.username.lower()
    row.scopes = list(grant.scopes)
    row.state = ConnectionState.ACTIVE.value
    row.cause = ""
    row.state_changed_at = now
    row.told_days = None
    _put_token(row, grant, now)
    row.save()
    ConnectionLink.objects.update_or_create(
        instance_id=key.instance_id,
        defaults={"connection": row, "workspace_id": key.workspace_id, "linked_at": now},
    )
    # The instance was linked to another account, whose posts its feeds still show.
    if old is not None:
        _connected_feeds(key).purge()
        _drop_if_unused(old)
    _reopen_feeds(row.pk, now)
    audit.note(
        Action.CONNECTED,
        Outcome.DONE,
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        actor=actor,
        at=now,
        note=f"by {grant.login} login",
    )
    transaction.on_commit(partial(links.forget, {key.instance_id, *links.instances_of(row.pk)}))
    return links.facts_of(row)


@transaction.atomic
def disconnect(key: FeedKey, *, actor: Actor, now: datetime) -> GivenUp | None:
    """Unlink the instance, delete its connected feeds, and delete the connection if no other instance uses it.

    Also cancels the instance's pending logins. Returns the deleted token for `revoking`, or None. Idempotent.
    """
    login_fences.cancel_for_instance(key)  # first, by the lock order
    link = (
        ConnectionLink.objects.select_for_update(of=("self",))
        .filter(pk=key.instance_id, connection__workspace_id=key.workspace_id)
        .first()
    )
    row = next(iter(hold_connections(Q(pk=link.connection_id))), None) if link else None
    _connected_feeds(key).purge()
    given_up = None
    if link is not None and row is not None:
        token = _token_of(row)
        link.delete()
        is_gone = _drop_if_unused(row)
        if is_gone and token is not None:
            given_up = _given_up(row, key.instance_id, token)
        audit.note(
            Action.DISCONNECTED,
            Outcome.DONE,
            workspace_id=key.workspace_id,
            instance_id=key.instance_id,
            actor=actor,
            at=now,
            note="" if is_gone else "other widgets still use the connection",
        )
    transaction.on_commit(partial(links.forget, {key.instance_id}))
    return given_up


def open_token(facts: ConnectionFacts) -> Secret:
    """The connection's decrypted token, for one call. Raises TokenRejected if it is gone or can't be decrypted."""
    row = Connection.objects.filter(pk=facts.connection_id).first()
    if row is None or row.token is None:
        raise TokenRejected("no token")
    try:
        return vault.open_token(row.token, row_id=row.pk)
    except vault.CannotOpen:
        logger.error("a stored token can't be decrypted", extra={"fields": {"connection": str(row.pk)}})
        raise TokenRejected(UNREADABLE) from None


def mark_refused(facts: ConnectionFacts, error: ProviderError, *, now: datetime) -> None:
    """Stop calls with this token until the account is connected again.

    `health` decides whether a refusal ends the connection. Errors other than TokenRejected and PermissionMissing, and
    refusals of an older token, change nothing.
    """
    states = {
        TokenRejected: ConnectionState.RECONNECT_REQUIRED,
        PermissionMissing: ConnectionState.PERMISSION_MISSING,
    }
    state = states.get(type(error))
    if state is None:
        return
    with transaction.atomic():
        rows = Connection.objects.filter(pk=facts.connection_id, token_version=facts.token_version)
        if not rows.filter(state__in=USABLE_STATES).update(
            state=state.value, cause=str(error)[:200], state_changed_at=now, next_renewal_at=None
        ):
            return
        row = rows.get()
        instance_ids = links.instances_of(row.pk)
        audit.note(
            Action.TOKEN_DIED,
            Outcome.DONE,
            workspace_id=row.workspace_id,
            instance_id=instance_ids[0] if instance_ids else "",
            actor=audit.SERVICE,
            at=now,
            reason=error.warning.value,
        )
        transaction.on_commit(lambda: links.forget(instance_ids))


def mark_working(facts: ConnectionFacts, *, now: datetime) -> None:
    """Undo `mark_refused` for this token, and let its feeds refresh at once."""
    with transaction.atomic():
        refused = Connection.objects.select_for_update().filter(
            pk=facts.connection_id,
            token_version=facts.token_version,
            state__in=incidents.REFUSED_STATES,
        )
        row = refused.first()
        if row is None:
            return
        row.state = ConnectionState.ACTIVE.value
        row.cause = ""
        row.state_changed_at = now
        row.next_renewal_at = next_renewal_at(
            obtained_at=row.obtained_at,
            expires_at=row.expires_at,
            never_expires=row.never_expires,
            share=share(),
        )
        row.save(update_fields=["state", "cause", "state_changed_at", "next_renewal_at"])
        _reopen_feeds(row.pk, now)
        instance_ids = links.instances_of(row.pk)
        audit.note(
            Action.TOKEN_ACCEPTED,
            Outcome.DONE,
            workspace_id=row.workspace_id,
            instance_id=instance_ids[0] if instance_ids else "",
            actor=audit.SERVICE,
            at=now,
        )
        transaction.on_commit(lambda: links.forget(instance_ids))


def keep_rate_limit(facts: ConnectionFacts, fault: ProviderError, *, now: datetime) -> None:
    """Make no call with the connection for as long as Meta asks, if the fault names a time. Never shortens a wait."""
    if not isinstance(fault, RateLimited) or fault.retry_after_seconds is None:
        return
    until = now + min(timedelta(seconds=fault.retry_after_seconds), clock.LONG_CEILING)
    window, _ = ProviderWindow.objects.get_or_create(credential=str(facts.connection_id))
    shorter = Q(parked_until__isnull=True) | Q(parked_until__lt=until)
    ProviderWindow.objects.filter(shorter, pk=window.pk).update(parked_at=now, parked_until=until)


@transaction.atomic
def end_rate_limits(connection_ids: Collection[UUID], *, now: datetime) -> None:
    """Allow calls with these connections again, and let their feeds refresh at once."""
    instance_ids = list(
        ConnectionLink.objects.filter(connection__in=connection_ids).values_list("instance_id", flat=True)
    )
    feeds = Feed.objects.filter(instance_id__in=instance_ids, fault=Warning.PROVIDER_RATE_LIMITED.value)
    ids = [feed.pk for feed in feeds.filter(mode=Mode.CONNECTED.value).hold()]
    Feed.objects.filter(pk__in=ids).update(
        blocked_at=None, blocked_until=None, failures=0, fault="", next_refresh_at=now
    )
    ProviderWindow.objects.filter(credential__in=[str(each) for each in connection_ids]).update(
        parked_at=None, parked_until=None, throttles=0
    )


def usable(login: str) -> QuerySet[Connection]:
    """The connections of this login whose token may be used."""
    return Connection.objects.filter(login=login, state__in=USABLE_STATES, token__isnull=False)


def _put_token(row: Connection, grant: Grant, now: datetime) -> None:
    row.token = vault.seal_token(grant.token, row_id=row.pk)
    # From now on, calls still running with the old token can't change the connection's state.
    row.token_version += 1
    row.obtained_at = now
    row.expires_at = grant.expires_at
    row.never_expires = grant.never_expires
    row.next_renewal_at = next_renewal_at(
        obtained_at=now, expires_at=grant.expires_at, never_expires=grant.never_expires, share=share()
    )
    row.renewal_failures = 0
    row.renewal_lease_expires_at = None
    row.refused_at = None
    row.check_at = None
    row.trouble, row.trouble_at, row.trouble_until = "", None, None


def next_renewal_at(
    *, obtained_at: datetime, expires_at: datetime | None, share: float, never_expires: bool = False
) -> datetime | None:
    """When to renew: 20 days before expiry, but not before 24 hours of age and not after 40 days. Pure.

    Daily if Meta didn't say when the token expires; None if it never does. `share` (0 to 1) spreads the load.
    """
    if never_expires:
        return None
    earliest = obtained_at + RENEW_AT_AGE
    wanted = obtained_at + RENEW_EVERY if expires_at is None else expires_at - RENEW_FROM
    wanted = min(wanted, obtained_at + RENEW_WITHIN)
    return max(earliest, wanted) + RENEW_EVERY * share * 0.25


def share() -> float:
    """A random number from 0 to 1, to spread load."""
    return random.random()  # noqa: S311 - spreads load, guards nothing


def _given_up(row: Connection, instance_id: str, token: Secret) -> GivenUp:
    return GivenUp(
        workspace_id=row.workspace_id,
        instance_id=instance_id,
        login=Login(row.login),
        account_id=row.account_id,
        app_user_id=row.app_user_id,
        token=token,
    )


def _token_of(row: Connection) -> Secret | None:
    if row.token is None:
        return None
    try:
        return vault.open_token(row.token, row_id=row.pk)
    except vault.CannotOpen:
        return None


def hold_connections(which: Q) -> list[Connection]:
    return list(Connection.objects.select_for_update().filter(which).order_by("pk"))


def _drop_if_unused(held: Connection) -> bool:
    """Delete the locked connection if no instance links to it. Returns whether it was deleted."""
    if held.links.exists():
        return False
    held.delete()
    return True


def _connected_feeds(key: FeedKey) -> FeedQuerySet:
    return Feed.objects.of_instance(key).filter(mode=Mode.CONNECTED.value)


def _reopen_feeds(connection_id: UUID, now: datetime) -> None:
    """End the back-off that the refused token left on the connection's feeds."""
    feeds = Feed.objects.filter(instance_id__in=links.instances_of(connection_id))
    feeds.hold()
    feeds.filter(mode=Mode.CONNECTED.value).update(
        blocked_at=None, blocked_until=None, failures=0, fault="", next_refresh_at=now
    )
