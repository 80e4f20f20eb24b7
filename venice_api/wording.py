"""The texts people read about refusals, warnings, connections and logins. Pure functions.

One table per subject. Where editors, support staff and API clients need different words, they're side by side.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from paris_integration.public import (
    Allowance,
    BlockReason,
    CauseCode,
    ConnectionFacts,
    ConnectionState,
    FeedView,
    Glance,
    Login,
    OpenIncident,
    OurVersion,
    PictureStatus,
    RefreshBlocked,
    RefreshEffect,
    SourceType,
    Trouble,
    Warning,
)

LOGINS = {Login.INSTAGRAM: "Instagram login", Login.FACEBOOK: "Facebook login"}
# The page says why beside the button, so that nothing is said twice.
NOT_REFRESHED = "The posts weren't refreshed. See “Updates” for the reason."
ANOTHER_REFRESH = "Another refresh is running. Try again in a moment."


class Refusal(NamedTuple):
    """Why a refresh is refused: a sentence for API clients, one for editors, half a sentence for support staff."""

    api: str
    editor: str
    staff: str


_REFUSALS = {
    BlockReason.PLAN_RESTRICTED: Refusal(
        api="This workspace's plan doesn't include this type of source.",
        editor="Your plan doesn't include this type of source.",
        staff="the plan does not include this type of source",
    ),
    BlockReason.QUOTA_EXCEEDED: Refusal(
        api="All refreshes in this plan are used up for now.",
        editor="You've used all the refreshes in your plan for now.",
        staff="all refreshes in the plan are used up",
    ),
    BlockReason.TTL_NOT_ELAPSED: Refusal(
        api="The posts are still fresh. This plan refreshes them automatically later.",
        editor="The posts are still fresh. Your plan refreshes them automatically.",
        staff="the plan has no manual refreshes, and the posts are still fresh",
    ),
}


class State(NamedTuple):
    """A connection's state for editors, and what is wrong with it for support staff ("" when it works)."""

    editor: str
    staff: str


