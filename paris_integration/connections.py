"""A connection's life: granted, linked, renewed, found dead, unlinked, erased. Disconnect wins over anything in flight.

Rows of connected feeds are deleted with the link, so that a refresh under way finds no row to write to. Whoever holds
an older token can condemn nothing: every judgement names the token version it was made with.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from paris_integration import audit, feed_cache, incidents, links, vault
from paris_integration.audit import Action, Actor, Outcome
from paris_integration.errors import PermissionMissing, ProviderError, TokenRejected
from paris_integration.models import Connection, ConnectionLink, Feed
from paris_integration.secret import Secret
from paris_integration.types import ConnectionFacts, ConnectionState, FeedKey, Login, Mode

logger = logging.getLogger(__name__)

RENEW_FROM = timedelta(days=20)  # before the end
RENEW_AT_AGE = timedelta(hours=24)  # Meta refuses to renew younger tokens
RENEW_EVERY = timedelta(days=1)
RENEW_WITHIN = timedelta(days=40)  # however long the token lives
EXPIRING_WITHIN = timedelta(days=7)
ALIVE = (ConnectionState.ACTIVE.value, ConnectionState.EXPIRING.value)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a completed login yields. `expires_at` None: Meta did not say; renewed daily."""

    login: Login
    account_id: str
    app_user_id: str
    username: str
    scopes: tuple[str, ...]
    token: Secret
    expires_at: datetime | None


def store_grant(key: FeedKey, grant: Grant, *, actor: Actor, now: datetime) -> ConnectionFacts:
    """Create or renew the account's connection in this workspace, and link the instance to it."""
    with transaction.atomic():
        # Links before connections, as disconnect holds them.
        link = ConnectionLink.objects.select_for_update().filter(pk=key.instance_id).first()
        row, _ = Connection.objects.select_for_update().get_or_create(
            workspace_id=key.workspace_id,
            login=grant.login.value,
            account_id=grant.account_id,
            defaults={"username": grant.username, "obtained_at": now, "state_changed_at": now},
        )
        row.app_user_id = grant.app_user_id
        row.username = grant.username.lower()
        row.scopes = list(grant.scopes)
        row.state = ConnectionState.ACTIVE.value
        row.cause = ""
        row.state_changed_at = now
        row.told_days = None
        _put_token(row, grant.token, grant.expires_at, now)
        row.save()
        purged: list[Feed] = []
        if link is not None and link.connection_id != row.pk:
            purged = _delete_feeds(key.workspace_id, [key.instance_id])
            _drop_if_unused(link.connection_id, besides=key.instance_id)
        ConnectionLink.objects.update_or_create(
            instance_id=key.instance_id, defaults={"connection": row, "linked_at": now}
        )
        _reopen_feeds(row.pk, now)
        audit.note(
            Action.CONNECTED,
            Outcome.DONE,
            workspace_id=key.workspace_id,
            instance_id=key.instance_id,
            actor=actor,
            at=now,
            note=f"@{row.username} by {grant.login} login",
        )
        facts = links.facts_of(row)
        transaction.on_commit(lambda: _forget([key.instance_id, *links.instances_of(row.pk)], purged))
    return facts


def disconnect(key: FeedKey, *, actor: Actor, now: datetime) -> tuple[Login, Secret] | None:
    """Unlink the instance and purge its connected feeds; the connection goes when no other instance uses it.

    The token that died with it, to be revoked at Meta afterwards; None when there was none. Doing it twice is fine.
    """
    revocable = None
    with transaction.atomic():
        link = (
            ConnectionLink.objects.select_for_update(of=("self",))
            .filter(pk=key.instance_id, connection__workspace_id=key.workspace_id)
            .select_related("connection")
            .first()
        )
        purged = _delete_feeds(key.workspace_id, [key.instance_id])
        if link is not None:
            row = link.connection
            link.delete()
            token = _token_of(row)
            if _drop_if_unused(row.pk) and token is not None:
                revocable = (Login(row.login), token)
            audit.note(
                Action.DISCONNECTED,
                Outcome.DONE,
                workspace_id=key.workspace_id,
                instance_id=key.instance_id,
                actor=actor,
                at=now,
                note=f"@{row.username}",
            )
        transaction.on_commit(lambda: _forget([key.instance_id], purged))
    return revocable


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
            obtained_at=row.obtained_at, expires_at=row.expires_at, share=share()
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


