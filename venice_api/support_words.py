"""The state of a widget in words that support staff can read out to a customer. Pure."""

from __future__ import annotations

from datetime import datetime

from paris_integration.public import (
    BlockReason,
    ConnectionFacts,
    ConnectionState,
    FeedView,
    RefreshBlocked,
    RefreshEffect,
    Warning,
)

_WHY = {
    BlockReason.PLAN_RESTRICTED: "the plan does not include this kind of source",
    BlockReason.QUOTA_EXCEEDED: "the plan's refreshes are used up",
    BlockReason.TTL_NOT_ELAPSED: "the plan has no forced refreshes, and the posts are still fresh",
}
_HELD_BACK = {
    RefreshEffect.PARKED: "Instagram limits how often we may ask; clearing the back-off does not change that",
    RefreshEffect.BACKOFF: "the last attempt failed, and its back-off is not over",
}
_CLOSED = {
    Warning.PLAN_RESTRICTED: "the plan does not include connected accounts, and one is connected",
    Warning.CONNECT_REQUIRED: "no account is connected, and public mode is off",
    Warning.HASHTAG_REQUIRES_CONNECT: "a hashtag needs an account connected by Facebook login",
    Warning.WRONG_ACCOUNT: "the connected account is another one than the profile shown",
}
_DEAD = {
    ConnectionState.RECONNECT_REQUIRED: "Instagram no longer accepts it",
    ConnectionState.PERMISSION_MISSING: "a permission is missing",
    ConnectionState.DEAUTHORISED: "access was withdrawn at Instagram",
}


def refresh_words(view: FeedView, connection: ConnectionFacts | None) -> str:
    """Whether the widget can be refreshed now, and what is left; or why not, until when, and what would help."""
    now = view.refresh_now
    if now is None:
        return ""
    parts = []
    if view.paused_until is not None:
        parts.append(f"Paused by staff until {utc_words(view.paused_until)}.")
    if now.effect is RefreshEffect.CALL:
        parts.append("Can be refreshed now.")
    elif now.effect is not RefreshEffect.PAUSED:
        parts.append(f"Cannot be refreshed now: {_cause(view, connection)}.")
        if now.allowed_at is not None:
            parts.append(f"Possible again at {utc_words(now.allowed_at)}.")
    if now.upgrade_hint is not None:
        parts.append(f"The {now.upgrade_hint} plan would allow it now.")
    if now.disconnect_helps:
        parts.append("After a disconnect, the profile would be read in public mode.")
    if view.forced is not None and now.effect not in (RefreshEffect.CLOSED, RefreshEffect.REFUSED):
        today, hour = _units(view.forced.remaining_today), _units(view.forced.remaining_this_hour)
        parts.append(f"Left today: {today}; left this hour: {hour}.")
    return " ".join(parts)


def _cause(view: FeedView, connection: ConnectionFacts | None) -> str:
    """Why a refresh would be refused or make no call, in half a sentence."""
    now, reason = view.refresh_now, view.forced.reason if view.forced else None
    if now is None:
        return ""
    if now.effect in _HELD_BACK:
        return _HELD_BACK[now.effect]
    if reason is BlockReason.PLAN_RESTRICTED or (reason and now.effect is RefreshEffect.REFUSED):
        return _WHY[reason]
    if now.closed_by in _CLOSED:
        return _CLOSED[now.closed_by]
    if connection is None or connection.state not in _DEAD:
        return "the connection is dead"  # it changed a moment ago
    return (
        f"the connection of @{connection.username} is dead ({_DEAD[connection.state]}). "
        "An editor has to reconnect it"
    )


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