# What to do about a state is in the text of its warning.
_STATES = {
    ConnectionState.ACTIVE: State(editor="working", staff=""),
    ConnectionState.EXPIRING: State(editor="working", staff=""),
    ConnectionState.RECONNECT_REQUIRED: State(
        editor="no longer accepted by Instagram", staff="Instagram no longer accepts it"
    ),
    ConnectionState.PERMISSION_MISSING: State(
        editor="a permission is missing", staff="a permission is missing"
    ),
    ConnectionState.DEAUTHORISED: State(
        editor="access was revoked at Instagram", staff="access was revoked at Instagram"
    ),
}
_WARNINGS = {
    Warning.PLAN_RESTRICTED: "Your plan doesn't include this widget, so it isn't refreshed. Earlier posts stay.",
    Warning.HASHTAG_REQUIRES_CONNECT: "Hashtags need an Instagram account connected through Facebook login.",
    Warning.CONNECT_REQUIRED: "Connect an Instagram account to load posts.",
    Warning.WRONG_ACCOUNT: "The connected account isn't the profile shown here.",
    Warning.RECONNECT_REQUIRED: "Instagram no longer lets us read this account. Reconnect it to load new posts.",
    Warning.PERMISSION_MISSING: "A permission is missing. Reconnect and allow all requested permissions.",
    Warning.TOKEN_EXPIRING: "Our access ends within a week. We renew it automatically; to be safe, reconnect now.",
    Warning.SOURCE_NOT_FOUND: "Instagram has no public business or creator account, or no hashtag, with this name.",
    Warning.PROVIDER_RATE_LIMITED: "Instagram's rate limit was reached. New posts load when Instagram allows it again.",
    Warning.PROVIDER_UNAVAILABLE: "We couldn't reach Instagram on the last attempt. We'll retry automatically.",
    Warning.PROVIDER_ERROR: "Instagram sent a response that we couldn't use. We'll retry automatically.",
    Warning.FEED_WARMING: "The posts are loading for the first time.",
    Warning.VIDEO_UNAVAILABLE: "Instagram doesn't provide the files of some videos, so a still image is shown.",
    Warning.POSTS_SKIPPED: "Some posts can't be shown and were left out.",
    Warning.PARTIAL_DATA: "Not all posts could be loaded, so the earlier, more complete list stays.",
    Warning.MEDIA_LINKS_EXPIRED: "Links to some pictures have expired. The next refresh replaces them.",
    Warning.HASHTAG_QUOTA_EXHAUSTED: "The connected account has reached Instagram's limit of 30 different hashtags a week. New searches work as older ones expire.",  # noqa: E501
    Warning.HASHTAG_RECENT_ONLY: "A hashtag shows posts from the last 24 hours only.",
}
# The same for a widget that doesn't exist yet, where an account can't be connected.
_NEW_WIDGET = {
    Warning.HASHTAG_REQUIRES_CONNECT: (
        "Hashtags need an Instagram account connected through Facebook login. Create the widget and connect one: "
        "then the posts appear."
    ),
    Warning.CONNECT_REQUIRED: "Create the widget and connect an Instagram account: then the posts appear.",
    Warning.FEED_WARMING: "The posts are still loading. Check again in a moment.",
    Warning.PROVIDER_RATE_LIMITED: "Instagram's rate limit was reached. The posts appear when it allows reading again.",
    Warning.PROVIDER_UNAVAILABLE: "We couldn't reach Instagram. Check again in a minute.",
    Warning.PROVIDER_ERROR: "Instagram sent a response that we couldn't use. Check again in a minute.",
}
# What an incident's cause means, for staff.
_TROUBLES = {
    Trouble.REFUSED: "Meta refuses many connections at once, so our app at Meta is the likely cause",
    Trouble.THROTTLED: "Meta's rate limit for our whole app is reached",
    Trouble.UNREACHABLE: "Meta doesn't answer, or only with errors of its own servers",
    Trouble.REJECTED: "Meta rejects our app's calls: the app secret, its permissions or the Graph version may be wrong",
}
# Why pictures have no copy, by `PictureStatus.reason`, after "2 of 12 not copied: ".
_PICTURE_REASONS = {
    "link_expired": "Instagram's links had expired; the next refresh brings new ones",
    "not_found": "Instagram no longer has the files; the next refresh may bring others",
    "http_error": "Instagram answered with an error; we'll retry automatically",
    "unreachable": "Instagram's picture server couldn't be reached; we'll retry automatically",
    "timed_out": "Instagram's picture server was too slow; we'll retry automatically",
    "workspace_full": "the workspace has used up its space for pictures",
    "storage": "our storage for pictures isn't available right now; we'll retry automatically",
    "link_not_allowed": "the links point to a server that isn't Instagram's",
    "host_not_allowed": "the links point to a server that isn't Instagram's",
    "address_not_allowed": "the links point to a server that isn't Instagram's",
}
_OTHER_PICTURE_REASON = "the files aren't pictures that we can convert"
# For support staff: warnings that stop a feed from being refreshed, as half sentences.
_CLOSED = {
    Warning.PLAN_RESTRICTED: "the plan does not include connected accounts, but one is connected",
    Warning.CONNECT_REQUIRED: "no account is connected, and public mode is off",
    Warning.HASHTAG_REQUIRES_CONNECT: "a hashtag needs an account connected through Facebook login",
    Warning.WRONG_ACCOUNT: "the connected account is not the profile shown",
}
_HELD_BACK = {
    RefreshEffect.PARKED: 'Instagram\'s rate limit was reached; "Retry now" does not lift it',
    RefreshEffect.BACKOFF: "the last attempt failed, and the next retry is not due yet",
}
# How a login ended, by the `reason` of its redirect.
_FAILURES = {
    "ACCESS_DENIED": "You cancelled the login. Nothing was changed.",
    "STATE_INVALID": "That login is no longer valid: it was already used, or took over ten minutes. Start again.",
    "EXCHANGE_FAILED": "Instagram didn't complete the login. Try again in a minute.",
    "PERMISSION_MISSING": "A permission wasn't granted. Start again and allow all requested permissions.",
    "NO_PROFESSIONAL_ACCOUNT": (
        "We found no professional Instagram account. Switch the account to Business or Creator in the Instagram app; "
        "for Facebook login, link it to a Page you manage."
    ),
    "PLAN_RESTRICTED": "Your plan doesn't include connected accounts.",
}

# These stay until an editor, or the person who pays for the plan, acts.
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


