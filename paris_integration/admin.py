"""Admin pages of Paris: feeds, connections, refreshes and usage. Read-only, and without tokens."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from foundation import large_lists
from foundation.large_lists import IndexedValues, LargeList
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


@admin.register(Feed)
class FeedAdmin(LargeList, ReadOnlyAdmin):
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
    search_exactly = ("instance_id",)
    search_help_text = (
        "Search by widget ID, workspace name or ID, or by source in the 10,000 feeds that were read last."
    )
    list_select_related = ("workspace",)
    exclude = ("posts_encoded", "copies")  # large, and unreadable as JSON text
    ordering = ("-last_read_at", "-created_at")
    sortable_by = ("next_refresh_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feed]:
        return super().get_queryset(request).defer("posts_encoded", "copies", "profile")

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
class ForcedRefreshAdmin(LargeList, ReadOnlyAdmin):
    """The ledger: one line per unit."""

    list_display = ("reserved_at", "workspace", "instance_id", "source_value", "username", "state", "fault")
    list_filter = ("state", ("fault", IndexedValues), "reserved_at")
    search_fields = ("instance_id", "source_value", "username")
    search_exactly = ("instance_id",)
    search_help_text = (
        "Search by widget ID, workspace name or ID, or by source or username in the newest 10,000 rows."
    )
    list_select_related = ("workspace",)
    ordering = ("-reserved_at",)


@admin.register(AuditEvent)
class AuditEventAdmin(LargeList, ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "outcome", "reason", "workspace", "instance_id", "note")
    list_filter = ("action", "outcome", ("reason", IndexedValues), "at")
    search_fields = ("instance_id", "actor", "note")
    search_exactly = ("instance_id", "actor")
    search_help_text = (
        "Search by widget ID, person, workspace name or ID, or by part of a note in the newest 10,000 rows."
    )
    list_select_related = ("workspace",)
    ordering = ("-at", "-id")


@admin.register(Connection)
class ConnectionAdmin(LargeList, ReadOnlyAdmin):
    """State and expiry of connections, without the token."""

    list_display = ("account", "login", "workspace", "state", "cause", "ends", "next_renewal_at")
    list_filter = ("state", "login")
    search_fields = ("username", "account_id")
    search_exactly = ("username", "account_id", "links__instance_id")
    search_help_text = "Search by username, account id, widget ID, workspace name or ID."
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
class DailyUsageAdmin(LargeList, ReadOnlyAdmin):
    """Usage per workspace and day (UTC), with totals of the filtered rows unless they are too many."""

    list_display = ("workspace", "day", *usage.COLUMNS)
    list_filter = ("day",)
    search_fields = ("workspace__name",)
    search_help_text = "Search by workspace name or id."
    list_select_related = ("workspace",)
    list_display_links = None
    ordering = ("-day", "-workspace_id")
    change_list_template = "admin/paris_integration/dailyusage_list.html"

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
