"""Staff screens of Paris: what was tried, what came of it, when it may be tried again. No tokens, nothing to edit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from paris_integration.models import AuditEvent, Connection, Feed, ForcedRefresh, ProviderWindow


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    list_display = (
        "source",
        "workspace",
        "mode",
        "fetched_at",
        "outcome",
        "fault",
        "blocked_until",
        "next_refresh_at",
    )
    list_filter = ("outcome", "fault", "mode", "source_type")
    search_fields = ("instance_id", "source_value", "workspace__name")
    list_select_related = ("workspace",)
    exclude = ("posts_encoded",)
    ordering = ("-attempted_at",)

    @admin.display(ordering="source_value")
    def source(self, feed: Feed) -> str:
        return f"{'#' if feed.source_type == 'hashtag' else '@'}{feed.source_value}"


@admin.register(ProviderWindow)
class ProviderWindowAdmin(ReadOnlyAdmin):
    list_display = ("credential", "parked_until", "usage_percent", "throttles", "updated_at")


@admin.register(ForcedRefresh)
class ForcedRefreshAdmin(ReadOnlyAdmin):
    """The ledger: a line per unit."""

    list_display = ("reserved_at", "workspace", "instance_id", "source_value", "username", "state", "fault")
    list_filter = ("state", "fault", "reserved_at")
    search_fields = ("instance_id", "source_value", "username", "workspace__name")
    list_select_related = ("workspace",)
    ordering = ("-reserved_at",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "outcome", "reason", "workspace", "instance_id", "note")
    list_filter = ("action", "outcome", "reason", "at")
    search_fields = ("instance_id", "actor", "workspace__name", "note")
    list_select_related = ("workspace",)
    date_hierarchy = "at"
    show_facets = admin.ShowFacets.NEVER


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """Health and expiry of connections; the token is no field of these pages."""

    list_display = ("account", "login", "workspace", "state", "cause", "expires_at", "next_renewal_at")
    list_filter = ("state", "login")
    search_fields = ("username", "account_id", "workspace__name", "links__instance_id")
    list_select_related = ("workspace",)
    exclude = ("token", "renewal_lease_expires_at")

    @admin.display(ordering="username")
    def account(self, connection: Connection) -> str:
        return f"@{connection.username}"
