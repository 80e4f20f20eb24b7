"""A connection's life: granted, linked, renewed, found dead, unlinked, erased. Disconnect wins over anything in flight.

Rows of connected feeds are deleted with the link, so that a refresh under way finds no row to write to. Logins under
way are cancelled (`login_fences`). Whoever holds an older token can condemn nothing: every judgement names the token
version it was made with.

Lock order. Every transaction that locks rows of several of these kinds takes them in this order, several rows of one
kind by primary key, so that no two transactions wait for each other:

    person fences → login attempts → links → connections → feeds → quota windows, ledger → receipts → audit

A new connection's row is inserted after all other connections are locked. Only the process that settles a ledger line
locks it, so lines and quota windows need no order between them. Nothing is locked during a call to Meta.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet

from paris_integration import (
    audit,
    clock,
    feed_cache,
    feed_rows,
    hashtags,
    incidents,
    links,
    login_fences,
    vault,
)
from paris_integration.audit import Action, Actor, Outcome
from paris_integration.errors import PermissionMissing, ProviderError, TokenRejected
from paris_integration.models import (
    AuditEvent,
    Connection,
    ConnectionLink,
    Feed,
    ForcedRefresh,
    QuotaWindow,
    RefreshReceipt,
)
from paris_integration.secret import Secret
from paris_integration.signals import account_erased
from paris_integration.types import ConnectionFacts, ConnectionState, FeedKey, Login, Mode, SourceType

logger = logging.getLogger(__name__)

ALIVE = (ConnectionState.ACTIVE.value, ConnectionState.EXPIRING.value)
RENEW_FROM = timedelta(days=20)  # before the end
RENEW_AT_AGE = timedelta(hours=24)  # Meta refuses to renew younger tokens
RENEW_EVERY = timedelta(days=1)
RENEW_WITHIN = timedelta(days=40)  # however long the token lives
EXPIRING_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a completed login yields. `expires_at` None: never, or when `never_expires` is not set, Meta did not say."""

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
    """A token that was erased with its connection, and whose it was. `app_user_id` may be empty: not known."""

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
    """Create or renew the account's connection in this workspace, and link the instance to it.

    `attempt_id`: the login that brought the grant; it is used up. Raises LoginFailed when it was used or cancelled.
    """
    # The account's fence also keeps two logins from inserting the same connection.
    persons = (grant.app_user_id, grant.account_id)
    if attempt_id is None:
        login_fences.hold_persons(grant.login, persons)
    else:
        login_fences.claim(attempt_id, grant.login, persons).delete()
    link = ConnectionLink.objects.select_for_update().filter(pk=key.instance_id).first()
    account = {"workspace_id": key.workspace_id, "login": grant.login.value, "account_id": grant.account_id}
    old, row = None, Connection(**account)
    for held in _hold_connections(Q(**account) | Q(pk=link.connection_id if link else None)):
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
    purged: list[Feed] = []
    if old is not None:
        purged = feed_rows.delete(_connected_feeds(key))
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
    transaction.on_commit(partial(_forget, {key.instance_id, *links.instances_of(row.pk)}, purged))
    return links.facts_of(row)


@transaction.atomic
def disconnect(key: FeedKey, *, actor: Actor, now: datetime) -> GivenUp | None:
    """Unlink the instance and purge its connected feeds; the connection goes when no other instance uses it.

    Logins of the instance that are under way store nothing more. Returns the token that was erased with the
    connection, for `revoking`; None when there was none. Doing it twice is fine.
    """
    login_fences.cancel_for_instance(key)
    link = (
        ConnectionLink.objects.select_for_update(of=("self",))
        .filter(pk=key.instance_id, connection__workspace_id=key.workspace_id)
        .first()
    )
    row = next(iter(_hold_connections(Q(pk=link.connection_id))), None) if link else None
    purged = feed_rows.delete(_connected_feeds(key))
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
    transaction.on_commit(partial(_forget, {key.instance_id}, purged))
    return given_up


def open_token(facts: ConnectionFacts) -> Secret:
    """The connection's token in clear, for one call. Raises TokenRejected when it is gone or cannot be opened."""
    row = Connection.objects.filter(pk=facts.connection_id).first()
    if row is None or row.token is None:
        raise TokenRejected("no token")
    try:
        return vault.open_token(row.token, row_id=row.pk)
    except vault.CannotOpen:
        logger.error("a stored token cannot be opened", extra={"fields": {"connection": str(row.pk)}})
        raise TokenRejected("the stored token cannot be opened") from None


