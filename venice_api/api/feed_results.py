"""The result of a feed request in one word, for the `result` label of `instagram_feed_requests_total`.

| result | answer |
|---|---|
| hit | 200, fresh posts |
| stale | 200, posts marked as stale |
| filled | 200, after waiting for the first fill |
| warming | 200 without posts, the first fill is still running |
| blocked | 200, plan or connection prevent refreshing |
| failing | 200, never filled because the provider refused or failed |
| not_modified | 304 |
| invalid | 400, 405 |
| unauthenticated, forbidden, not_found | 401, 403, 404 |
| mismatch, throttled, unavailable | 409, 429, 503 |
| error | anything else: a bug |
"""

from __future__ import annotations

from paris_integration.public import FeedView, Warning

_BLOCKED = frozenset(
    {
        Warning.PLAN_RESTRICTED,
        Warning.HASHTAG_REQUIRES_CONNECT,
        Warning.CONNECT_REQUIRED,
        Warning.RECONNECT_REQUIRED,
        Warning.PERMISSION_MISSING,
    }
)
_BY_STATUS = {
    304: "not_modified",
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "invalid",
    409: "mismatch",
    429: "throttled",
    503: "unavailable",
}


def result_of(status: int, view: FeedView | None) -> str:
    """The result of an answer with this status. `view`: what Paris answered, None if it was not called."""
    if status != 200 or view is None:
        return _BY_STATUS.get(status, "error")
    if view.warnings & _BLOCKED:
        return "blocked"
    if view.is_warming:
        return "warming"
    if view.last_updated_at is None:
        return "failing"
    if view.is_stale:
        return "stale"
    return "filled" if view.is_first_fill else "hit"