# --- For editors


@dataclass(frozen=True, slots=True)
class Result:
    """`kind`: a style, `done` or `problem`."""

    kind: str
    words: str


class Tone(StrEnum):
    """The colour of a health word. The word carries the same meaning without it."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Health:
    """A widget's state in a word, and the reason in a sentence ("" when it works)."""

    word: str
    tone: Tone
    because: str = ""


def connection_words(state: ConnectionState) -> str:
    return _STATES[state].editor


def connection_fault(state: ConnectionState) -> str:
    """What is wrong with a connection, in half a sentence; "" when it works."""
    return _STATES[state].staff


def login_result_words(query: Mapping[str, str]) -> Result | None:
    """The result of a login, from the redirect's query. Anyone can write a query, so none of its text is shown."""
    if query.get("status") == "connected":
        return Result("done", "The account is connected.")
    if query.get("status") == "error":
        return Result(
            "problem", _FAILURES.get(query.get("reason", ""), "The login didn't complete. Start again.")
        )
    return None


def notes(view: FeedView, source_type: SourceType, plan_name: str) -> dict[Warning, str]:
    """What an editor should know about the feed, most urgent first."""
    found = {warning: _WARNINGS[warning] for warning in Warning if warning in view.warnings}
    if Warning.PLAN_RESTRICTED in found:
        found[Warning.PLAN_RESTRICTED] = _plan_words(view, source_type, plan_name)
    return found


def _plan_words(view: FeedView, source_type: SourceType, plan_name: str) -> str:
    """What the plan doesn't include, what follows from that, and how to refresh again."""
    missing = "connected accounts"
    if view.forced is not None and view.forced.reason is BlockReason.PLAN_RESTRICTED:
        missing = "hashtags" if source_type is SourceType.HASHTAG else "profiles"
    parts = [f"Your {plan_name} plan doesn't include {missing}, so nothing is refreshed."]
    if view.last_updated_at is not None:
        parts.append("Earlier posts stay visible.")
    now = view.refresh_now
    ways = [f"upgrade to {now.upgrade_hint}"] if now and now.upgrade_hint else []
    if now and now.disconnect_helps:
        ways.append("disconnect the account to continue without it")
    if ways:
        parts.append(f"To refresh again, {', or '.join(ways)}.")
    return " ".join(parts)


def all_warning_words(*, besides: Collection[Warning] = ()) -> dict[str, str]:
    """For the live preview, which receives warnings with the feed. `besides`: those shown elsewhere on the page."""
    return {warning.value: text for warning, text in _WARNINGS.items() if warning not in besides}


def preview_words(view: FeedView) -> list[str]:
    """What to know about the preview of a widget that doesn't exist yet."""
    found = [_NEW_WIDGET.get(warning, _WARNINGS[warning]) for warning in Warning if warning in view.warnings]
    return found or ([] if view.posts else ["There are no posts to show yet."])


def spent_previews_words(until: datetime) -> str:
    return (
        f"All previews of your workspace for this hour are used up. Check again at {editor_time(until)}, "
        "or create the widget without a preview."
    )


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
        return Health("Not loaded yet", Tone.WAITING, "The posts load when someone first views the widget.")
    return Health("Working", Tone.GOOD)


def _first(warnings: frozenset[Warning]) -> str:
    return next(_WARNINGS[warning] for warning in Warning if warning in warnings)


def period_words(minutes: int) -> str:
    """How often a feed refreshes automatically."""
    if minutes % 60:
        return f"every {minutes} minutes" if minutes > 1 else "every minute"
    hours = minutes // 60
    return "every hour" if hours == 1 else f"every {hours} hours"


def api_refusal_message(reason: BlockReason) -> str:
    return _REFUSALS[reason].api


def blocked_words(reason: BlockReason) -> str:
    return _REFUSALS[reason].editor


def pause_words(until: datetime) -> str:
    return f"Our support team paused this widget until {editor_time(until)}."


@dataclass(frozen=True, slots=True)
class Block:
    """Why "Refresh now" is off. `because`: "" if a note on the page says why. `until`: None if waiting won't help."""

    because: str
    until: datetime | None
    upgrade: str


