"""What staff can do for a widget's owner: each act with its kind, its texts, its form, and the message when it is done.

KINDS has the kind of every act in the admin, by the name of its page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django import forms

from paris_integration import public as paris
from venice_api import wording
from venice_api.editor.posts import MOST_POSTS
from venice_api.instances import Instance, rotate_embed_token
from venice_api.sightings import sightings_of

MOST_SITES = 10
MAX_PAUSE_HOURS = int(paris.MAX_PAUSE / timedelta(hours=1))


class Kind(StrEnum):
    """What an act means for the customer. Each kind has a look, and destructive acts ask first."""

    HARMLESS = "harmless"
    COSTS = "costs"  # uses quota, stops something for a while, or may prolong a wait
    DESTRUCTIVE = "destructive"  # deletes, disconnects or revokes

    @property
    def words(self) -> str:
        return _KIND_WORDS[self]


_KIND_WORDS = {
    Kind.HARMLESS: "",
    Kind.COSTS: "Costs the customer something",
    Kind.DESTRUCTIVE: "Can't be undone",
}


class NoteForm(forms.Form):
    note = forms.CharField(max_length=400, help_text="The reason. It is recorded in the audit trail.")


class GrantForm(NoteForm):
    units = forms.IntegerField(
        min_value=1,
        max_value=paris.MAX_UNITS,
        initial=1,
        help_text="Added to the plan's limits for today (UTC) and this hour.",
    )
    field_order = ("units", "note")


class PauseForm(NoteForm):
    hours = forms.IntegerField(
        min_value=1,
        max_value=MAX_PAUSE_HOURS,
        initial=24,
        help_text="The pause ends automatically after this many hours.",
    )
    field_order = ("hours", "note")


@dataclass(frozen=True, slots=True)
class Done:
    """`words`: the message to show. `is_success` False: nothing was done, and the message says why."""

    words: str
    is_success: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """`effect`: what will happen, for the confirmation page. `do` receives the form's cleaned data.

    `lost`: what a destructive act takes away now, in sentences.
    """

    name: str
    title: str
    kind: Kind
    effect: str
    form: type[forms.Form]
    do: Callable[[Instance, dict[str, Any], paris.Actor, datetime], Done]
    lost: Callable[[Instance, datetime], list[str]] = lambda instance, now: []


def _refresh(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    paris.note_refresh_on_behalf(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    try:
        view = paris.force_refresh(instance.feed_key(), instance.selection(), actor=actor, now=now)
    except paris.RefreshBlocked as blocked:
        return Done(wording.staff_refusal_words(blocked), is_success=False)
    except paris.TooBusy:
        return Done(wording.ANOTHER_REFRESH, is_success=False)
    if not wording.was_refreshed(view):
        return Done(f"Not refreshed. {wording.staff_refresh_words(view)}", is_success=False)
    return Done(wording.staff_freshness_words(view))


def _grant(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    paris.grant_units(instance.feed_key(), typed["units"], actor=actor, note=typed["note"])
    units = typed["units"]
    return Done(f"Granted {units} more {'refresh' if units == 1 else 'refreshes'} for today.")


def _clear_backoff(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    key, selection = instance.feed_key(), instance.selection()
    was_paused = paris.look_at_feed(key, selection, now=now).paused_until is not None
    cleared = paris.clear_backoff(key, actor=actor, now=now, note=typed["note"])
    done = "The wait was removed." if cleared or was_paused else "There was no wait to remove."
    return Done(f"{done} {wording.staff_refresh_words(paris.look_at_feed(key, selection, now=now))}")


def _open_window(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    opened = paris.open_window(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    return Done("The rate limit was lifted." if opened else "No rate limit was active.")


def _pause(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    until = now.replace(microsecond=0) + timedelta(hours=typed["hours"])
    paris.pause(instance.feed_key(), until=until, actor=actor, now=now, note=typed["note"])
    return Done(f"Paused until {wording.utc_words(until)}.")


def _purge(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    purged = paris.purge(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    return Done("The posts were purged." if purged else "There were no posts to purge.")


def _rotate(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    rotate_embed_token(instance.instance_id, reason=typed["note"])
    return Done("The old embed code no longer works. The owner can copy the new code from the widget's page.")


def _ask_to_reconnect(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    reached = paris.ask_to_reconnect(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    if not reached:
        return Done(
            "No email was sent: no account is connected, or no editor or owner has an email address.",
            is_success=False,
        )
    return Done(f"Sent to {reached} {'person' if reached == 1 else 'people'}.")


def _lost_posts(instance: Instance, now: datetime) -> list[str]:
    view = paris.look_at_feed(instance.feed_key(), paris.Selection(MOST_POSTS), now=now)
    number = len(view.posts)
    return [
        f"{number} stored {'post' if number == 1 else 'posts'}, and the copies of pictures only they use."
    ]


def _lost_pages(instance: Instance, now: datetime) -> list[str]:
    """The sites on which the widget stops."""
    pages = sightings_of(instance.instance_id, now=now).pages
    if not pages:
        return ["The embed code. No site showed it in the last 30 days."]
    named = [f"The posts on {page.host}." for page in pages[:MOST_SITES]]
    more = len(pages) - len(named)
    return [*named, f"The posts on {more} more {'site' if more == 1 else 'sites'}."] if more else named


ACTS = (
    Act(
        "refresh",
        "Refresh now",
        Kind.COSTS,
        "Fetches the posts now. This uses one of the customer's manual refreshes; grant one first if none are left.",
        NoteForm,
        _refresh,
    ),
    Act(
        "grant",
        "Grant refreshes for today",
        Kind.HARMLESS,
        "Lets the customer refresh more often today than the plan allows.",
        GrantForm,
        _grant,
    ),
    Act(
        "clear-backoff",
        "Retry now",
        Kind.HARMLESS,
        "Removes the wait after a failed attempt, so that the next refresh can run immediately. Also ends a pause.",
        NoteForm,
        _clear_backoff,
    ),
    Act(
        "open-window",
        "Lift the rate limit",
        Kind.COSTS,
        "Allows calls again before the time Instagram gave, for every widget that uses the same account. "
        "If Instagram still refuses them, the wait gets longer.",
        NoteForm,
        _open_window,
    ),
    Act(
        "pause",
        "Pause",
        Kind.COSTS,
        "Fetches nothing for this widget until the pause ends. Visitors still see the existing posts.",
        PauseForm,
        _pause,
    ),
    Act(
        "purge",
        "Purge posts",
        Kind.DESTRUCTIVE,
        "Deletes all stored posts of this widget. They are fetched again when the next visitor views it.",
        NoteForm,
        _purge,
        _lost_posts,
    ),
    Act(
        "rotate-token",
        "Replace embed code",
        Kind.DESTRUCTIVE,
        "The current embed code stops working immediately on every page, until the owner pastes the new code there.",
        NoteForm,
        _rotate,
        _lost_pages,
    ),
    Act(
        "ask-reconnect",
        "Send reconnect email",
        Kind.HARMLESS,
        "Emails the workspace's editors and owners a link to reconnect the widget's Instagram account.",
        NoteForm,
        _ask_to_reconnect,
    ),
)

WIDGET_PAGE = "venice_api_widgetinstance"
# Django's own pages that delete ask first, too. The plan matrix shows what a change does before it is saved.
KINDS: Mapping[str, Kind] = {
    **{f"{WIDGET_PAGE}_{act.name}": act.kind for act in ACTS},
    f"{WIDGET_PAGE}_posts": Kind.HARMLESS,  # an editor can hide or pin the post again
    "auth_user_remove_factor": Kind.DESTRUCTIVE,
    "entitlements_invitation_withdraw": Kind.DESTRUCTIVE,
    "paris_integration_connectlink_withdraw": Kind.DESTRUCTIVE,
}
