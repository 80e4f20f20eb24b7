"""Admin pages of Paris: feeds, connections, refreshes and usage. Read-only, and without tokens.

Lists fit a window of 1,280 pixels. Codes are shown in words, with the code on hover.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from foundation import large_lists
from foundation.large_lists import LargeList
from foundation.staff_pages import (
    NOTHING,
    ReadOnlyAdmin,
    code_column,
    coded,
    end_state,
    end_state_filter,
    list_column,
    listed_filter,
    moment,
    moment_column,
    short,
    short_id,
    text_column,
    time_filter,
    worded_filter,
)
from paris_integration import admin_words
from paris_integration.connections import connect_links
from paris_integration.models import (
    AuditEvent,
    Connection,
    ConnectLink,
    DailyUsage,
    Feed,
    ForcedRefresh,
    GraphVersion,
    Incident,
    ProviderWindow,
)
from paris_integration.observing import usage
from paris_integration.types import Actor

MAY_ACT = "venice_api.act_for_customer"


def source_words(source_type: str, source_value: str, *, length: int = 30) -> SafeString | str:
    """The source as people write it."""
    sign = "#" if source_type == "hashtag" else "@"
    return short(f"{sign}{source_value}", length) if source_value else NOTHING


def widget_link(instance_id: str, *, is_whole: bool = False) -> SafeString | str:
    """The widget's id, leading to its page."""
    if not instance_id:
        return NOTHING
    page = reverse("admin:venice_api_widgetinstance_change", args=[quote(instance_id)])
    return format_html('<a href="{}">{}</a>', page, instance_id if is_whole else short_id(instance_id))


class OfWidget(ReadOnlyAdmin):
    """Rows of a workspace and of one of its widgets."""

    list_select_related = ("workspace",)
    owner = text_column("workspace", 30)

    @admin.display(description="Widget", ordering="instance_id")
    def widget(self, row: Any) -> SafeString | str:
        return widget_link(row.instance_id)

    @admin.display(description="Widget")
    def widget_page(self, row: Any) -> SafeString | str:
        """The whole id, on a row's page."""
        return widget_link(row.instance_id, is_whole=True)

    @admin.display(description="Source", ordering="source_value")
    def source(self, row: Any) -> SafeString | str:
        return source_words(row.source_type, row.source_value)

    @admin.display(description="Source")
    def whole_source(self, row: Any) -> SafeString | str:
        return source_words(row.source_type, row.source_value, length=200)


@admin.register(Feed)
class FeedAdmin(LargeList, OfWidget):
    list_display = ("source", "owner", "read_with", "fetched", "result", "waits", "next_refresh")
    list_filter = (
        ("outcome", listed_filter(admin_words.OUTCOMES)),
        ("fault", listed_filter(admin_words.FAULTS)),
        ("mode", listed_filter(admin_words.MODES)),
        ("source_type", listed_filter(admin_words.SOURCES)),
    )
    search_fields = ("instance_id", "source_value", "workspace__name", "workspace__id")
    search_exactly = ("instance_id",)
    search_help_text = (
        "Search by widget ID, workspace name or ID, or by source in the 10,000 feeds that were read last."
    )
    ordering = ("-last_read_at", "-created_at")
    sortable_by = ("next_refresh",)
    fields = (
        "whole_source", "workspace", "widget_page", "read_with", "result", "fault_detail", "failures", "attempted",
        "fetched", "warnings", "waits", "blocked", "paused", "slowed", "next_refresh", "last_read", "pictures_due",
        "created",
    )  # fmt: skip

    read_with = code_column("mode", admin_words.MODES, "Read with")
    warnings = list_column("data_warnings", admin_words.WARNINGS, "Warnings")
    fetched = moment_column("fetched_at", "Fetched")
    attempted = moment_column("attempted_at", "Last attempt")
    blocked = moment_column("blocked_until", "Back-off until")
    paused = moment_column("paused_until", "Paused until")
    slowed = moment_column("slowed_until", "Slowed until")
    next_refresh = moment_column("next_refresh_at", "Next refresh")
    last_read = moment_column("last_read_at", "Last read")
    pictures_due = moment_column("pictures_due_at", "Pictures due")
    created = moment_column("created_at", "Created")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feed]:
        return super().get_queryset(request).defer("posts_encoded", "copies", "profile")

    @admin.display(description="Last result", ordering="outcome")
    def result(self, feed: Feed) -> SafeString | str:
        outcome = coded(feed.outcome, admin_words.OUTCOMES) if feed.outcome else "never tried"
        if not feed.fault:
            return outcome
        return format_html("{}: {}", outcome, coded(feed.fault, admin_words.FAULTS))

    @admin.display(description="Waits until", ordering="blocked_until")
    def waits(self, feed: Feed) -> SafeString | str:
        """The longest wait that isn't over, and what it is."""
        waits = ((feed.paused_until, "paused"), (feed.blocked_until, "back-off"))
        left = [(until, words) for until, words in waits if until is not None and until > timezone.now()]
        return format_html("{} ({})", moment(max(left)[0]), max(left)[1]) if left else NOTHING


