"""Giving a grant back to Meta after a disconnect, where that harms nothing else.

`DELETE me/permissions` ends what a *person* gave the *app*: every account of theirs, in every workspace. So it is
called only when no living connection of that person is left and none is about to be stored, which is looked at just
before the call. Otherwise our token is forgotten, and the audit trail says so.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from entitlements.models import Workspace
from paris_integration import clock, registry
from paris_integration.connections import incidents, login_fences
from paris_integration.connections.lifecycle import ALIVE, GivenUp
from paris_integration.errors import ProviderError
from paris_integration.models import Connection, LoginAttempt
from paris_integration.observing import audit
from paris_integration.observing.audit import Action, Outcome
from paris_integration.types import Login

logger = logging.getLogger(__name__)

CALL_MARGIN = timedelta(seconds=5)
INCIDENT = "INCIDENT"
STILL_CONNECTED = "STILL_CONNECTED"
LOGIN_UNDER_WAY = "LOGIN_UNDER_WAY"


def revoke_unless_used(given_up: GivenUp) -> bool:
    """Withdraw the grant at Meta unless the person still uses the app; whether Meta did. Raises no fault of Meta's.

    The token of a login that began before the call ended may have ended with the grant: such a login is refused when
    it stores, and its editor starts again.
    """
    person = given_up.app_user_id or given_up.account_id
    with transaction.atomic():
        login_fences.hold_persons(given_up.login, [person])
        now = clock.database_now()
        reason = _reason_to_keep(given_up, now)
        until = now + _call_lasts()
        if not reason:
            login_fences.withdraw(given_up.login, person, at=until)
    if reason:
        _note(given_up, Outcome.REFUSED, reason, "the token is forgotten, the grant at Meta is kept")
        return False
    try:
        registry.logins().revoke(given_up.login, given_up.token)
    except (ProviderError, KeyError) as error:
        _note(given_up, Outcome.FAILED, type(error).__name__, "the token is forgotten")
        return False
    login_fences.end_withdrawal(given_up.login, person, until=until, at=clock.database_now())
    _note(given_up, Outcome.DONE, "", "")
    return True


def _reason_to_keep(given_up: GivenUp, now: datetime) -> str:
    if given_up.login.value in incidents.open_logins():
        return INCIDENT
    # What an incident ended is living, too, until it has been checked once more.
    living = Q(state__in=ALIVE) | Q(check_at__isnull=False)
    others = Connection.objects.filter(living, login=given_up.login.value, token__isnull=False)
    if others.filter(_may_be_of(given_up)).exists():
        return STILL_CONNECTED
    attempts = LoginAttempt.objects.filter(login=given_up.login.value, expires_at__gt=now)
    # Whose login it is, is known only once its code is exchanged. Until then it counts where it may be this person's:
    # everywhere during the seconds of the exchange, and in this workspace while the person is at Meta.
    brought = Q(token__isnull=False)
    if given_up.app_user_id:
        brought &= Q(app_user_id=given_up.app_user_id)
    exchanging = Q(token__isnull=True, consumed_at__gt=now - _call_lasts())
    at_meta = Q(consumed_at__isnull=True, workspace_id=given_up.workspace_id)
    return LOGIN_UNDER_WAY if attempts.filter(brought | exchanging | at_meta).exists() else ""


def _may_be_of(given_up: GivenUp) -> Q:
    """Connections that may rest on the same person's grant."""
    same_id = Q(app_user_id=given_up.app_user_id) if given_up.app_user_id else Q(pk__in=[])
    if given_up.login is Login.INSTAGRAM:  # the person is the account
        return same_id | Q(account_id=given_up.account_id)
    # Whose grant a connection rests on is not known where the id is empty: it may be this person's.
    return same_id | Q(app_user_id="") if given_up.app_user_id else Q()


def _call_lasts() -> timedelta:
    return timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) + CALL_MARGIN


def _note(given_up: GivenUp, outcome: Outcome, reason: str, note: str) -> None:
    logger.info("revoking at Meta: %s", f"{outcome.value} {reason}".strip())
    is_there = Workspace.objects.filter(
        pk=given_up.workspace_id
    ).exists()  # not when it was deleted with its widgets
    audit.note(
        Action.REVOKED,
        outcome,
        workspace_id=given_up.workspace_id if is_there else None,
        instance_id=given_up.instance_id,
        actor=audit.SERVICE,
        at=clock.database_now(),
        reason=reason,
        note=note,
    )
