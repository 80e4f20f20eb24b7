"""Venice's background work: forgetting."""

from __future__ import annotations

from axes.models import AccessAttempt
from celery import shared_task
from django.conf import settings
from django.utils import timezone


@shared_task(name="venice_api.tasks.forget_failed_sign_ins")
def forget_failed_sign_ins() -> int:
    """Failed sign-ins count until their cool-off is over; after that nobody needs to know of them."""
    overdue = AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - settings.AXES_COOLOFF_TIME)
    return int(overdue.delete()[0])