class NamedList(ChangeList):
    """A page of rate limits with the usernames of their connections, looked up for all of them at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[ProviderWindow] = list(self.result_list)
        ids = {row.pk: found for row in rows if (found := _uuid(row.credential))}
        names = dict(Connection.objects.filter(pk__in=ids.values()).values_list("pk", "username"))
        for row in rows:
            row.username = names.get(ids[row.pk]) if row.pk in ids else None  # type: ignore[attr-defined]
        self.result_list = rows


@admin.register(ProviderWindow)
class ProviderWindowAdmin(ReadOnlyAdmin):
    search_fields = ("credential",)
    search_help_text = "Search by the connection's ID, or “public”."
    list_display = ("whose", "limited_since", "limited_until", "usage", "throttles", "updated")
    fields = ("whose", "limited_since", "limited_until", "usage", "throttles", "updated")

    limited_since = moment_column("parked_at", "Limited since")
    limited_until = moment_column("parked_until", "Limited until")
    updated = moment_column("updated_at", "Updated")

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return NamedList

    @admin.display(description="Whose", ordering="credential")
    def whose(self, window: ProviderWindow) -> SafeString | str:
        if not hasattr(window, "username"):
            known = Connection.objects.filter(pk__in=filter(None, [_uuid(window.credential)]))
            window.username = known.values_list("username", flat=True).first()  # type: ignore[attr-defined]
        name = "the operator's account" if window.credential == "public" else "a deleted connection"
        username = window.username  # type: ignore[attr-defined]
        return coded(window.credential, {window.credential: f"@{username}" if username else name})

    @admin.display(description="Usage", ordering="usage_percent")
    def usage(self, window: ProviderWindow) -> str:
        return f"{window.usage_percent:.0f} %"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    """The latest incident of each login."""

    list_display = ("login_words", "cause_words", "began", "ended", "narrowed", "probes", "next_probe")
    fields = ("login_words", "cause_words", "began", "ended", "narrowed", "probes", "next_probe")

    login_words = code_column("login", admin_words.LOGINS)
    cause_words = code_column("cause", admin_words.TROUBLES)
    began = moment_column("began_at", "Began")
    ended = moment_column("ended_at", "Ended")
    narrowed = moment_column("narrowed_at", "Narrowed")
    next_probe = moment_column("next_probe_at", "Next probe")


@admin.register(GraphVersion)
class GraphVersionAdmin(ReadOnlyAdmin):
    """How Meta's hosts answered the last probe of each version."""

    list_display = ("version", "login_words", "state_words", "answered_as", "state_since", "checked")
    fields = ("version", "login_words", "state_words", "answered_as", "state_since", "checked")
    list_filter = ("login", "state")
    ordering = ("-version", "login")

    login_words = code_column("login", admin_words.LOGINS)
    state_words = code_column("state", admin_words.VERSION_STATES)
    state_since = moment_column("since", "Since")
    checked = moment_column("checked_at", "Checked")


