"""The words for stored codes on the admin pages of Paris. Codes that aren't listed are made readable."""

from __future__ import annotations

from paris_integration.models import AuditEvent, Feed, ForcedRefresh
from paris_integration.types import BlockReason, ConnectionState, Login, Mode, Trouble, VersionState, Warning

MODES = {Mode.PUBLIC.value: "public mode", Mode.CONNECTED.value: "its connection"}
LOGINS = {Login.INSTAGRAM.value: "Instagram login", Login.FACEBOOK.value: "Facebook login"}
SOURCES = {"profile": "profile", "hashtag": "hashtag"}
STATES = {
    ConnectionState.ACTIVE.value: "works",
    ConnectionState.EXPIRING.value: "works, ends soon",
    ConnectionState.RECONNECT_REQUIRED.value: "must be reconnected",
    ConnectionState.PERMISSION_MISSING.value: "lacks a permission",
    ConnectionState.DEAUTHORISED.value: "withdrawn by its owner",
}
# What calls fail with in an incident, or with one connection.
TROUBLES = {
    Trouble.REFUSED.value: "Meta refuses",
    Trouble.THROTTLED.value: "the app's rate limit",
    Trouble.UNREACHABLE.value: "no answer of Meta",
    Trouble.REJECTED.value: "calls are rejected",
}
VERSION_STATES = {
    VersionState.ALIVE.value: "served",
    VersionState.UPGRADED.value: "answered by another version",
    VersionState.ABSENT.value: "not known to Meta",
}
OUTCOMES = {"": "never tried", **{code: str(words) for code, words in Feed.Outcome.choices if code}}
# Why a refresh failed.
FAULTS = {
    Warning.RECONNECT_REQUIRED.value: "the account must be reconnected",
    Warning.PERMISSION_MISSING.value: "a permission is missing",
    Warning.SOURCE_NOT_FOUND.value: "no such profile or hashtag",
    Warning.PROVIDER_RATE_LIMITED.value: "Instagram's rate limit",
    Warning.PROVIDER_UNAVAILABLE.value: "Instagram couldn't be reached",
    Warning.PROVIDER_ERROR.value: "an answer that couldn't be used",
    Warning.HASHTAG_QUOTA_EXHAUSTED.value: "30 different hashtags a week are used up",
}
WARNINGS = {
    **FAULTS,
    Warning.VIDEO_UNAVAILABLE.value: "some videos have no file",
    Warning.POSTS_SKIPPED.value: "some posts were left out",
    Warning.PARTIAL_DATA.value: "not all posts could be loaded",
    Warning.MEDIA_LINKS_EXPIRED.value: "links to pictures have expired",
    Warning.HASHTAG_RECENT_ONLY.value: "posts of the last 24 hours only",
}
LEDGER_STATES = {code: str(words) for code, words in ForcedRefresh.State.choices}
ACTIONS = {code: str(words) for code, words in AuditEvent.Action.choices}
ACT_OUTCOMES = {code: str(words) for code, words in AuditEvent.Outcome.choices}
# Why an act was refused or failed.
REASONS = {
    **FAULTS,
    BlockReason.PLAN_RESTRICTED.value: "the plan doesn't include it",
    BlockReason.QUOTA_EXCEEDED.value: "all refreshes are used up",
    BlockReason.TTL_NOT_ELAPSED.value: "the posts are still fresh",
    "NO_ROUTE": "no call is possible",
    "BACKOFF": "the last attempt failed",
    Warning.CONNECT_REQUIRED.value: "no account is connected",
    Warning.HASHTAG_REQUIRES_CONNECT.value: "a hashtag needs Facebook login",
    Warning.WRONG_ACCOUNT.value: "another account is connected",
}
