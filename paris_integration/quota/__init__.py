"""Forced refreshes: whether one is allowed, what it costs, and carrying it out.

Owns the units used per day and hour, the ledger, the receipts of repeated requests, and what members see of all this.
Knows how a feed is refreshed; knows nothing of staff or requests.
"""
