"""Feeds: read from the cache, kept fresh, fetched from the provider.

Owns the cached feed with its schedule, back-off and lease, the route by which a source is read, rate limits of
credentials, previews and pauses. Knows connections as facts and tokens; knows nothing of quotas, staff or requests.
"""