@admin.register(ForcedRefresh)
class ForcedRefreshAdmin(LargeList, OfWidget):
    """The ledger: one line per unit."""

    list_display = ("reserved", "owner", "widget", "source", "by", "result")
    list_filter = (
        ("state", listed_filter(admin_words.LEDGER_STATES)),
        ("fault", worded_filter(admin_words.FAULTS)),
        ("reserved_at", time_filter("time")),
    )
    search_fields = ("instance_id", "source_value", "username")
    search_exactly = ("instance_id",)
    search_help_text = (
        "Search by widget ID, workspace name or ID, or by source or username in the newest 10,000 rows."
    )
    ordering = ("-reserved_at",)
    fields = ("reserved", "settled", "workspace", "widget_page", "whole_source", "username", "result")

    reserved = moment_column("reserved_at", "Requested")
    settled = moment_column("settled_at", "Settled")
    by = text_column("username", 30, "Requested by")

    @admin.display(description="Result", ordering="state")
    def result(self, row: ForcedRefresh) -> SafeString | str:
        state = coded(row.state, admin_words.LEDGER_STATES)
        return format_html("{}: {}", state, coded(row.fault, admin_words.FAULTS)) if row.fault else state


@admin.register(AuditEvent)
class AuditEventAdmin(LargeList, OfWidget):
    list_display = ("when", "who", "act", "result", "owner", "widget", "why")
    list_filter = (
        ("action", listed_filter(admin_words.ACTIONS)),
        ("outcome", listed_filter(admin_words.ACT_OUTCOMES)),
        ("reason", worded_filter(admin_words.REASONS)),
        ("at", time_filter("time")),
    )
    search_fields = ("instance_id", "actor", "note")
    search_exactly = ("instance_id", "actor")
    search_help_text = (
        "Search by widget ID, person, workspace name or ID, or by part of a note in the newest 10,000 rows."
    )
    ordering = ("-at", "-id")
    fields = ("when", "actor", "act", "result", "workspace", "widget_page", "note")

    when = moment_column("at", "Time")
    who = text_column("actor", 20, "Who")
    act = code_column("action", admin_words.ACTIONS)
    why = text_column("note", 60, "Note")

    @admin.display(description="Result", ordering="outcome")
    def result(self, event: AuditEvent) -> SafeString | str:
        outcome = coded(event.outcome, admin_words.ACT_OUTCOMES)
        if not event.reason:
            return outcome
        return format_html("{}: {}", outcome, coded(event.reason, admin_words.REASONS))


@admin.register(Connection)
class ConnectionAdmin(LargeList, ReadOnlyAdmin):
    """State and expiry of connections, without the token."""

    list_display = ("account", "with_login", "owner", "condition", "why", "ends", "next_renewal")
    list_filter = (
        ("state", listed_filter(admin_words.STATES)),
        ("login", listed_filter(admin_words.LOGINS)),
    )
    search_fields = ("username", "account_id")
    search_exactly = ("username", "account_id", "links__instance_id")
    search_help_text = "Search by username, account or widget ID, workspace name or ID."
    list_select_related = ("workspace",)
    fields = (
        "account", "account_id", "with_login", "workspace", "condition", "cause", "state_changed", "ends", "obtained",
        "permissions", "next_renewal", "renewal_failures", "tried", "refused", "trouble_words", "trouble_since",
        "told_until", "next_check", "created",
    )  # fmt: skip

    owner = text_column("workspace", 30)
    with_login = code_column("login", admin_words.LOGINS)
    condition = code_column("state", admin_words.STATES)
    why = text_column("cause", 50, "Cause")
    permissions = list_column("scopes", str, "Permissions")
    state_changed = moment_column("state_changed_at", "State since")
    obtained = moment_column("obtained_at", "Token obtained")
    next_renewal = moment_column("next_renewal_at", "Next renewal")
    tried = moment_column("tried_at", "Last call")
    refused = moment_column("refused_at", "Refused since")
    trouble_words = code_column("trouble", admin_words.TROUBLES, "Last call failed with")
    trouble_since = moment_column("trouble_at", "Failed at")
    told_until = moment_column("trouble_until", "Meta asks to wait until")
    next_check = moment_column("check_at", "Checked next")
    created = moment_column("created_at", "Created")

    @admin.display(ordering="expires_at", description="Token expires")
    def ends(self, connection: Connection) -> str:
        if connection.expires_at is None:
            return "never" if connection.never_expires else "unknown"
        days = (connection.expires_at - timezone.now()).days
        return f"in {days} days" if days >= 0 else "expired"

    @admin.display(ordering="username")
    def account(self, connection: Connection) -> SafeString | str:
        return short(f"@{connection.username}", 30)