def block_of(view: FeedView, *, explained: CauseCode | None = None) -> Block | None:
    """Why a refresh would be refused, or make no call; None when it would call Instagram.

    `explained`: the cause that the page already shows.
    """
    now = view.refresh_now
    if now is None or now.effect is RefreshEffect.CALL:
        return None
    if now.effect is RefreshEffect.CLOSED:
        return Block("", None, "")
    upgrade = f"Upgrade to {now.upgrade_hint} to refresh now." if now.upgrade_hint else ""
    return Block(_block_words(view, now.effect, explained), now.allowed_at, upgrade)


def _block_words(view: FeedView, effect: RefreshEffect, explained: CauseCode | None) -> str:
    knows_of_pause = explained is CauseCode.PAUSED
    if effect is RefreshEffect.PAUSED:
        return "" if knows_of_pause else "Our support team paused this widget."
    if effect is RefreshEffect.REFUSED and view.forced is not None and view.forced.reason is not None:
        says_pause = view.paused_until is not None and not knows_of_pause
        pause = [pause_words(view.paused_until)] if says_pause and view.paused_until else []
        return " ".join([_REFUSALS[view.forced.reason].editor, *pause])
    if view.warnings & FAILURES or explained is CauseCode.RATE_LIMITED:
        return ""
    if effect is RefreshEffect.PARKED:
        return "Instagram's rate limit was reached."
    return "The last refresh failed."


def was_refreshed(view: FeedView) -> bool:
    """Whether a requested refresh that was not refused brought the posts up to date."""
    is_closed = view.refresh_now is not None and view.refresh_now.closed_by is not None
    return not is_closed and view.paused_until is None and not view.warnings & FAILURES


def remaining_words(allowance: Allowance) -> str:
    """How many refreshes are left today and this hour."""
    today, hour = allowance.remaining_today, allowance.remaining_this_hour
    left = [f"{today} left today"] if today is not None else []
    left += [f"{hour} left this hour"] if hour is not None else []
    return ", ".join(left) or "unlimited"


def editor_time(moment: datetime) -> str:
    """A time in a sentence for editors, which pages mark up."""
    return f"{moment:%H:%M:%S} on {moment:%Y-%m-%d} UTC"


UTC_TIME = re.compile(r"(\d\d:\d\d:\d\d) on (\d{4}-\d\d-\d\d) UTC", re.ASCII)  # what `editor_time` writes


def parse_utc(found: re.Match[str]) -> datetime:
    """The time of a match of UTC_TIME."""
    return datetime.fromisoformat(f"{found[2]}T{found[1]}+00:00")


# --- For support staff


def staff_refresh_words(view: FeedView) -> str:
    """Whether the widget can be refreshed now and how often; or why not, until when, and what would help."""
    now = view.refresh_now
    if now is None:
        return ""
    parts = []
    if view.paused_until is not None:
        parts.append(f"Paused by staff until {utc_words(view.paused_until)}.")
    if now.effect is RefreshEffect.CALL:
        parts.append("Can be refreshed now.")
    elif now.effect is not RefreshEffect.PAUSED:
        parts.append(f"Cannot be refreshed now: {_cause(view, view.connection)}.")
        if now.allowed_at is not None:
            parts.append(f"Next refresh available at {utc_words(now.allowed_at)}.")
    if now.upgrade_hint is not None:
        parts.append(f"The {now.upgrade_hint} plan would allow it now.")
    if now.disconnect_helps:
        parts.append("If the account is disconnected, the profile is read in public mode.")
    if view.forced is not None and now.effect not in (RefreshEffect.CLOSED, RefreshEffect.REFUSED):
        today, hour = _units(view.forced.remaining_today), _units(view.forced.remaining_this_hour)
        parts.append(f"Manual refreshes left: {today} today, {hour} this hour.")
    return " ".join(parts)


def _cause(view: FeedView, connection: ConnectionFacts | None) -> str:
    """Why a refresh would be refused or make no call, in half a sentence."""
    now, reason = view.refresh_now, view.forced.reason if view.forced else None
    if now is None:
        return ""
    if now.effect in _HELD_BACK:
        return _HELD_BACK[now.effect]
    if reason is BlockReason.PLAN_RESTRICTED or (reason and now.effect is RefreshEffect.REFUSED):
        return _REFUSALS[reason].staff
    if now.closed_by in _CLOSED:
        return _CLOSED[now.closed_by]
    if connection is None or not _STATES[connection.state].staff:
        return "the connection no longer works"  # it changed a moment ago
    return (
        f"the connection of @{connection.username} does not work ({_STATES[connection.state].staff}). "
        "An editor must reconnect it"
    )


