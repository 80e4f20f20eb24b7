"""Forced refreshes: whether one is allowed, what it costs, and how it is carried out.

Owns the units used per day and hour, the ledger, the receipts of requests, and what members see of them. Uses `feeds`
to refresh; doesn't import or use staff or requests.
"""