@admin.register(ConnectLink)
class ConnectLinkAdmin(OfWidget):
    """Who made a connect link, for which widget, and until when it works. Without its code."""

    list_display = ("made", "owner", "widget", "maker", "until", "state")
    list_filter = (end_state_filter("used_at", "used"),)
    search_fields = ("instance_id", "creator", "workspace__name", "workspace__id")
    search_help_text = "Search by widget ID, the person who made it, workspace name or ID."
    ordering = ("-created_at",)
    fields = ("made", "workspace", "widget_page", "creator", "until", "state", "used", "withdrawn")
    change_form_template = "admin/withdrawable_change.html"

    made = moment_column("created_at", "Made")
    maker = text_column("creator", 30, "Made by")
    until = moment_column("expires_at", "Works until")
    used = moment_column("used_at", "Used")
    withdrawn = moment_column("withdrawn_at", "Withdrawn")

    @admin.display(description="State")
    def state(self, link: ConnectLink) -> str:
        return end_state(link, "used_at", "used")

    def get_urls(self) -> list[URLPattern]:
        withdrawal = path(
            "<id>/withdraw/",
            self.admin_site.admin_view(self.withdraw_view),
            name="paris_integration_connectlink_withdraw",
        )
        return [withdrawal, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        link = context["original"]
        if request.user.has_perm(MAY_ACT) and self.state(link) == "open":
            context["withdrawal"] = _withdrawal_page(link)
        return super().render_change_form(request, context, *args, **kwargs)

    def withdraw_view(self, request: HttpRequest, id: str) -> HttpResponse:
        """Ask, then withdraw the link and cancel the logins begun with it."""
        if not request.user.has_perm(MAY_ACT):
            raise PermissionDenied
        found = ConnectLink.objects.filter(pk__in=filter(None, [_uuid(unquote(id))]))
        link = found.select_related("workspace").first()
        if link is None:
            raise Http404
        page = reverse("admin:paris_integration_connectlink_change", args=[link.pk])
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": "Withdraw this connect link?",
                "opts": self.opts,
                "act_name": "paris_integration_connectlink_withdraw",
                "lost": [
                    f"The link that {link.creator} made for a widget of {link.workspace}: it stops working.",
                    "Logins at Instagram begun with it: they can't be completed.",
                ],
                "button": "Withdraw the link",
                "back": page,
            }
            return TemplateResponse(request, "admin/confirm_act.html", context)
        actor = Actor(request.user.pk, request.user.get_username())
        if connect_links.withdraw_by_staff(link.pk, actor=actor, now=timezone.now()):
            self.message_user(request, "The link is withdrawn.")
        else:
            self.message_user(request, "The link was no longer open.", messages.WARNING)
        return HttpResponseRedirect(page)


def _withdrawal_page(link: ConnectLink) -> str:
    return reverse("admin:paris_integration_connectlink_withdraw", args=[link.pk])


@admin.register(DailyUsage)
class DailyUsageAdmin(LargeList, ReadOnlyAdmin):
    """Usage per workspace and day (UTC), with totals of the filtered rows unless they are too many."""

    list_display = ("owner", "on", *usage.COLUMNS)
    list_filter = ("day",)
    search_fields = ("workspace__name",)
    search_help_text = "Search by workspace name or ID."
    list_select_related = ("workspace",)
    list_display_links = None
    ordering = ("-day", "-workspace_id")
    change_list_template = "admin/paris_integration/dailyusage_list.html"
    fields = ("workspace", "on", *usage.COLUMNS)

    owner = text_column("workspace", 30)

    @admin.display(description="Day", ordering="day")
    def on(self, row: DailyUsage) -> SafeString:
        return format_html("<time>{}</time>", f"{row.day:%Y-%m-%d}")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        found = getattr(response, "context_data", {}).get("cl")
        if isinstance(response, TemplateResponse) and response.context_data is not None and found is not None:
            # Adding up all days of all workspaces would read millions of rows.
            if found.result_count >= large_lists.MOST_LISTED:
                return response
            sums = found.queryset.order_by().aggregate(**{name: Sum(name) for name in usage.COLUMNS})
            response.context_data["totals"] = [
                (name.replace("_", " "), sums[name] or 0) for name in usage.COLUMNS
            ]
        return response
