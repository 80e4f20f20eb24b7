"""What editors are told, in words a shop owner understands. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paris_integration.public import (
    Allowance,
    BlockReason,
    ConnectionState,
    FeedView,
    Glance,
    RefreshBlocked,
    RefreshEffect,
    SourceType,
    Warning,
)

# What to do about a state is said once, in the note on its warning.
_STATES = {
    ConnectionState.ACTIVE: "working",
    ConnectionState.EXPIRING: "working",
    ConnectionState.RECONNECT_REQUIRED: "no longer accepted by Instagram",
    ConnectionState.PERMISSION_MISSING: "a permission is missing",
    ConnectionState.DEAUTHORISED: "access was withdrawn at Instagram",
}
_FAILURES = {
    "ACCESS_DENIED": "You cancelled at Instagram. Nothing was changed.",
    "STATE_INVALID": "That login is no longer valid: it was used, or took over ten minutes. Start again.",
    "EXCHANGE_FAILED": "Instagram did not complete the login. Start again in a minute.",
    "PERMISSION_MISSING": "A permission was left out. Start again and allow everything asked for.",
    "NO_PROFESSIONAL_ACCOUNT": (
        "No professional Instagram account was found. Switch the account to Business or Creator in the Instagram app; "
        "for Facebook login, link it to a Page you manage."
    ),
    "PLAN_RESTRICTED": "Your plan does not include connected accounts.",
}


@dataclass(frozen=True, slots=True)
class Result:
    """`kind`: a style, `done` or `problem`."""

    kind: str
    words: str


class Tone(StrEnum):
    """How a health word is coloured; the word alone says it, too."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Health:
    """A widget's state in a word, and what stands behind it in a sentence ("" when all is well)."""

    word: str
    tone: Tone
    because: str = ""


def connection_words(state: ConnectionState) -> str:
    return _STATES[state]


def login_result_words(query: Mapping[str, str]) -> Result | None:
    """How the login ended, as its redirect says; words of our own for what may be anybody's query."""
    if query.get("status") == "connected":
        return Result("done", "The account is connected.")
    if query.get("status") == "error":
        return Result(
            "problem", _FAILURES.get(query.get("reason", ""), "The login did not complete. Start again.")
        )
    return None


_WARNINGS = {
    Warning.PLAN_RESTRICTED: "Your plan does not cover this widget: nothing is refreshed. Posts loaded before stay.",
    Warning.HASHTAG_REQUIRES_CONNECT: "Hashtags need an Instagram account connected by Facebook login.",
    Warning.CONNECT_REQUIRED: "Connect an Instagram account to load posts.",
    Warning.WRONG_ACCOUNT: "The connected account is another one than the profile shown here.",
    Warning.RECONNECT_REQUIRED: "Instagram no longer accepts the permission. Reconnect to load new posts.",
    Warning.PERMISSION_MISSING: "A permission is missing. Reconnect and allow everything asked for.",
    Warning.TOKEN_EXPIRING: "The permission ends within a week. It is renewed by itself; reconnect to be sure.",
    Warning.SOURCE_NOT_FOUND: "Instagram shows no such public business or creator account, or no such tag.",
    Warning.PROVIDER_RATE_LIMITED: "Instagram limits how often we may ask. New posts load when it allows more.",
    Warning.PROVIDER_UNAVAILABLE: "Instagram could not be reached the last time. We try again by ourselves.",
    Warning.PROVIDER_ERROR: "Instagram gave an answer we could not use. We try again by ourselves.",
    Warning.FEED_WARMING: "The posts are being loaded for the first time.",
    Warning.VIDEO_UNAVAILABLE: "Instagram withholds the file of some videos; a still picture is shown.",
    Warning.POSTS_SKIPPED: "Some posts cannot be shown and were left out.",
    Warning.PARTIAL_DATA: "Not all posts could be loaded; the fuller older list stays.",
    Warning.MEDIA_LINKS_EXPIRED: "Links to some pictures have run out; they come back with the next refresh.",
    Warning.HASHTAG_QUOTA_EXHAUSTED: "The connected account has searched 30 different tags this week. More are possible as these lapse.",  # noqa: E501
    Warning.HASHTAG_RECENT_ONLY: "A tag shows the posts of its last day.",
}
# Nothing gets better before somebody acts: the shop's owner, or whoever pays.
_WAITS_FOR_PEOPLE = frozenset(
    {
        Warning.PLAN_RESTRICTED,
        Warning.CONNECT_REQUIRED,
        Warning.HASHTAG_REQUIRES_CONNECT,
        Warning.RECONNECT_REQUIRED,
        Warning.PERMISSION_MISSING,
        Warning.SOURCE_NOT_FOUND,
    }
)
_PASSES = frozenset(
    {
        Warning.PROVIDER_RATE_LIMITED,
        Warning.PROVIDER_UNAVAILABLE,
        Warning.PROVIDER_ERROR,
        Warning.HASHTAG_QUOTA_EXHAUSTED,
    }
)
FAILURES = (_WAITS_FOR_PEOPLE - {Warning.PLAN_RESTRICTED}) | _PASSES
_BLOCKED = {
    BlockReason.PLAN_RESTRICTED: "Your plan does not include this source.",
    BlockReason.QUOTA_EXCEEDED: "Your plan's refreshes are used up for now.",
    BlockReason.TTL_NOT_ELAPSED: "The posts are still fresh. Your plan refreshes them automatically.",
}


