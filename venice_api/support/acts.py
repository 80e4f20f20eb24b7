"""What staff can do for a widget's owner: each act with its words, its form, and what it tells when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms

from paris_integration import public as paris
from venice_api import wording
from venice_api.instances import Instance, rotate_embed_token

MAX_PAUSE_HOURS = int(paris.MAX_PAUSE / timedelta(hours=1))


class NoteForm(forms.Form):
    note = forms.CharField(max_length=400, help_text="Why; it goes into the audit trail.")


class GrantForm(NoteForm):
    units = forms.IntegerField(
        min_value=1,
        max_value=paris.MAX_UNITS,
        initial=1,
        help_text="On top of the plan, for today (UTC) and this hour.",
    )
    field_order = ("units", "note")


class PauseForm(NoteForm):
    hours = forms.IntegerField(
        min_value=1, max_value=MAX_PAUSE_HOURS, initial=24, help_text="It ends by itself after these."
    )
    field_order = ("hours", "note")


@dataclass(frozen=True, slots=True)
class Done:
    """`words`: what to tell. `is_success` False: nothing was done, and the words say why."""

    words: str
    is_success: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """`effect`: what will happen, for the page that asks for confirmation. `do` may take what the form holds."""

    name: str
    title: str
    effect: str
    form: type[forms.Form]
    do: Callable[[Instance, dict[str, Any], paris.Actor, datetime], Done]


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
    return Done(f"Granted {typed['units']} more for today.")


def _clear_backoff(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    key, selection = instance.feed_key(), instance.selection()
    was_paused = paris.look_at_feed(key, selection, now=now).paused_until is not None
    cleared = paris.clear_backoff(key, actor=actor, now=now, note=typed["note"])
    done = "The back-off is cleared." if cleared or was_paused else "Nothing was held back."
    return Done(f"{done} {wording.staff_refresh_words(paris.look_at_feed(key, selection, now=now))}")


def _open_window(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    opened = paris.open_window(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    return Done("The window is open." if opened else "The window was open.")


def _pause(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    until = now.replace(microsecond=0) + timedelta(hours=typed["hours"])
    paris.pause(instance.feed_key(), until=until, actor=actor, now=now, note=typed["note"])
    return Done(f"Paused until {wording.utc_words(until)}.")


def _purge(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    purged = paris.purge(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    return Done("The posts are purged." if purged else "There were no posts to purge.")


def _rotate(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    rotate_embed_token(instance.instance_id, reason=typed["note"])
    return Done("The old embed code no longer works. Its owner finds the new one on the widget's page.")


def _ask_to_reconnect(instance: Instance, typed: dict[str, Any], actor: paris.Actor, now: datetime) -> Done:
    reached = paris.ask_to_reconnect(instance.feed_key(), actor=actor, now=now, note=typed["note"])
    if not reached:
        return Done(
            "No mail was sent: no account is connected, or nobody there has an address.", is_success=False
        )
    return Done(f"Sent to {reached} {'person' if reached == 1 else 'people'}.")


ACTS = (
    Act(
        "refresh",
        "Refresh now on behalf",
        "Fetches the posts now. It counts as one of the customer's forced refreshes; grant one first if none is left.",
        NoteForm,
        _refresh,
    ),
    Act(
        "grant",
        "Grant refreshes for today",
        "Lets the customer refresh more often than the plan says, today.",
        GrantForm,
        _grant,
    ),
    Act(
        "clear-backoff",
        "Clear the back-off",
        "Lets the next refresh through at once, whatever failed before. It also ends a pause.",
        NoteForm,
        _clear_backoff,
    ),
    Act(
        "open-window",
        "Open the rate-limit window",
        "Lets calls through again before the time Instagram gave, for every widget that is read with the same account. "
        "If Instagram still refuses them, they make the wait longer.",
        NoteForm,
        _open_window,
    ),
    Act(
        "pause",
        "Pause",
        "Nothing is fetched for this widget until the pause ends. Visitors go on seeing the posts there are.",
        PauseForm,
        _pause,
    ),
    Act(
        "purge",
        "Purge the posts",
        "Forgets every post kept for this widget. Visitors see none until the next one makes us fetch them anew.",
        NoteForm,
        _purge,
    ),
    Act(
        "rotate-token",
        "Rotate the embed token",
        "The embed code on every page stops working at once, until its owner pastes the new one there.",
        NoteForm,
        _rotate,
    ),
    Act(
        "ask-reconnect",
        "Send reconnect mail",
        "Mails the workspace's editors and owners the way to reconnect the widget's Instagram account.",
        NoteForm,
        _ask_to_reconnect,
    ),
)
