"""Venice's background tasks."""

from __future__ import annotations

import logging

from axes.models import AccessAttempt
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from entitlements import members
from foundation import faults, statements
from foundation.batches import delete_in_batches
from venice_api import sightings
from venice_api.accounts import sessions

logger = logging.getLogger(__name__)


@shared_task(name="venice_api.tasks.forget_failed_sign_ins")
def forget_failed_sign_ins() -> int:
    """Delete failed sign-ins whose lockout period is over. Returns how many."""
    try:
        with statements.limited_to(statements.LONG_JOB_SECONDS):
            return _forget_overdue()
    except faults.DRIVER_ERRORS as error:
        logger.warning("failed sign-ins not deleted, database unavailable: %s", type(error).__name__)
        return 0


@shared_task(name="venice_api.tasks.remove_old_sightings")
def remove_old_sightings() -> int:
    """Delete counts of reads, and the pages that showed a widget, when they are past their time. Returns how many."""
    try:
        with statements.limited_to(statements.LONG_JOB_SECONDS):
            return sightings.remove_old(now=timezone.now())
    except faults.DRIVER_ERRORS as error:
        logger.warning("old sightings not deleted, database unavailable: %s", type(error).__name__)
        return 0


@shared_task(name="venice_api.tasks.remove_old_invitations")
def remove_old_invitations() -> int:
    """Delete invitations, and invited people's addresses, some time after they ended. Returns how many invitations."""
    try:
        with statements.limited_to(statements.LONG_JOB_SECONDS):
            return members.remove_old_invitations(now=timezone.now())
    except faults.DRIVER_ERRORS as error:
        logger.warning("old invitations not deleted, database unavailable: %s", type(error).__name__)
        return 0


@shared_task(name="venice_api.tasks.remove_ended_sessions")
def remove_ended_sessions() -> int:
    """Delete expired sessions, with the addresses and browsers of their users. Returns how many rows."""
    try:
        with statements.limited_to(statements.LONG_JOB_SECONDS):
            return sessions.remove_ended(now=timezone.now())
    except faults.DRIVER_ERRORS as error:
        logger.warning("ended sessions not deleted, database unavailable: %s", type(error).__name__)
        return 0


def _forget_overdue() -> int:
    overdue = AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - settings.AXES_COOLOFF_TIME)
    return delete_in_batches(overdue)