def notes(view: FeedView, source_type: SourceType, plan_name: str) -> dict[Warning, str]:
    """What an editor should know about the feed, the most pressing first."""
    found = {warning: _WARNINGS[warning] for warning in Warning if warning in view.warnings}
    if Warning.PLAN_RESTRICTED in found:
        found[Warning.PLAN_RESTRICTED] = _plan_words(view, source_type, plan_name)
    return found


def _plan_words(view: FeedView, source_type: SourceType, plan_name: str) -> str:
    """What the plan leaves out, what that means, and what brings refreshing back."""
    missing = "connected accounts"
    if view.forced is not None and view.forced.reason is BlockReason.PLAN_RESTRICTED:
        missing = "hashtags" if source_type is SourceType.HASHTAG else "profiles"
    parts = [f"Your {plan_name} plan does not include {missing}, so nothing is refreshed."]
    if view.last_updated_at is not None:
        parts.append("Posts loaded before stay visible.")
    now = view.refresh_now
    ways = [f"upgrade to {now.upgrade_hint}"] if now and now.upgrade_hint else []
    if now and now.disconnect_helps:
        ways.append("disconnect the account to go on without it")
    if ways:
        parts.append(f"To refresh again, {', or '.join(ways)}.")
    return " ".join(parts)


def all_warning_words(*, besides: Collection[Warning] = ()) -> dict[str, str]:
    """For the live preview, which gets warnings with the feed. `besides`: what the page says elsewhere."""
    return {warning.value: text for warning, text in _WARNINGS.items() if warning not in besides}


def health_of(state: Glance | FeedView) -> Health:
    """The state of a widget in a word."""
    has_posts = state.last_updated_at is not None
    waits = state.warnings & _WAITS_FOR_PEOPLE
    if Warning.WRONG_ACCOUNT in state.warnings and not has_posts:
        waits |= {Warning.WRONG_ACCOUNT}
    if waits:
        return Health("Action needed", Tone.BAD, _first(waits))
    if state.paused_until is not None:
        return Health("Paused", Tone.WAITING, pause_words(state.paused_until))
    if passing := state.warnings & _PASSES:
        return Health("Delayed", Tone.WAITING, _first(passing))
    if not has_posts:
        return Health("Not loaded yet", Tone.WAITING, "The posts load when someone first views it.")
    return Health("Working", Tone.GOOD)


def _first(warnings: frozenset[Warning]) -> str:
    return next(_WARNINGS[warning] for warning in Warning if warning in warnings)


def period_words(minutes: int) -> str:
    """How often a feed refreshes by itself."""
    if minutes % 60:
        return f"every {minutes} minutes" if minutes > 1 else "every minute"
    hours = minutes // 60
    return "every hour" if hours == 1 else f"every {hours} hours"


def blocked_words(reason: BlockReason) -> str:
    return _BLOCKED[reason]


def pause_words(until: datetime) -> str:
    return f"Our support team paused this widget until {_utc(until)}."


@dataclass(frozen=True, slots=True)
class Block:
    """Why "Refresh now" is off. `because`: "" where a note on the page says it. `until`: None when no time helps."""

    because: str
    until: datetime | None
    upgrade: str


def block_of(view: FeedView) -> Block | None:
    """Why a refresh would be refused, or answered without a call; None when it would call Instagram."""
    now = view.refresh_now
    if now is None or now.effect is RefreshEffect.CALL:
        return None
    if now.effect is RefreshEffect.CLOSED:
        return Block("", None, "")
    upgrade = f"Upgrade to {now.upgrade_hint} to refresh now." if now.upgrade_hint else ""
    return Block(_block_words(view, now.effect), now.allowed_at, upgrade)


def _block_words(view: FeedView, effect: RefreshEffect) -> str:
    if effect is RefreshEffect.PAUSED:
        return "Our support team paused this widget."
    if effect is RefreshEffect.REFUSED and view.forced is not None and view.forced.reason is not None:
        pause = [pause_words(view.paused_until)] if view.paused_until is not None else []
        return " ".join([_BLOCKED[view.forced.reason], *pause])
    if view.warnings & FAILURES:
        return ""
    if effect is RefreshEffect.PARKED:
        return "Instagram limits how often we may ask."
    return "The last refresh failed."


def was_refreshed(view: FeedView) -> bool:
    """Whether a refresh that was asked for, and not refused, brought the posts up to date."""
    is_closed = view.refresh_now is not None and view.refresh_now.closed_by is not None
    return not is_closed and view.paused_until is None and not view.warnings & FAILURES


def problem_words(view: FeedView, source_type: SourceType, plan_name: str) -> str:
    """Why a refresh that was asked for brought nothing new; only where it did not."""
    told = notes(view, source_type, plan_name)
    if view.refresh_now is not None and view.refresh_now.closed_by is not None:
        return told[view.refresh_now.closed_by]
    if view.paused_until is not None:
        return f"{pause_words(view.paused_until)} The posts we have stay."
    return next(words for warning, words in told.items() if warning in FAILURES)


def refusal_words(blocked: RefreshBlocked) -> str:
    """Why "Refresh now" was refused, and until when. What would lift it is said at the button."""
    words = blocked_words(blocked.reason)
    if blocked.allowed_at is not None:
        words += f" Next refresh available at {_utc(blocked.allowed_at)}."
    return words


def remaining_words(allowance: Allowance) -> str:
    """What is left today and this hour."""
    today = "as often as you like" if allowance.remaining_today is None else str(allowance.remaining_today)
    if allowance.remaining_this_hour is None:
        return f"{today} left today"
    return f"{today} left today, {allowance.remaining_this_hour} of them this hour"


def _utc(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} on {moment:%Y-%m-%d} UTC"
