"""The words of an explanation: for each cause, what editors, support staff and operators read and can do.

Editors aren't told internals: for them, a cause that a warning names has the warning's sentence. Support knows the
widget and the account; operators know the processes. docs/operations.md has the same table of codes.
"""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from paris_integration.public import Cause, CauseCode, Explanation, FeedCondition, SourceType, Warning
from venice_api import wording


class Words(NamedTuple):
    """`editor`: a warning, whose sentence is used, or a sentence. {account}, {days} and {until} are filled in."""

    editor: Warning | str
    support: str
    operator: str


NOTHING_TO_DO = "Nothing to do."
_RECONNECT = 'An editor must connect it again: "Send reconnect email" asks them to.'
_WORDS = {
    CauseCode.PLAN_SOURCE: Words(
        Warning.PLAN_RESTRICTED,
        "The plan doesn't include this type of source. Change the workspace's plan, or set an override.",
        NOTHING_TO_DO,
    ),
    CauseCode.PLAN_CONNECTION: Words(
        Warning.PLAN_RESTRICTED,
        "The plan doesn't include connected accounts, but {account} is connected. Change the plan, set an override, or "
        "ask the editor to disconnect the account: a profile is then read in public mode, if that is on.",
        NOTHING_TO_DO,
    ),
    CauseCode.NO_SOURCE: Words(
        "No source is chosen, because the account's owner had their data deleted at Instagram. Enter another source in "
        "the settings.",
        "The account's data was deleted at its owner's request, and with it the source. Ask the editor to choose "
        "another source, and don't enter the old one.",
        NOTHING_TO_DO,
    ),
    CauseCode.NOT_CONNECTED: Words(
        Warning.CONNECT_REQUIRED,
        "No account is connected, and public mode is off. Ask the editor to connect one.",
        "To read public profiles without a connection, set PUBLIC_MODE_IG_USER_ID and PUBLIC_MODE_ACCESS_TOKEN.",
    ),
    CauseCode.FACEBOOK_LOGIN_NEEDED: Words(
        Warning.HASHTAG_REQUIRES_CONNECT,
        "A hashtag needs an account connected through Facebook login. Ask the editor to connect one.",
        NOTHING_TO_DO,
    ),
    CauseCode.WRONG_ACCOUNT: Words(
        Warning.WRONG_ACCOUNT,
        "{account} is connected, which isn't the profile shown. Ask the editor to connect the profile's own account, "
        "or any through Facebook login.",
        "In public mode the profile could be read without a connection.",
    ),
    CauseCode.CONNECTION_REFUSED: Words(
        Warning.RECONNECT_REQUIRED,
        f"Instagram no longer accepts the connection of {{account}}. {_RECONNECT}",
        "If many connections are affected, see ReconnectsRising in the runbook.",
    ),
    CauseCode.ACCESS_WITHDRAWN: Words(
        Warning.RECONNECT_REQUIRED,
        f"The owner of {{account}} withdrew our access at Instagram or Facebook. {_RECONNECT}",
        NOTHING_TO_DO,
    ),
    CauseCode.PERMISSION_MISSING: Words(
        Warning.PERMISSION_MISSING,
        "The connection of {account} lacks a permission. An editor must connect it again and allow all permissions.",
        "If many connections are affected, check that Meta still grants the app its permissions.",
    ),
    CauseCode.TOKEN_UNREADABLE: Words(
        Warning.RECONNECT_REQUIRED,
        "We can't decrypt the token of {account}. Tell the operator: the connection itself may be fine.",
        "TOKEN_ENCRYPTION_KEYS lacks the key that encrypted this token. Add it again: feeds then recover.",
    ),
    CauseCode.OPERATOR_TOKEN: Words(
        Warning.PROVIDER_ERROR,
        "Instagram refuses the token of public mode. All public widgets are affected: tell the operator.",
        "Replace PUBLIC_MODE_ACCESS_TOKEN; see OperatorTokenDead in the runbook.",
    ),
    CauseCode.CALL_REFUSED: Words(
        Warning.RECONNECT_REQUIRED,
        "Instagram refused this call with the connection of {account}, but not the connection itself. We retry; if it "
        "stays, an editor must connect the account again and allow all permissions.",
        "Check the app's permissions and access level at Meta if many widgets are affected.",
    ),
    CauseCode.SOURCE_NOT_FOUND: Words(
        Warning.SOURCE_NOT_FOUND,
        "Instagram has no such professional account or hashtag. Ask the editor to check the name, and that the account "
        'is a business or creator account. After a change there, use "Retry now".',
        NOTHING_TO_DO,
    ),
    CauseCode.PAUSED: Words(
        "{pause} Earlier posts stay visible.",
        'Staff paused this widget; the audit trail has the reason. "Retry now" ends the pause.',
        NOTHING_TO_DO,
    ),
    CauseCode.INCIDENT: Words(
        Warning.PROVIDER_UNAVAILABLE,
        "Calls with many connections fail at once, so Instagram or our app is the cause. Don't ask editors to "
        "reconnect: tell the operator.",
        "See InstagramIncident in the runbook. `until` is the next test call.",
    ),
    CauseCode.RATE_LIMITED: Words(
        Warning.PROVIDER_RATE_LIMITED,
        "Instagram's rate limit for the account that reads this widget was reached. All widgets that use this account "
        "wait. "
        '"Lift the rate limit" ends the wait early, but further calls may prolong it at Instagram.',
        "If this happens often in public mode, use longer TTLs in the plans; see ProviderThrottled in the runbook.",
    ),
    CauseCode.HASHTAG_QUOTA: Words(
        Warning.HASHTAG_QUOTA_EXHAUSTED,
        "{account} has searched 30 hashtags in 7 days, which is Instagram's limit. Wait, or ask the editor to connect "
        "another account or to remove hashtags.",
        NOTHING_TO_DO,
    ),
    CauseCode.PROVIDER_UNAVAILABLE: Words(
        Warning.PROVIDER_UNAVAILABLE,
        'Instagram didn\'t answer, or only with an error. We retry automatically; "Retry now" ends the wait.',
        "If many widgets are affected, see ProviderFailing in the runbook.",
    ),
    CauseCode.PROVIDER_ERROR: Words(
        Warning.PROVIDER_ERROR,
        "Instagram sent an answer that we couldn't use. We retry automatically; if it stays, tell the operator.",
        "The feed's fault in the admin and the worker's log have Meta's code.",
    ),
    CauseCode.WARMING: Words(
        Warning.FEED_WARMING,
        "The posts are being loaded for the first time. Look again in a moment.",
        "If it stays, a web process ended during the fetch. The next view fetches again.",
    ),
    CauseCode.NEVER_LOADED: Words(
        "The posts load when someone first views the widget.",
        "This widget hasn't been viewed yet. Check that the embed code is on the page.",
        NOTHING_TO_DO,
    ),
    CauseCode.WORKER_SILENT: Words(
        "Updates are late because of a problem on our side. You don't have to do anything.",
        "A refresh is due, but no worker has made it. Tell the operator.",
        "Check beat, the workers and the broker; see DueBacklogOld in the runbook.",
    ),
    CauseCode.NOBODY_READING: Words(
        "This widget hasn't been viewed for {days} days or more, so it isn't updated. The next view updates it.",
        "This widget hasn't been viewed for {days} days or more, so it isn't refreshed. Check that the embed code is "
        "still on the page.",
        "ACTIVE_FEED_DAYS says how long an unread feed is refreshed.",
    ),
    CauseCode.REFRESHING: Words(
        "New posts are being loaded.", "A refresh is under way. Look again in a moment.", NOTHING_TO_DO
    ),
    CauseCode.DUE: Words(
        "An update is due. It starts within a few minutes, or when someone views the widget.",
        "A refresh is due and starts soon, or when someone views the widget.",
        NOTHING_TO_DO,
    ),
    CauseCode.SLOWED: Words(
        "Updates come less often for now, because Instagram's rate limit is near. The next one is at {until}.",
        "The account that reads this widget is close to Instagram's rate limit, so the next automatic refresh waits "
        "for twice the TTL. "
        "A manual refresh still works.",
        "If this happens often in public mode, use longer TTLs in the plans.",
    ),
    CauseCode.WAITING_FOR_TTL: Words(
        "The next automatic update is at {until}.",
        "The plan's TTL hasn't elapsed yet. A manual refresh may be allowed sooner.",
        NOTHING_TO_DO,
    ),
    CauseCode.CONNECTION_ENDING: Words(
        Warning.TOKEN_EXPIRING,
        "The connection of {account} ends within a week and hasn't been renewed yet. We try again daily; an editor can "
        "connect it again.",
        "If many connections are affected, see RenewalsFailing in the runbook.",
    ),
    CauseCode.ACCOUNT_UNUSED: Words(
        Warning.WRONG_ACCOUNT,
        "{account} is connected, but isn't the profile shown, which is read in public mode. {connection}Ask the editor "
        "to connect the profile's own account, or to disconnect this one.",
        NOTHING_TO_DO,
    ),
    CauseCode.LINKS_EXPIRED: Words(
        Warning.MEDIA_LINKS_EXPIRED,
        "Instagram's links to some pictures have expired. The next successful refresh replaces them.",
        "With MEDIA_COPIES on, pictures don't depend on Instagram's links.",
    ),
    CauseCode.PARTIAL_DATA: Words(
        Warning.PARTIAL_DATA,
        "Instagram delivered only some pages, so the earlier, longer list of posts stays. We retry automatically.",
        NOTHING_TO_DO,
    ),
    CauseCode.PICTURES_FULL: Words(
        "Your workspace has used up its space for pictures. The other pictures are loaded from Instagram.",
        "The workspace has used up its space for pictures. Fewer widgets or posts free some.",
        "MEDIA_BYTES_PER_WORKSPACE is the limit; see PictureSpaceUsedUp in the runbook.",
    ),
    CauseCode.PICTURES_WAITING: Words(
        "Some pictures aren't copied yet. They are loaded from Instagram meanwhile.",
        "Some pictures have been waiting for a copy for over half an hour. Visitors see Instagram's links meanwhile.",
        "Check the process that copies pictures; see PicturesWaiting in the runbook.",
    ),
    CauseCode.FRESH: Words(
        "Nothing is wrong. New posts load automatically.",
        "Nothing is wrong: the posts are younger than the plan's TTL.",
        NOTHING_TO_DO,
    ),
}
_CONDITIONS = {
    FeedCondition.FRESH: "Fresh",
    FeedCondition.STALE: "Out of date, but the next refresh is near",
    FeedCondition.IDLE: "Not viewed, so nothing is loaded",
    FeedCondition.WAITING: "Waiting",
    FeedCondition.BLOCKED: "Blocked until the customer acts",
    FeedCondition.BROKEN: "Broken until the operator acts",
}


