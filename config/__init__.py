"""Assembly: settings, URLs, the WSGI and Celery applications. No one imports this package."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
