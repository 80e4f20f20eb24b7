"""The Celery tasks. Lost, repeated and late messages do no harm."""

from __future__ import annotations

import logging

from celery import shared_task

from foundation import faults
from outbox import sending

logger = logging.getLogger(__name__)


@shared_task(name=sending.DELIVER_TASK)
def deliver(mail_id: int) -> None:
    """Send one mail if it is due."""
    try:
        sending.deliver(mail_id)
    except faults.DRIVER_ERRORS as error:
        logger.warning("mail postponed, database unavailable: %s", type(error).__name__)


@shared_task(name="outbox.tasks.deliver_due")
def deliver_due() -> int:
    """Send the mails that are due. Returns how many were sent."""
    try:
        return sending.deliver_due()
    except faults.DRIVER_ERRORS as error:
        logger.warning("mails postponed, database unavailable: %s", type(error).__name__)
        return 0
