"""Connected Instagram accounts: logins, tokens, renewals, links to widgets, and Meta's callbacks.

Owns the only module that decrypts tokens (`vault`), the check whether a connection still works, incidents, and the
count of searched hashtags. Doesn't import or use schedules, quotas or requests.
"""
