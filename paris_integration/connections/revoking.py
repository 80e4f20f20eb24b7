"""Revokes a grant at Meta after a disconnect, if nothing else needs it.

`DELETE me/permissions` removes everything a person granted to the app: all their accounts, in all workspaces. It is
called only if that person has no other usable connection and no pending login. Otherwise the token is only deleted
here, and the audit trail says so.
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
from paris_integration.connections.lifecycle import USABLE_STATES, GivenUp
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
    """Revoke the grant at Meta unless the person still uses the app. Returns whether Meta revoked it.

    The call may also end the token of a login that began before it returned. Such a login is refused when it stores,
    and the editor has to start again.
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
        _note(given_up, Outcome.REFUSED, reason, "the token is deleted here, the grant at Meta is kept")
        return False
    try:
        registry.logins().revoke(given_up.login, given_up.token)
    except (ProviderError, KeyError) as error:  # KeyError: the login's app isn't configured any more
        _note(given_up, Outcome.FAILED, type(error).__name__, "the token is deleted here")
        return False
    login_fences.end_withdrawal(given_up.login, person, until=until, at=clock.database_now())
    _note(given_up, Outcome.DONE, "", "")
    return True


def _reason_to_keep(given_up: GivenUp, now: datetime) -> str:
    if given_up.login.value in incidents.open_logins():
        return INCIDENT
    # A connection that waits for a check may still turn out to work: an incident may have marked it as refused.
    usable = Q(state__in=USABLE_STATES) | Q(check_at__isnull=False)
    others = Connection.objects.filter(usable, login=given_up.login.value, token__isnull=False)
    if others.filter(_may_be_of(given_up)).exists():
        return STILL_CONNECTED
    attempts = LoginAttempt.objects.filter(login=given_up.login.value, expires_at__gt=now)
    # The person behind a login is known only after the code exchange. During the exchange (seconds), any login may be
    # theirs; while the user is at Meta (minutes), only those of this workspace count.
    brought = Q(token__isnull=False)
    if given_up.app_user_id:
        brought &= Q(app_user_id=given_up.app_user_id)
    exchanging = Q(token__isnull=True, consumed_at__gt=now - _call_lasts())
    at_meta = Q(consumed_at__isnull=True, workspace_id=given_up.workspace_id)
    return LOGIN_UNDER_WAY if attempts.filter(brought | exchanging | at_meta).exists() else ""


def _may_be_of(given_up: GivenUp) -> Q:
    """Connections that may use the same person's grant."""
    same_id = Q(app_user_id=given_up.app_user_id) if given_up.app_user_id else Q(pk__in=[])
    if given_up.login is Login.INSTAGRAM:  # the person is the account
        return same_id | Q(account_id=given_up.account_id)
    # An empty id means that the person isn't known: it may be this one.
    return same_id | Q(app_user_id="") if given_up.app_user_id else Q()


def _call_lasts() -> timedelta:
    return timedelta(seconds=settings.PROVIDER_TIMEOUT_SECONDS) + CALL_MARGIN


def _note(given_up: GivenUp, outcome: Outcome, reason: str, note: str) -> None:
    logger.info("revoking at Meta: %s", f"{outcome.value} {reason}".strip())
    # The workspace may have been deleted with its widgets.
    is_there = Workspace.objects.filter(pk=given_up.workspace_id).exists()
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
