"""What a feed request got, in one word of a bounded list: the `result` of `instagram_feed_requests_total`.

| word | answer |
|---|---|
| hit | 200, posts that count as fresh |
| stale | 200, posts past their age, marked as such |
| filled | 200, this reader waited for the first fill |
| warming | 200 without posts, the first fill goes on |
| blocked | 200, plan or connection forbid refreshing |
| failing | 200, never filled, and the provider has refused or failed |
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
    """The word for an answer with this status; `view` is what Paris answered, None when it was not asked."""
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
