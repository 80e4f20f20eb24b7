"""Copies of pictures: fetches them behind a refresh, converts, stores and removes them.

Knows no plans beyond the one entitlement, and nothing of schedules, quotas or connections.
"""
