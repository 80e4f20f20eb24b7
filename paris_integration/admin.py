"""Admin pages of Paris: feeds, connections, refreshes and usage. Read-only, and without tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from paris_integration.models import (
    AuditEvent,
    Connection,
    DailyUsage,
    Feed,
    ForcedRefresh,
    Incident,
    ProviderWindow,
)
from paris_integration.observing import usage


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NamedValues(admin.AllValuesFieldListFilter):
    """Filters by the values in a column. Shows the empty value as "none", so that it can be clicked."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    list_display = (
        "source",
        "workspace",
        "mode",
        "fetched_at",
        "attempted_at",
        "outcome",
        "fault",
        "blocked_until",
        "paused_until",
        "next_refresh_at",
    )
    list_filter = ("outcome", "fault", "mode", "source_type")
    search_fields = ("instance_id", "source_value", "workspace__name", "workspace__id")
    list_select_related = ("workspace",)
    exclude = ("posts_encoded", "copies")  # large, and unreadable as JSON text
    ordering = ("-attempted_at",)

    @admin.display(ordering="source_value")
    def source(self, feed: Feed) -> str:
        return f"{'#' if feed.source_type == 'hashtag' else '@'}{feed.source_value}"


@admin.register(ProviderWindow)
class ProviderWindowAdmin(ReadOnlyAdmin):
    search_fields = ("credential",)
    list_display = ("credential", "parked_at", "parked_until", "usage_percent", "throttles", "updated_at")


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    """The latest incident of each login."""

    list_display = ("login", "began_at", "ended_at", "narrowed_at", "probes", "next_probe_at")


@admin.register(ForcedRefresh)
class ForcedRefreshAdmin(ReadOnlyAdmin):
    """The ledger: one line per unit."""

    list_display = ("reserved_at", "workspace", "instance_id", "source_value", "username", "state", "fault")
    list_filter = ("state", "fault", "reserved_at")
    search_fields = ("instance_id", "source_value", "username", "workspace__name", "workspace__id")
    list_select_related = ("workspace",)
    ordering = ("-reserved_at",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "outcome", "reason", "workspace", "instance_id", "note")
    list_filter = ("action", "outcome", ("reason", NamedValues), "at")
    search_fields = ("instance_id", "actor", "workspace__name", "workspace__id", "note")
    list_select_related = ("workspace",)
    date_hierarchy = "at"
    show_facets = admin.ShowFacets.NEVER  # counting would read the whole table for every filter


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """State and expiry of connections, without the token."""

    list_display = ("account", "login", "workspace", "state", "cause", "ends", "next_renewal_at")
    list_filter = ("state", "login")
    search_fields = ("username", "account_id", "workspace__name", "workspace__id", "links__instance_id")
    list_select_related = ("workspace",)
    exclude = ("token", "renewal_lease_expires_at")

    @admin.display(ordering="expires_at", description="token expires")
    def ends(self, connection: Connection) -> str:
        if connection.expires_at is None:
            return "never" if connection.never_expires else "unknown"
        days = (connection.expires_at - timezone.now()).days
        return f"in {days} days" if days >= 0 else "expired"

    @admin.display(ordering="username")
    def account(self, connection: Connection) -> str:
        return f"@{connection.username}"


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnlyAdmin):
    """Usage per workspace and day (UTC), with totals of the filtered rows."""

    list_display = ("workspace", "day", *usage.COLUMNS)
    list_filter = ("day",)
    search_fields = ("workspace__name", "workspace__id")
    search_help_text = "Search by workspace name or id."
    list_select_related = ("workspace",)
    list_display_links = None
    date_hierarchy = "day"
    ordering = ("-day", "workspace__name")
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "admin/paris_integration/dailyusage_list.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        found = getattr(response, "context_data", {}).get("cl")
        if isinstance(response, TemplateResponse) and response.context_data is not None and found is not None:
            sums = found.queryset.order_by().aggregate(**{name: Sum(name) for name in usage.COLUMNS})
            response.context_data["totals"] = [
                (name.replace("_", " "), sums[name] or 0) for name in usage.COLUMNS
            ]
        return response
