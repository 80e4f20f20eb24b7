"""The first page of the support desk: what needs attention, worst first. Each line leads to where it is dealt with.

Each staff member sees only what their permissions allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from outbox.unsent import Unsent, unsent
from paris_integration import public as paris
from venice_api import wording
from venice_api.models import PageSighting
from venice_api.support.charts import Chart, charts_of
from venice_api.support.filters import CAUSES, FAILING, LATE, PICTURES, NeedsAttention

SITES_OF_WIDGETS = 1_000  # more would take too long on a day when everything fails
_STATES = {
    paris.ConnectionState.RECONNECT_REQUIRED: ("must be connected again", "must be connected again"),
    paris.ConnectionState.PERMISSION_MISSING: ("lacks a permission", "lack a permission"),
    paris.ConnectionState.DEAUTHORISED: ("was withdrawn by its owner", "were withdrawn by their owners"),
}
# A section is shown to people with all of these permissions, which its links need.
_WIDGETS = ("paris_integration.view_feed", "venice_api.view_widgetinstance")
_CONNECTIONS = ("paris_integration.view_connection",)
_LIMITS = ("paris_integration.view_auditevent", "entitlements.view_workspace")
_RATES = ("paris_integration.view_providerwindow",)
_MAIL = ("outbox.view_mail",)
_USAGE = ("paris_integration.view_dailyusage",)


@dataclass(frozen=True, slots=True)
class Line:
    """`href` "": leads nowhere. `code`: the name in the API or database, shown on hover. `at`: since or until when."""

    words: str
    href: str
    code: str = ""
    at: datetime | None = None
    at_word: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FrontPage:
    """`is_calm`: nothing that this person may see needs attention."""

    sections: tuple[Section, ...]
    charts: tuple[Chart, ...]
    is_calm: bool


def front_page(request: HttpRequest) -> FrontPage | None:
    """None for people who may see none of it."""

    def may(*permissions: str) -> bool:
        return request.user.has_perms(permissions)

    if not any(may(*group) for group in (_WIDGETS, _CONNECTIONS, _LIMITS, _RATES, _MAIL, _USAGE)):
        return None
    now = timezone.now()
    found = paris.what_needs_attention(now=now)
    # Worst first: what affects everyone, then many customers, then one.
    shown = (
        Section("Graph API version", tuple(_version(found, request)) if may(*_CONNECTIONS) else ()),
        Section("Late refreshes", tuple(_late(found)) if may(*_WIDGETS) else ()),
        Section("Widgets that can't be refreshed", tuple(_failing(found, now)) if may(*_WIDGETS) else ()),
        Section("Connections to repair", tuple(_dead(found)) if may(*_CONNECTIONS) else ()),
        Section("Rate limits at Instagram", tuple(_throttled(found, request)) if may(*_RATES) else ()),
        Section("Unsent mail", tuple(_mails(unsent(now=now))) if may(*_MAIL) else ()),
        Section("Connections that end within 7 days", tuple(_ending(found)) if may(*_CONNECTIONS) else ()),
        Section("Plan limits reached in the last 7 days", tuple(_limited(found)) if may(*_LIMITS) else ()),
        Section("Pictures waiting", tuple(_pictures(found)) if may(*_WIDGETS) else ()),
    )
    sections = tuple(section for section in shown if section.lines)
    charts = charts_of(found.days) if may(*_USAGE) else ()
    return FrontPage(sections, charts, is_calm=not sections and not found.incidents)


def _version(found: paris.Attention, request: HttpRequest) -> Iterator[Line]:
    if found.version is None:
        return
    may_open = request.user.has_perm("paris_integration.view_graphversion")
    page = _list("paris_integration_graphversion") if may_open else ""
    for words, at, at_word in wording.version_words(found.version):
        yield Line(words, page, found.version.name, at, at_word)


def _late(found: paris.Attention) -> Iterator[Line]:
    if found.late.number:
        number = _number(found.late.number, "widget is", "widgets are")
        yield Line(f"{number} overdue for a refresh.", _widgets(LATE), "", found.late.since, "since")


def _failing(found: paris.Attention, now: datetime) -> Iterator[Line]:
    for group in found.failing:
        cause = CAUSES.get(group.cause, group.fault) if group.cause else "no cause was recorded"
        about = "at least " if group.widgets > SITES_OF_WIDGETS else ""
        sites = _number(_sites(group.fault, now), "site", "sites")
        yield Line(
            f"{_number(group.widgets, 'widget', 'widgets')} on {about}{sites}: {cause}.",
            _widgets(f"{FAILING}{group.fault}"),
            group.fault,
            group.tried_at,
            "last tried",
        )


def _sites(fault: str, now: datetime) -> int:
    """How many host names showed the widgets with this fault in the last 30 days; of SITES_OF_WIDGETS at most."""
    widgets = paris.failing_instance_ids(fault, now=now)[:SITES_OF_WIDGETS]
    shown = PageSighting.objects.filter(instance_id__in=widgets)
    return shown.order_by().values("host").distinct().count()


def _dead(found: paris.Attention) -> Iterator[Line]:
    for dead in found.dead:
        one, many = _STATES[dead.state]
        yield Line(
            f"{_number(dead.number, f'connection {one}', f'connections {many}')}.",
            _list("paris_integration_connection", state__exact=dead.state.value),
            dead.state.value,
            dead.latest_at,
            "the latest",
        )


def _throttled(found: paris.Attention, request: HttpRequest) -> Iterator[Line]:
    may_open = request.user.has_perms(_CONNECTIONS)
    for credential in found.throttled:
        name = "The operator's account" if credential.credential == "public" else "A deleted connection"
        page = _list("paris_integration_providerwindow", credential__exact=credential.credential)
        if credential.connection_id and may_open:
            page = _connection(credential.connection_id)
        yield Line(
            f"@{credential.username}" if credential.username else name,
            page,
            credential.credential,
            credential.until,
            "until",
        )
    if found.throttled_number > len(found.throttled):
        yield Line(
            f"All {found.throttled_number:,} rate limits",
            _list("paris_integration_providerwindow", parked_until__gt=timezone.now().isoformat()),
        )


def _mails(found: Unsent) -> Iterator[Line]:
    if found.waiting:
        yield Line(
            f"{_number(found.waiting, 'mail has', 'mails have')} waited for more than 15 minutes.",
            _list("outbox_mail", next_try_at__isnull="False", queued_at__lt=found.waiting_before.isoformat()),
            "",
            found.oldest_at,
            "since",
        )
    if found.given_up:
        yield Line(
            f"{_number(found.given_up, 'mail', 'mails')} couldn't be delivered in the last 7 days; we stopped trying.",
            _list("outbox_mail", next_try_at__isnull="True", queued_at__gte=found.given_up_since.isoformat()),
            "",
            found.latest_at,
            "the latest",
        )


def _ending(found: paris.Attention) -> Iterator[Line]:
    for ending in found.ending:
        words = f"@{ending.username} of {ending.workspace}"
        yield Line(words, _connection(ending.connection_id), "", ending.ends_at, "ends")
    if found.ending_number > len(found.ending):
        page = _list(
            "paris_integration_connection",
            state__in="active,expiring",
            expires_at__lt=found.ends_before.isoformat(),
        )
        yield Line(f"All {found.ending_number:,} connections that end", page)


def _limited(found: paris.Attention) -> Iterator[Line]:
    for workspace in found.limited:
        yield Line(
            f"{workspace.name}: {_number(workspace.refusals, 'manual refresh', 'manual refreshes')} refused.",
            reverse("admin:entitlements_workspace_change", args=[workspace.workspace_id]),
            "",
            workspace.latest_at,
            "the latest",
        )
    if found.limited_number > len(found.limited):
        page = _list(
            "paris_integration_auditevent",
            action__exact="forced_refresh",
            outcome__exact="refused",
            reason__in=",".join(sorted(reason.value for reason in paris.BlockReason)),
            at__gte=found.limited_since.isoformat(),
        )
        yield Line(f"Refusals of all {found.limited_number:,} workspaces", page)


def _pictures(found: paris.Attention) -> Iterator[Line]:
    if found.pictures.number:
        number = _number(found.pictures.number, "widget has", "widgets have")
        yield Line(
            f"{number} waited for copies of pictures for more than an hour.",
            _widgets(PICTURES),
            "",
            found.pictures.since,
            "since",
        )


def _widgets(kind: str) -> str:
    return _list("venice_api_widgetinstance", **{NeedsAttention.parameter_name: kind})


def _connection(connection_id: object) -> str:
    return reverse("admin:paris_integration_connection_change", args=[connection_id])


def _list(model: str, **query: str) -> str:
    address = reverse(f"admin:{model}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,}{'+' if number == paris.MOST_COUNTED else ''} {one if number == 1 else many}"