def staff_freshness_words(view: FeedView) -> str:
    """One sentence on the age of what visitors see."""
    if view.last_updated_at is None:
        words = "No posts loaded yet."
    else:
        # Young posts of a feed that can't be refreshed aren't called fresh: support would look no further.
        age = (
            "out of date"
            if view.is_stale
            else ""
            if view.warnings & (_WAITS_FOR_PEOPLE | _PASSES)
            else "fresh"
        )
        shown = f"{age}; " if age else ""
        words = f"Last updated at {utc_words(view.last_updated_at)}, {shown}{len(view.posts)} posts shown."
    if view.warnings:
        words += f" Warnings: {', '.join(sorted(view.warnings))}."
    return words


def staff_refusal_words(blocked: RefreshBlocked) -> str:
    """Why a refresh for a customer did nothing, and until when."""
    until = f" Next refresh available at {utc_words(blocked.allowed_at)}." if blocked.allowed_at else ""
    return f"Not refreshed: {_REFUSALS[blocked.reason].staff}.{until}"


def utc_words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _units(count: int | None) -> str:
    return "unlimited" if count is None else str(count)


def picture_words(status: PictureStatus | None) -> str:
    """How many pictures have copies, and why the others have none. Empty if there is nothing to say."""
    if status is None:
        return ""
    copied = f"{status.copied} of {status.wanted} copied"
    if status.copied == status.wanted:
        return copied
    if not status.reason:
        return f"{copied}, the others are being copied"
    return f"{copied}; {_PICTURE_REASONS.get(status.reason, _OTHER_PICTURE_REASON)}"


class Banner(NamedTuple):
    title: str
    words: str


def banner_for_editors(incidents: Collection[OpenIncident]) -> Banner | None:
    """One banner for all incidents that concern an editor's widgets; None without any."""
    if not incidents:
        return None
    # A failure of our app isn't Instagram's fault, so the title must not say that.
    is_meta = any(incident.cause is Trouble.UNREACHABLE for incident in incidents)
    return Banner(
        "Instagram is having problems right now."
        if is_meta
        else "We can't load new posts from Instagram right now.",
        "Your posts stay up, and updates resume automatically. You don't need to reconnect or change anything.",
    )


def banner_for_staff(incident: OpenIncident) -> Banner:
    whom = (
        "Connections that didn't fail work. The others wait" if incident.is_narrow else "All its calls wait"
    )
    return Banner(
        f"{LOGINS[incident.login]}: {_TROUBLES[incident.cause]}.",
        f"Since {incident.began_at:%Y-%m-%d %H:%M} UTC. Widgets keep their posts, no connection changes its state, "
        f"and no mail is sent. {whom} for the next test call at {incident.next_probe_at:%Y-%m-%d %H:%M} UTC. Tell the "
        "operator (InstagramIncident in the runbook), and don't ask editors to reconnect.",
    )


def version_words(ours: OurVersion) -> list[tuple[str, datetime | None, str]]:
    """What the operator must know about the Graph version: sentences, each with a time and the word before it."""
    newer = f" Meta serves {', '.join(ours.newer)}." if ours.newer else ""
    advice = f"Set META_GRAPH_VERSION to a newer version.{newer}"
    found: list[tuple[str, datetime | None, str]] = []
    for gone in ours.gone:
        instead = (
            f"answers calls to {ours.name} with {gone.answered_as}"
            if gone.answered_as
            else f"has no {ours.name}"
        )
        found.append((f"Meta's host of {LOGINS[gone.login]} {instead}. {advice}", gone.since, "since"))
    if not found and ours.ending is not None and ours.time_left is not None:
        days = max(ours.time_left.days, 0)
        usual = "" if ours.ending.is_announced else " (by the usual life of versions)"
        on = f"{ours.ending.on:%Y-%m-%d}"
        found.append((f"Meta ends {ours.name} on {on}{usual}, in {days} days. {advice}", None, ""))
    return found
