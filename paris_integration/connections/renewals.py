"""Renews tokens well before they expire, with one renewal per connection at a time over all processes.

A failed renewal keeps the old token. If Meta refused the renewal, or the token has expired, the connection is checked:
only Meta's refusal to read its account ends it.
"""

from __future__ import annotations

import logging
import random
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
from paris_integration.connections.lifecycle import RENEW_AT_AGE, RENEW_EVERY, RENEW_WITHIN, USABLE_STATES
from paris_integration.errors import ProviderError, ProviderUnavailable, TokenRejected
from paris_integration.models import Connection, HashtagSearch
from paris_integration.observing import audit, metrics
from paris_integration.observing.audit import Action, Outcome
from paris_integration.providers.login_values import Token
from paris_integration.types import ConnectionState, Login

logger = logging.getLogger(__name__)

LEASE_MARGIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Renewal:
    """How a renewal ended: `renewed`, `failed`, `died` (the connection was refused) or `not_due`."""

    result: str


def due_connections(*, now: datetime, limit: int) -> list[UUID]:
    """Up to `limit` connections whose renewal is due, longest due first."""
    due = _due(now).filter(token__isnull=False)
    return list(due.order_by("next_renewal_at").values_list("pk", flat=True)[:limit])


def renew_token(connection_id: UUID, *, now: datetime) -> Renewal:
    """Renew the connection's token, unless it isn't due or another process is renewing it."""
    renewal = _renew_token(connection_id, now)
    if renewal.result != "not_due":
        metrics.count_renewal(renewal.result)
    return renewal


def _renew_token(connection_id: UUID, now: datetime) -> Renewal:
    lasts = timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) + LEASE_MARGIN
    mine = _due(now).filter(clock.is_free("renewal_lease_expires_at"), pk=connection_id)
    # One conditional write on the database's clock gives the renewal to one process.
    taken = mine.update(renewal_lease_expires_at=Now() + lasts)
    row = Connection.objects.filter(pk=connection_id).first() if taken else None
    if row is None or row.token is None:
        return Renewal("not_due")
    facts = links.facts_of(row)
    try:
        token = registry.logins().renew(Login(row.login), lifecycle.open_token(facts), now=now)
    except (ProviderError, KeyError) as error:  # KeyError: the login's app isn't configured any more
        if isinstance(error, ProviderError):
            metrics.count_provider_error(row.workspace_id, error)
        _put_off(row, now)
        logger.warning(
            "token not renewed: %s", type(error).__name__, extra={"fields": {"connection": str(row.pk)}}
        )
        has_ended = row.expires_at is not None and row.expires_at <= now
        if isinstance(error, TokenRejected) or has_ended:
            health.request_check(facts, at=clock.database_now())
            if health.check_connection(row.pk) is health.Verdict.REFUSED:
                return Renewal("died")
        return Renewal("failed")
    return Renewal("renewed" if _store(row, token, now) else "not_due")


def note_expiring(*, now: datetime) -> int:
    """Mark connections whose token expires within a week, and unmark the others. Returns how many changed."""
    # A token past its expiry also counts as expiring: Meta's answer to its renewal decides, not our clock.
    soon = now + lifecycle.EXPIRING_WITHIN
    usable = Connection.objects.filter(state__in=USABLE_STATES).exclude(login__in=incidents.open_logins())
    ending = usable.filter(state="active", expires_at__lt=soon)
    lasting = usable.filter(state="expiring").exclude(expires_at__lt=soon)
    changed = [*ending.values_list("pk", flat=True), *lasting.values_list("pk", flat=True)]
    ending_ids = list(ending.values_list("pk", flat=True))
    lasting.update(state="active", state_changed_at=now)
    ending.filter(pk__in=ending_ids).update(state="expiring", state_changed_at=now)
    for connection_id in changed:
        links.forget(links.instances_of(connection_id))
    return len(changed)


def reconcile_hashtags(*, now: datetime) -> int:
    """Add the hashtag searches that Meta counts and we don't. Returns how many were added. Stops if Meta is away."""
    if Login.FACEBOOK.value in incidents.open_logins():
        return 0
    accounts = list(HashtagSearch.objects.values_list("account_id", flat=True).distinct())
    random.shuffle(accounts)  # so that an account that always fails doesn't stop the same others every day
    entered = 0
    for account_id in accounts:
        row = Connection.objects.filter(
            account_id=account_id, login=Login.FACEBOOK.value, state__in=USABLE_STATES
        ).first()
        if row is None:
            continue
        try:
            entered += hashtags.reconcile(account_id, lifecycle.open_token(links.facts_of(row)), now=now)
        except ProviderError as error:
            logger.info("hashtag ledger not reconciled: %s", type(error).__name__)
            if isinstance(error, ProviderUnavailable):
                break
    return entered


@transaction.atomic
def _store(row: Connection, token: Token, now: datetime) -> bool:
    """Store the new token. False if the connection is gone or got another token meanwhile."""
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
        trouble="",
        trouble_at=None,
        trouble_until=None,
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
    """Try again tomorrow, or when the token expires if that is earlier."""
    tomorrow = now + RENEW_EVERY * (1 + 0.1 * lifecycle.share())
    ends_before = row.expires_at is not None and now < row.expires_at < tomorrow
    Connection.objects.filter(pk=row.pk, token_version=row.token_version).update(
        renewal_failures=row.renewal_failures + 1,
        renewal_lease_expires_at=None,
        next_renewal_at=row.expires_at if ends_before else tomorrow,
        obtained_at=min(row.obtained_at, now),  # a token from the future was stored by a wrong clock
    )


def _due(now: datetime) -> QuerySet[Connection]:
    """Usable connections due for a renewal, without those of a login with an incident."""
    # No renewal is scheduled further ahead than RENEW_WITHIN: a later time was written by a wrong clock.
    is_due = Q(next_renewal_at__lte=now) | Q(next_renewal_at__gt=now + RENEW_WITHIN + RENEW_EVERY)
    # The age of a token from the future is unknown. Trying is harmless: Meta refuses if it is too young.
    is_old_enough = Q(obtained_at__lte=now - RENEW_AT_AGE) | Q(obtained_at__gt=now + CLOCK_TOLERANCE)
    rows = Connection.objects.filter(is_due, is_old_enough, state__in=USABLE_STATES)
    return rows.exclude(login__in=incidents.open_logins())
