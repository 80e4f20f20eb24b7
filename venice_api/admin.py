"""Staff screens for widget instances."""

from __future__ import annotations

from django.contrib import admin

from venice_api.models import WidgetInstance


@admin.register(WidgetInstance)
class WidgetInstanceAdmin(admin.ModelAdmin):
    list_display = ("id", "name", "workspace", "source_type", "source_value", "updated_at")
    list_filter = ("source_type",)
    search_fields = ("id", "name", "source_value", "workspace__name")
    list_select_related = ("workspace",)
    readonly_fields = ("id", "token_version", "created_at", "updated_at")
    autocomplete_fields = ("workspace",)
