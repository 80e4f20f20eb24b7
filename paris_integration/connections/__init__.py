"""Connected Instagram accounts: logins, tokens and their renewal, links to widgets, and Meta's callbacks about people.

Owns the only module that opens a token (`vault`), the judgement whether a connection is alive, incidents of a login,
and the ledger of searched tags. Knows nothing of schedules, quotas or requests.
"""