def forget_account(login: Login, user_id: str, *, erase: bool, now: datetime) -> int:
    """Meta says the person withdrew: tokens and connected feeds go at once; with `erase` the connections, too.

    `user_id` may be either of the ids that Meta uses. How many connections were concerned; doing it twice is fine.
    """
    rows = Connection.objects.filter(login=login.value).filter(Q(account_id=user_id) | Q(app_user_id=user_id))
    for row in rows:
        with transaction.atomic():
            held = Connection.objects.select_for_update().filter(pk=row.pk).first()
            if held is None:
                continue
            instance_ids = links.instances_of(held.pk)
            purged = _delete_feeds(held.workspace_id, instance_ids)
            audit.note(
                Action.DATA_DELETED if erase else Action.DEAUTHORISED,
                Outcome.DONE,
                workspace_id=held.workspace_id,
                instance_id=instance_ids[0] if instance_ids else "",
                actor=Actor(None, f"Meta ({login})"),
                at=now,
            )
            if erase:
                held.delete()
            else:
                Connection.objects.filter(pk=held.pk).update(
                    token=None,
                    token_version=held.token_version + 1,
                    state=ConnectionState.DEAUTHORISED.value,
                    cause="withdrawn at Meta",
                    state_changed_at=now,
                    next_renewal_at=None,
                )
            transaction.on_commit(partial(_forget, instance_ids, purged))
    return len(rows)


def _put_token(row: Connection, token: Secret, expires_at: datetime | None, now: datetime) -> None:
    row.token = vault.seal_token(token, row_id=row.pk)
    row.token_version += 1
    row.obtained_at = now
    row.expires_at = expires_at
    row.next_renewal_at = next_renewal_at(obtained_at=now, expires_at=expires_at, share=share())
    row.renewal_failures = 0
    row.renewal_lease_expires_at = None
    row.refused_at = None
    row.check_at = None


def next_renewal_at(*, obtained_at: datetime, expires_at: datetime | None, share: float) -> datetime:
    """When to renew first: 20 days before the end, spread over a day, never under 24 hours of age. Pure."""
    earliest = obtained_at + RENEW_AT_AGE
    wanted = obtained_at + RENEW_EVERY if expires_at is None else expires_at - RENEW_FROM
    wanted = min(wanted, obtained_at + RENEW_WITHIN)
    return max(earliest, wanted) + RENEW_EVERY * share * 0.25


def share() -> float:
    """A random share of a delay, so that not everybody comes at once."""
    return random.random()  # noqa: S311 - spreads load, guards nothing


def _token_of(row: Connection) -> Secret | None:
    if row.token is None:
        return None
    try:
        return vault.open_token(row.token, row_id=row.pk)
    except vault.CannotOpen:
        return None


def _drop_if_unused(connection_id: UUID, *, besides: str = "") -> bool:
    """Delete the connection when no instance but `besides` links to it; whether it went."""
    held = Connection.objects.select_for_update().filter(pk=connection_id).first()
    if held is None or held.links.exclude(pk=besides).exists():
        return False
    held.links.all().delete()
    held.delete()
    return True


def _delete_feeds(workspace_id: UUID, instance_ids: Iterable[str]) -> list[Feed]:
    rows = Feed.objects.filter(
        workspace_id=workspace_id, instance_id__in=list(instance_ids), mode=Mode.CONNECTED.value
    )
    deleted = list(rows)
    rows.delete()
    return deleted


def _reopen_feeds(connection_id: UUID, now: datetime) -> None:
    """A new grant ends the back-off that the dead one left."""
    instance_ids = links.instances_of(connection_id)
    Feed.objects.filter(instance_id__in=instance_ids, mode=Mode.CONNECTED.value).update(
        blocked_at=None, blocked_until=None, failures=0, fault="", next_refresh_at=now
    )


def _forget(instance_ids: Iterable[str], feeds: Iterable[Feed]) -> None:
    links.forget(set(instance_ids))
    feed_cache.forget_rows(feeds)
