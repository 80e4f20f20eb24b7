"""The Celery application. Messages are hints: the database says what is due."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("instagram_feed_service")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["outbox", "paris_integration", "venice_api"])

from config import heartbeat, process_hooks  # noqa: E402, F401 - connect their receivers

app.steps["consumer"].add(heartbeat.ConsumerBeats)


@setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Otherwise Celery would install its own handlers, which don't redact."""
    from logging.config import dictConfig

    from django.conf import settings

    dictConfig(settings.LOGGING)
