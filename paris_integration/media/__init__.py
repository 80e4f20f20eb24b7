"""Copies of pictures: fetches them behind a refresh, converts, stores and removes them.

Uses one entitlement of plans, and doesn't import or use schedules, quotas or connections.
"""