def editor_words(cause: Cause, explanation: Explanation, source_type: SourceType) -> str:
    """What the cause means for an editor, and what they can do."""
    editor = _WORDS[cause.code].editor
    if isinstance(editor, Warning):
        refused = Warning.PERMISSION_MISSING
        if cause.code is CauseCode.CALL_REFUSED and refused in explanation.view.warnings:
            editor = refused
        notes = wording.notes(explanation.view, source_type, explanation.plan_name)
        return notes.get(editor) or wording.all_warning_words()[editor.value]
    return _filled(editor, cause, explanation)


def support_words(cause: Cause, explanation: Explanation) -> str:
    """What the cause means for support staff, and what they can do."""
    return _filled(_WORDS[cause.code].support, cause, explanation)


def operator_words(cause: Cause) -> str:
    """What the operator can do about the cause."""
    return _WORDS[cause.code].operator


def staff_chain(explanation: Explanation) -> SafeString:
    """The whole explanation for the support desk: each cause with its times and its code on hover."""
    lines = format_html_join(
        "",
        '<li title="{}" data-cause="{}">{} <span class="quiet">{}{}</span></li>',
        (
            (
                cause.code.value,
                cause.code.value,
                support_words(cause, explanation),
                _times(cause),
                "" if operator_words(cause) == NOTHING_TO_DO else f" Operator: {operator_words(cause)}",
            )
            for cause in explanation.causes
        ),
    )
    return format_html(
        '<strong title="{}">{}</strong><ol>{}</ol>',
        explanation.condition.value,
        _CONDITIONS[explanation.condition],
        lines,
    )


def _filled(words: str, cause: Cause, explanation: Explanation) -> str:
    connection = explanation.view.connection
    state = wording.connection_fault(connection.state) if connection else ""
    return words.format(
        account=f"@{connection.username}" if connection else "the connected account",
        connection=f"The connection doesn't work: {state}. " if state else "",
        days=settings.ACTIVE_FEED_DAYS,
        pause=wording.pause_words(cause.until) if cause.until else "Our support team paused this widget.",
        until=wording.editor_time(cause.until) if cause.until else "a time that isn't known yet",
    )


def _times(cause: Cause) -> str:
    until = f" until {wording.utc_words(cause.until)}" if cause.until is not None else ""
    return f"Since {wording.utc_words(cause.since)}{until}."
