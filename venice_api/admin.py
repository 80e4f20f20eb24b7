"""Staff screens for widget instances: configuration, the state of feed and quota in words, and acts for a customer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from paris_integration import public as paris
from venice_api import support_words
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

MAX_GRANT = 100


class GrantForm(forms.Form):
    units = forms.IntegerField(
        min_value=1,
        max_value=MAX_GRANT,
        initial=1,
        help_text="On top of the plan, for today (UTC) and this hour.",
    )
    note = forms.CharField(max_length=400, help_text="Why; it goes into the audit trail.")


class NoteForm(forms.Form):
    note = forms.CharField(max_length=400, help_text="Why; it goes into the audit trail.")


@admin.register(WidgetInstance)
class WidgetInstanceAdmin(admin.ModelAdmin):
    list_display = ("id", "name", "workspace", "source_type", "source_value", "updated_at")
    list_filter = ("source_type",)
    search_fields = ("id", "name", "source_value", "workspace__name")
    list_select_related = ("workspace",)
    readonly_fields = ("id", "feed_state", "quota_state", "token_version", "created_at", "updated_at")
    autocomplete_fields = ("workspace",)
    change_form_template = "admin/venice_api/instance_change.html"

    @admin.display(description="Feed")
    def feed_state(self, row: WidgetInstance) -> str:
        return support_words.freshness_words(self._view(row)) if not row._state.adding else "-"

    @admin.display(description="Forced refreshes")
    def quota_state(self, row: WidgetInstance) -> str:
        forced = self._view(row).forced if not row._state.adding else None
        return support_words.quota_words(forced) if forced else "-"

    def get_urls(self) -> list[URLPattern]:
        acts = [
            path(
                f"<path:instance_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"venice_api_widgetinstance_{name}",
            )
            for name, view in (("grant", self.grant_view), ("clear-backoff", self.clear_backoff_view))
        ]
        return [*acts, *super().get_urls()]

    def grant_view(self, request: HttpRequest, instance_id: str) -> HttpResponse:
        """Give the widget's source extra units for today."""

        def grant(key: paris.FeedKey, typed: dict[str, Any]) -> str:
            paris.grant_units(key, typed["units"], actor=_actor(request), note=typed["note"])
            return f"Granted {typed['units']} more for today."

        return self._act(request, instance_id, "Grant refreshes for today", GrantForm, grant)

    def clear_backoff_view(self, request: HttpRequest, instance_id: str) -> HttpResponse:
        """End the back-off that failures left on the widget's source."""

        def clear(key: paris.FeedKey, typed: dict[str, Any]) -> str:
            cleared = paris.clear_backoff(key, actor=_actor(request), now=timezone.now(), note=typed["note"])
            return "The back-off is cleared." if cleared else "Nothing was held back."

        return self._act(request, instance_id, "Clear the back-off", NoteForm, clear)

    def _act(
        self, request: HttpRequest, instance_id: str, title: str, form_class: type[forms.Form], act: Any
    ) -> HttpResponse:
        row = get_object_or_404(WidgetInstance, pk=instance_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        form = form_class(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self.message_user(request, act(from_row(row).feed_key(), form.cleaned_data))
            return HttpResponseRedirect(reverse("admin:venice_api_widgetinstance_change", args=[row.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "form": form,
            "instance": row,
            "opts": self.opts,
            "quota": self.quota_state(row),
        }
        return TemplateResponse(request, "admin/venice_api/act.html", context)

    def _view(self, row: WidgetInstance) -> paris.FeedView:
        instance = from_row(row)
        return paris.look_at(instance.feed_key(), instance.selection(), now=timezone.now())


def _actor(request: HttpRequest) -> paris.Actor:
    return paris.Actor(request.user.pk, request.user.get_username())
