"""Tokens kept alive: renewed by beat well before their end, one renewal per connection over all processes.

The right to renew is taken by one conditional write with the database's clock. A failure never destroys a grant that
still works: the old token stays until a new one is there. After a refused renewal, or one that failed at the token's
end, the connection is checked: only Meta's refusal to read its account ends it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from paris_integration import clock, registry
from paris_integration.clock import CLOCK_TOLERANCE
from paris_integration.connections import hashtags, health, incidents, lifecycle, links, vault
from paris_integration.connections.lifecycle import ALIVE, RENEW_AT_AGE, RENEW_EVERY, RENEW_WITHIN
from paris_integration.errors import ProviderError, TokenRejected
from paris_integration.models import Connection, HashtagSearch
from paris_integration.observing import audit, metrics
from paris_integration.observing.audit import Action, Outcome
from paris_integration.providers.oauth import Token
from paris_integration.types import ConnectionState, Login

logger = logging.getLogger(__name__)

LEASE_MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Renewal:
    """How one renewal ended: `renewed`, `failed`, `died`, or `not_due` when there was nothing to do."""

    result: str


def due_connections(*, now: datetime, limit: int) -> list[UUID]:
    """Connections whose renewal is due, those due for longest first."""
    due = _due(now).filter(token__isnull=False)
    return list(due.order_by("next_renewal_at").values_list("pk", flat=True)[:limit])


def renew_token(connection_id: UUID, *, now: datetime) -> Renewal:
    """Renew the connection's token if it is due and nobody else is at it."""
    renewal = _renew_token(connection_id, now)
    if renewal.result != "not_due":
        metrics.count_renewal(renewal.result)
    return renewal


def _renew_token(connection_id: UUID, now: datetime) -> Renewal:
    lasts = timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) + LEASE_MARGIN
    mine = _due(now).filter(clock.is_free("renewal_lease_expires_at"), pk=connection_id)
    taken = mine.update(renewal_lease_expires_at=Now() + lasts)
    row = Connection.objects.filter(pk=connection_id).first() if taken else None
    if row is None or row.token is None:
        return Renewal("not_due")
    facts = links.facts_of(row)
    try:
        token = registry.logins().renew(Login(row.login), lifecycle.open_token(facts), now=now)
    except (ProviderError, KeyError) as error:
        if isinstance(error, ProviderError):
            metrics.count_provider_error(row.workspace_id, error)
        _put_off(row, now)
        logger.warning(
            "token not renewed: %s", type(error).__name__, extra={"fields": {"connection": str(row.pk)}}
        )
        has_ended = row.expires_at is not None and row.expires_at <= now
        if isinstance(error, TokenRejected) or has_ended:
            health.doubt(facts, at=clock.database_now())
            if health.check_connection(row.pk) is health.Verdict.REFUSED:
                return Renewal("died")
        return Renewal("failed")
    return Renewal("renewed" if _store(row, token, now) else "not_due")


def note_expiring(*, now: datetime) -> int:
    """Mark living connections whose token ends within a week; how many were marked or unmarked.

    A token whose end has passed is due for a renewal: Meta's answer decides, not our clock.
    """
    soon = now + lifecycle.EXPIRING_WITHIN
    living = Connection.objects.filter(state__in=ALIVE).exclude(login__in=incidents.open_logins())
    ending = living.filter(state="active", expires_at__lt=soon)
    lasting = living.filter(state="expiring").exclude(expires_at__lt=soon)
    changed = [*ending.values_list("pk", flat=True), *lasting.values_list("pk", flat=True)]
    ending_ids = list(ending.values_list("pk", flat=True))
    lasting.update(state="active", state_changed_at=now)
    ending.filter(pk__in=ending_ids).update(state="expiring", state_changed_at=now)
    for connection_id in changed:
        links.forget(links.instances_of(connection_id))
    return len(changed)


def reconcile_hashtags(*, now: datetime) -> int:
    """Compare every searching account's ledger with Meta's own count; how many tags were entered."""
    if Login.FACEBOOK.value in incidents.open_logins():
        return 0
    accounts = HashtagSearch.objects.values_list("account_id", flat=True).distinct()
    entered = 0
    for account_id in list(accounts):
        row = Connection.objects.filter(
            account_id=account_id, login=Login.FACEBOOK.value, state__in=ALIVE
        ).first()
        if row is None:
            continue
        try:
            entered += hashtags.reconcile(account_id, lifecycle.open_token(links.facts_of(row)), now=now)
        except ProviderError as error:
            logger.info("hashtag ledger not reconciled: %s", type(error).__name__)
    return entered


@transaction.atomic
def _store(row: Connection, token: Token, now: datetime) -> bool:
    """Put the new token in, unless another has come meanwhile or the connection is gone."""
    stored = Connection.objects.filter(pk=row.pk, token_version=row.token_version).update(
        token=vault.seal_token(token.secret, row_id=row.pk),
        token_version=row.token_version + 1,
        obtained_at=now,
        expires_at=token.expires_at,
        never_expires=token.never_expires,
        state=ConnectionState.ACTIVE.value,
        cause="",
        told_days=None,
        refused_at=None,
        check_at=None,
        renewal_failures=0,
        renewal_lease_expires_at=None,
        next_renewal_at=lifecycle.next_renewal_at(
            obtained_at=now,
            expires_at=token.expires_at,
            never_expires=token.never_expires,
            share=lifecycle.share(),
        ),
    )
    if not stored:
        return False
    instance_ids = links.instances_of(row.pk)
    audit.note(
        Action.TOKEN_RENEWED,
        Outcome.DONE,
        workspace_id=row.workspace_id,
        instance_id=instance_ids[0] if instance_ids else "",
        actor=audit.SERVICE,
        at=now,
    )
    transaction.on_commit(lambda: links.forget(instance_ids))
    return True


def _put_off(row: Connection, now: datetime) -> None:
    """Try again tomorrow, and at the token's end, so that its end is not noticed a day late."""
    tomorrow = now + RENEW_EVERY * (1 + 0.1 * lifecycle.share())
    ends_before = row.expires_at is not None and now < row.expires_at < tomorrow
    Connection.objects.filter(pk=row.pk, token_version=row.token_version).update(
        renewal_failures=row.renewal_failures + 1,
        renewal_lease_expires_at=None,
        next_renewal_at=row.expires_at if ends_before else tomorrow,
        obtained_at=min(row.obtained_at, now),
    )


def _due(now: datetime) -> QuerySet[Connection]:
    """Living connections due for a renewal, but none of a login that has an incident.

    No right clock puts a renewal off for longer than RENEW_WITHIN: what is due later than that is due now.
    """
    is_due = Q(next_renewal_at__lte=now) | Q(next_renewal_at__gt=now + RENEW_WITHIN + RENEW_EVERY)
    # A wrong clock has stored a token from the future: its age is not known, and Meta may say that it is too young.
    is_old_enough = Q(obtained_at__lte=now - RENEW_AT_AGE) | Q(obtained_at__gt=now + CLOCK_TOLERANCE)
    rows = Connection.objects.filter(is_due, is_old_enough, state__in=ALIVE)
    return rows.exclude(login__in=incidents.open_logins())
