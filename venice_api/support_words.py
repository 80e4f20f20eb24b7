"""The state of a widget in words that support staff can read out to a customer. Pure."""

from __future__ import annotations

from datetime import datetime

from paris_integration.public import Allowance, BlockReason, FeedView, RefreshBlocked

_WHY = {
    BlockReason.PLAN_RESTRICTED: "the plan does not include this kind of source",
    BlockReason.QUOTA_EXCEEDED: "the plan's refreshes are used up",
    BlockReason.TTL_NOT_ELAPSED: "the plan has no forced refreshes, and the posts are still fresh",
}


def quota_words(allowance: Allowance) -> str:
    """One sentence on what is left, or why nothing is and until when."""
    if allowance.reason is None:
        today, hour = _units(allowance.remaining_today), _units(allowance.remaining_this_hour)
        return f"Can be refreshed now. Left today: {today}; left this hour: {hour}."
    words = f"Cannot be refreshed now: {_WHY[allowance.reason]}."
    if allowance.allowed_at is not None:
        words += f" Possible again at {utc_words(allowance.allowed_at)}."
    if allowance.upgrade_hint is not None:
        words += f" The {allowance.upgrade_hint} plan would allow it now."
    return words


def freshness_words(view: FeedView) -> str:
    """One sentence on the age of what visitors see."""
    if view.last_updated_at is None:
        words = "Never filled."
    else:
        age = "out of date" if view.is_stale else "fresh"
        words = f"Last updated at {utc_words(view.last_updated_at)}, {age}; {len(view.posts)} posts shown."
    if view.warnings:
        words += f" Warnings: {', '.join(sorted(view.warnings))}."
    return words


def refusal_words(blocked: RefreshBlocked) -> str:
    """Why a refresh on behalf did nothing, and until when."""
    until = f" Possible again at {utc_words(blocked.allowed_at)}." if blocked.allowed_at else ""
    return f"Not refreshed: {_WHY[blocked.reason]}.{until}"


def utc_words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _units(count: int | None) -> str:
    return "unlimited" if count is None else str(count)
