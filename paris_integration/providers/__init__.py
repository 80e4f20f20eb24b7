"""Adapters for Meta's APIs. They take and return plain values, without ORM, cache, Celery or requests."""
