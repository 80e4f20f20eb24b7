"""Feeds: reading them from the cache, and fetching them from the provider.

Owns the cached feed with its schedule, back-off and lease, the choice of provider call and credential, rate limits,
previews and pauses. Uses connections; doesn't import or use quotas, staff or requests.
"""
