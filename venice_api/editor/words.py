"""What editors are told, in words a shop owner understands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
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
    Warning,
)

_STATES = {
    ConnectionState.ACTIVE: "working",
    ConnectionState.EXPIRING: "working, but the permission ends soon; it is renewed by itself",
    ConnectionState.RECONNECT_REQUIRED: "Instagram no longer accepts the permission: please reconnect",
    ConnectionState.PERMISSION_MISSING: "a permission is missing: please reconnect and allow everything asked for",
    ConnectionState.DEAUTHORISED: "access was withdrawn at Instagram: reconnect to show posts again",
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
    Warning.PLAN_RESTRICTED: "Your plan does not include this source. What was loaded before stays visible.",
    Warning.HASHTAG_REQUIRES_CONNECT: "Hashtags need an Instagram account connected by Facebook login.",
    Warning.CONNECT_REQUIRED: "Connect an Instagram account to load posts.",
    Warning.WRONG_ACCOUNT: "The connected account is another one than the profile shown here.",
    Warning.RECONNECT_REQUIRED: "Instagram no longer accepts the permission. Reconnect to load new posts.",
    Warning.PERMISSION_MISSING: "A permission is missing. Reconnect and allow everything asked for.",
    Warning.TOKEN_EXPIRING: "The permission ends within a week. It is renewed by itself; reconnect to be sure.",
    Warning.SOURCE_NOT_FOUND: "Instagram shows no such public business or creator account, or no such tag.",
    Warning.PROVIDER_RATE_LIMITED: "Instagram asks for a pause. New posts are loaded after it.",
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
    BlockReason.TTL_NOT_ELAPSED: "The posts are still fresh. Your plan refreshes them by itself.",
}


def warning_words(view: FeedView) -> list[str]:
    """What an editor should know about the feed, the most pressing first."""
    return [_WARNINGS[warning] for warning in Warning if warning in view.warnings]


def all_warning_words() -> dict[str, str]:
    """For the live preview, which learns of warnings from the feed itself."""
    return {warning.value: text for warning, text in _WARNINGS.items()}


def health_of(state: Glance | FeedView) -> Health:
    """The state of a widget in a word."""
    has_posts = state.last_updated_at is not None
    waits = state.warnings & _WAITS_FOR_PEOPLE
    if Warning.WRONG_ACCOUNT in state.warnings and not has_posts:
        waits |= {Warning.WRONG_ACCOUNT}
    if waits:
        return Health("Needs you", Tone.BAD, _first(waits))
    if passing := state.warnings & _PASSES:
        return Health("Delayed", Tone.WAITING, _first(passing))
    if not has_posts:
        return Health("Not loaded yet", Tone.WAITING, "Its posts are loaded when somebody looks at it.")
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


def upgrade_words(plan: str | None) -> str:
    return f"Upgrade to {plan} to refresh now." if plan else ""


def hold_words(view: FeedView) -> str:
    """That nothing is fetched before a time although the plan would allow it; "" where it is."""
    if view.next_refresh_allowed_at is None or view.forced is None or view.forced.reason is not None:
        return ""
    return f"Refreshes are on hold until {_utc(view.next_refresh_allowed_at)}. The posts we have stay."


def refusal_words(blocked: RefreshBlocked) -> str:
    """Why "Refresh now" did nothing, until when, and what would lift it."""
    parts = [blocked_words(blocked.reason)]
    if blocked.allowed_at is not None:
        parts.append(f"Next refresh available at {_utc(blocked.allowed_at)}.")
    parts.append(upgrade_words(blocked.upgrade_hint))
    return " ".join(part for part in parts if part)


def remaining_words(allowance: Allowance) -> str:
    """What is left today and this hour."""
    today = "as often as you like" if allowance.remaining_today is None else str(allowance.remaining_today)
    if allowance.remaining_this_hour is None:
        return f"{today} left today"
    return f"{today} left today, {allowance.remaining_this_hour} of them this hour"


def _utc(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} on {moment:%Y-%m-%d} UTC"
