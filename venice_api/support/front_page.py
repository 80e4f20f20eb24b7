"""The first page of the support desk: what needs attention, each line with the page where it can be dealt with.

Each staff member sees only what their permissions allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Count, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from paris_integration import public as paris
from venice_api.models import PageSighting
from venice_api.support.charts import Chart, charts_of

_STATES = {
    paris.ConnectionState.RECONNECT_REQUIRED: "must be reconnected by their owners",
    paris.ConnectionState.PERMISSION_MISSING: "lack a permission",
    paris.ConnectionState.DEAUTHORISED: "were withdrawn by their owners",
}
_CAUSES = {
    paris.Warning.SOURCE_NOT_FOUND: "the profile or hashtag doesn't exist, or isn't public",
    paris.Warning.PROVIDER_RATE_LIMITED: "Instagram's rate limit",
    paris.Warning.PROVIDER_UNAVAILABLE: "Instagram couldn't be reached",
    paris.Warning.PROVIDER_ERROR: "Instagram sent an answer that couldn't be used",
    paris.Warning.RECONNECT_REQUIRED: "the account must be reconnected",
    paris.Warning.PERMISSION_MISSING: "a permission is missing",
    paris.Warning.HASHTAG_QUOTA_EXHAUSTED: "30 different hashtags a week are used up",
}


@dataclass(frozen=True, slots=True)
class Line:
    """`code`: the name in the API or database, shown on hover. `at`: since when or until when."""

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
    allowed = {
        name
        for name in ("connection", "feed", "providerwindow", "dailyusage")
        if request.user.has_perm(f"paris_integration.view_{name}")
    }
    if not allowed:
        return None
    found = paris.what_needs_attention(now=timezone.now())
    by_right = {
        "feed": [
            Section("Beat or worker silent", tuple(_late(found))),
            Section("Feeds failing", tuple(_failing(found))),
            Section("Pictures waiting", tuple(_pictures(found))),
        ],
        "connection": [Section("Connections", tuple(_connections(found)))],
        "providerwindow": [Section("Throttled by Instagram", tuple(_throttled(found)))],
        "dailyusage": [Section("Limits reached in the last 7 days", tuple(_limited(found)))],
    }
    sections = tuple(
        section for name, group in by_right.items() if name in allowed for section in group if section.lines
    )
    charts = charts_of(found.days) if "dailyusage" in allowed else ()
    return FrontPage(sections, charts, is_calm=not sections)


def _late(found: paris.Attention) -> Iterator[Line]:
    late = found.late_feeds
    if late.number:
        before = found.late_before.isoformat()
        yield Line(
            f"{_number(late.number, 'feed is', 'feeds are')} due for a refresh, but not refreshed.",
            _list("paris_integration_feed", next_refresh_at__lt=before, o="10"),
            at=late.since,
            at_word="due since",
        )


def _failing(found: paris.Attention) -> Iterator[Line]:
    sites = _sites_by_cause() if found.failing else {}
    for group in found.failing:
        code = group.cause.value if group.cause else ""
        cause = _CAUSES.get(group.cause, code) if group.cause else "no cause was recorded"
        shown_on = _number(sites.get(code, 0), "site", "sites")
        yield Line(
            f"{_number(group.widgets, 'widget', 'widgets')}, shown on {shown_on}: {cause}.",
            _list("paris_integration_feed", outcome__exact="failed", fault__exact=code),
            code,
            group.first_at,
            "first tried",
        )


def _sites_by_cause() -> dict[str, int]:
    """How many host names showed the failing widgets in the last 30 days, by cause."""
    failing = PageSighting.objects.filter(instance_id__in=paris.failing_instance_ids())
    caused = failing.annotate(cause=paris.cause_of_failing(OuterRef("instance_id"))).order_by()
    return dict(caused.values_list("cause").annotate(sites=Count("host", distinct=True)))


def _pictures(found: paris.Attention) -> Iterator[Line]:
    waiting = found.pictures
    if waiting.number:
        yield Line(
            f"{_number(waiting.number, 'picture waits', 'pictures wait')} for a copy. Open the oldest one's widget.",
            _widget(waiting.instance_id),
            at=waiting.since,
            at_word="since",
        )


def _connections(found: paris.Attention) -> Iterator[Line]:
    for dead in found.dead:
        yield Line(
            f"{_number(dead.number, 'connection', 'connections')}: {_STATES[dead.state]}.",
            _list("paris_integration_connection", state__exact=dead.state.value),
            dead.state.value,
            dead.latest_at,
            "the latest",
        )
    for ending in found.ending:
        page = reverse("admin:paris_integration_connection_change", args=[ending.connection_id])
        yield Line(f"@{ending.username} of {ending.workspace} ends soon.", page, "", ending.ends_at, "ends")
    if found.ending_number > len(found.ending):
        yield Line(
            f"All {found.ending_number:,} connections that end within 7 days.",
            _list(
                "paris_integration_connection",
                state__in="active,expiring",
                expires_at__lt=found.ends_before.isoformat(),
            ),
        )


def _throttled(found: paris.Attention) -> Iterator[Line]:
    for credential in found.throttled:
        name = "The operator's account" if credential.credential == "public" else "A deleted connection"
        yield Line(
            f"@{credential.username}" if credential.username else name,
            _list("paris_integration_providerwindow", q=credential.credential),
            credential.credential,
            credential.until,
            "until",
        )
    if found.throttled_number > len(found.throttled):
        yield Line(f"All {found.throttled_number:,} rate limits.", _list("paris_integration_providerwindow"))


def _limited(found: paris.Attention) -> Iterator[Line]:
    for workspace in found.limited:
        yield Line(
            f"{workspace.name}: {_number(workspace.refusals, 'refresh', 'refreshes')} refused.",
            _list("paris_integration_dailyusage", workspace__id__exact=str(workspace.workspace_id)),
        )
    if found.limited_number > len(found.limited):
        yield Line(
            f"All {found.limited_number:,} workspaces.",
            _list("paris_integration_dailyusage", blocked_refreshes__gt="0"),
        )


def _list(model: str, **query: str) -> str:
    address = reverse(f"admin:{model}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def _widget(instance_id: str) -> str:
    return reverse("admin:venice_api_widgetinstance_change", args=[quote(instance_id)])


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
