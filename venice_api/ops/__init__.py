"""Liveness, readiness and metrics for monitoring.

The package doesn't use widgets or users.
"""
