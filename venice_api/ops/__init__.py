"""Liveness, readiness and metrics for monitoring.

The package knows no widgets and no users.
"""