def condemn(facts: ConnectionFacts, error: ProviderError, *, now: datetime) -> None:
    """Meta refused this very token: no more calls with it until the account is connected again.

    Whether a refusal ends the connection is for `judgements` to decide.
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
        if not rows.filter(state__in=ALIVE).update(
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


def revive(facts: ConnectionFacts, *, now: datetime) -> None:
    """Meta accepts this very token after all: end the state that its refusals led to, and refresh the feeds."""
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


def living(login: str) -> QuerySet[Connection]:
    """The connections of this login that may be called with."""
    return Connection.objects.filter(login=login, state__in=ALIVE, token__isnull=False)


@transaction.atomic
def forget_account(login: Login, user_id: str, *, erase: bool, now: datetime) -> int:
    """Meta says the person withdrew: tokens and connected feeds go at once, and logins under way store nothing more.

    With `erase` everything held of the person goes: the connections, the account's posts in whichever widget shows
    them, receipts, and the tag ledger. `user_id` may be either of the ids that Meta uses. Returns how many connections
    were concerned; doing it twice is fine.
    """
    login_fences.withdraw(login, user_id, at=clock.database_now())
    # Whatever stores for this person or account waits for the fence: no connection of theirs, and no link, is added.
    of_person = Q(login=login.value) & (Q(account_id=user_id) | Q(app_user_id=user_id))
    ids = Connection.objects.filter(of_person).values_list("account_id", "app_user_id")
    login_fences.cancel_for_persons(login, {user_id, *chain.from_iterable(ids if erase else ())} - {""})
    links_of_person = ConnectionLink.objects.filter(connection__in=Connection.objects.filter(of_person))
    linked = list(links_of_person.select_for_update(of=("self",)).order_by("pk"))
    held = _hold_connections(of_person)
    instances = {row.pk: [link.pk for link in linked if link.connection_id == row.pk] for row in held}
    instance_ids = set(chain.from_iterable(instances.values()))
    if erase:
        _erase(held, instance_ids)
    else:
        purged = feed_rows.delete(
            Feed.objects.filter(instance_id__in=instance_ids, mode=Mode.CONNECTED.value)
        )
        transaction.on_commit(partial(_forget, instance_ids, purged))
        _withdraw_tokens(held, now)
    for row in held:
        audit.note(
            Action.DATA_DELETED if erase else Action.DEAUTHORISED,
            Outcome.DONE,
            workspace_id=row.workspace_id,
            instance_id=next(iter(instances[row.pk]), ""),
            actor=Actor(None, f"Meta ({login})"),
            at=now,
        )
    return len(held)


def _withdraw_tokens(rows: Iterable[Connection], now: datetime) -> None:
    Connection.objects.filter(pk__in=[row.pk for row in rows]).update(
        token=None,
        token_version=F("token_version") + 1,
        state=ConnectionState.DEAUTHORISED.value,
        cause="withdrawn at Meta",
        state_changed_at=now,
        next_renewal_at=None,
    )


def _erase(rows: Iterable[Connection], instance_ids: set[str]) -> None:
    """Erase the connections, which are held, and all that was read by them or shows their accounts."""
    usernames = {row.username for row in rows}
    of_account = Q(source_type=SourceType.PROFILE.value, source_value__in=usernames)
    purged = feed_rows.delete(Feed.objects.filter(Q(instance_id__in=instance_ids) | of_account))
    transaction.on_commit(partial(_forget, instance_ids, purged))
    books = of_account & Q(instance_id__in=instance_ids)
    QuotaWindow.objects.filter(books).delete()
    ForcedRefresh.objects.filter(books).update(source_value="")
    showing = instance_ids | {feed.instance_id for feed in purged}
    RefreshReceipt.objects.filter(instance_id__in=showing).delete()
    # Earlier releases wrote the account's name into these notes, and may run on during a deployment.
    AuditEvent.objects.filter(
        workspace_id__in={row.workspace_id for row in rows},
        action__in=[Action.CONNECTED, Action.DISCONNECTED],
        note__startswith="@",
    ).update(note="")
    Connection.objects.filter(pk__in=[row.pk for row in rows]).delete()
    transaction.on_commit(partial(_erase_ledgers, {row.account_id for row in rows}))
    transaction.on_commit(
        partial(account_erased.send, Connection, instance_ids=instance_ids, usernames=usernames)
    )


def _erase_ledgers(account_ids: Iterable[str]) -> None:
    """Erase the tag ledgers of accounts that no connection reads by any more.

    After the commit, and after the note of it: `hashtags` looks for that note after each entry, so whichever comes
    last leaves nothing behind.
    """
    for account_id in account_ids:
        if not Connection.objects.filter(account_id=account_id).exists():
            login_fences.note_erased_account(account_id)
            hashtags.erase(account_id)


def _put_token(row: Connection, grant: Grant, now: datetime) -> None:
    row.token = vault.seal_token(grant.token, row_id=row.pk)
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


def next_renewal_at(
    *, obtained_at: datetime, expires_at: datetime | None, share: float, never_expires: bool = False
) -> datetime | None:
    """When to renew first: 20 days before the end, spread over a day, never under 24 hours of age.

    Daily when Meta did not say when the token ends; never (None) when it said that the token never ends. Pure.
    """
    if never_expires:
        return None
    earliest = obtained_at + RENEW_AT_AGE
    wanted = obtained_at + RENEW_EVERY if expires_at is None else expires_at - RENEW_FROM
    wanted = min(wanted, obtained_at + RENEW_WITHIN)
    return max(earliest, wanted) + RENEW_EVERY * share * 0.25


def share() -> float:
    """A random share of a delay, so that not everybody comes at once."""
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


def _hold_connections(which: Q) -> list[Connection]:
    return list(Connection.objects.select_for_update().filter(which).order_by("pk"))


def _drop_if_unused(held: Connection) -> bool:
    """Delete the connection, which is held, when no instance links to it; whether it went."""
    if held.links.exists():
        return False
    held.delete()
    return True


def _connected_feeds(key: FeedKey) -> QuerySet[Feed]:
    return Feed.objects.filter(
        workspace_id=key.workspace_id, instance_id=key.instance_id, mode=Mode.CONNECTED.value
    )


def _reopen_feeds(connection_id: UUID, now: datetime) -> None:
    """A new grant ends the back-off that the dead one left."""
    instance_ids = links.instances_of(connection_id)
    feed_rows.hold(Feed.objects.filter(instance_id__in=instance_ids))
    Feed.objects.filter(instance_id__in=instance_ids, mode=Mode.CONNECTED.value).update(
        blocked_at=None, blocked_until=None, failures=0, fault="", next_refresh_at=now
    )


def _forget(instance_ids: Iterable[str], feeds: Iterable[Feed]) -> None:
    links.forget(set(instance_ids))
    feed_cache.forget_rows(feeds)
