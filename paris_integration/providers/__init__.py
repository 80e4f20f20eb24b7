"""Adapters to Meta: values in, values out. Nothing here knows the ORM, a cache, Celery or a request."""
