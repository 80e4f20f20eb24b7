"""Staff pages for widget instances: settings, the state of feed and quota in words, and acts for a customer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from foundation.large_lists import LargeList
from paris_integration import public as paris
from venice_api import explaining, wording
from venice_api.accounts.views import admin_sign_in
from venice_api.instances import Instance, from_row
from venice_api.models import WidgetInstance
from venice_api.support.acts import ACTS, Act
from venice_api.support.finding import find

# The same sign-in page as the editor's.
admin.site.login = admin_sign_in  # type: ignore[method-assign]
MAY_ACT = "venice_api.act_for_customer"
STATE_FIELDS = ("why", "feed_state", "refresh_state", "picture_state", "moderation_state")


class GlancingList(ChangeList):
    """A page of rows with their health, looked up for all of them at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[WidgetInstance] = list(self.result_list)
        glances = paris.glance_at([from_row(row).feed_key() for row in rows], now=timezone.now())
        for row in rows:
            row.health_word = wording.health_of(glances[row.pk]).word  # type: ignore[attr-defined]
        self.result_list = rows


@admin.register(WidgetInstance)
class WidgetInstanceAdmin(LargeList):
    list_display = ("widget", "source", "health", "workspace", "id", "updated_at")
    list_per_page = 50
    list_filter = ("source_type", "workspace__plan")
    search_fields = ("id", "name", "source_value")
    search_exactly = ("id", "source_value", "name__icontains")
    search_help_text = "Search by widget ID or name, workspace name or ID, source, or connected username."
    list_select_related = ("workspace",)
    readonly_fields = ("id", *STATE_FIELDS, "token_version", "created_at", "updated_at")
    autocomplete_fields = ("workspace",)
    # Changed on the editor's pages.
    exclude = (
        "appearance",
        "pinned_post_ids",
        "required_words",
        "excluded_words",
        "needs_approval",
        "approved_post_ids",
        "alt_texts",
    )
    change_form_template = "admin/venice_api/instance_change.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WidgetInstance], search_term: str
    ) -> tuple[QuerySet[WidgetInstance], bool]:
        """Also search by the connected account, which only Paris knows."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        connected = paris.instances_connected_as(search_term.strip().removeprefix("@"))
        if connected and found is not queryset:
            found |= queryset.filter(pk__in=connected)
        return found, may_repeat

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return GlancingList

    @admin.display(description="Name", ordering="name")
    def widget(self, row: WidgetInstance) -> str:
        return row.name or "(no name)"

    @admin.display(description="Source", ordering="source_value")
    def source(self, row: WidgetInstance) -> str:
        return f"{'#' if row.source_type == WidgetInstance.SourceType.HASHTAG else '@'}{row.source_value}"

    @admin.display(description="Health")
    def health(self, row: WidgetInstance) -> str:
        return str(getattr(row, "health_word", "-"))

    @admin.display(description="Why")
    def why(self, row: WidgetInstance) -> SafeString:
        explanation = paris.explain_instance(from_row(row).feed_key(), now=timezone.now())
        return explaining.staff_chain(explanation)

    @admin.display(description="Feed")
    def feed_state(self, row: WidgetInstance) -> str:
        return wording.staff_freshness_words(_view(row))

    @admin.display(description="Refreshes")
    def refresh_state(self, row: WidgetInstance) -> str:
        return wording.staff_refresh_words(_view(row))

    @admin.display(description="Pictures")
    def picture_state(self, row: WidgetInstance) -> str:
        return wording.picture_words(paris.picture_status(from_row(row).feed_key())) or "no copies are made"

    @admin.display(description="Moderation")
    def moderation_state(self, row: WidgetInstance) -> str:
        return _moderation_words(from_row(row))

    def get_fields(self, request: HttpRequest, obj: WidgetInstance | None = None) -> Any:
        """The state comes first, where staff look. A new widget has none."""
        others = [name for name in super().get_fields(request, obj) if name not in STATE_FIELDS]
        return [*STATE_FIELDS, *others] if obj else others

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WidgetInstance]) -> None:
        """Delete one at a time, each in its own transaction, so that locks are held only briefly."""
        for row in queryset:
            row.delete()

    def get_urls(self) -> list[URLPattern]:
        acts = [
            path(
                f"<path:instance_id>/{act.name}/",
                self.admin_site.admin_view(partial(self.act_view, act=act)),
                name=f"venice_api_widgetinstance_{act.name}",
            )
            for act in ACTS
        ]
        search = path("find/", self.admin_site.admin_view(self.find_view), name="desk_find")
        return [search, *acts, *super().get_urls()]

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Workspaces and widgets that match what was typed in the search box of the first page."""
        typed = request.GET.get("q", "")
        found = find(typed, request.user)  # type: ignore[arg-type]
        context = {**self.admin_site.each_context(request), "title": "Search", "typed": typed, "found": found}
        return TemplateResponse(request, "admin/venice_api/find.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, object], *args: object, **kwargs: object
    ) -> HttpResponse:
        context["acts"] = ACTS if request.user.has_perm(MAY_ACT) else ()
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[arg-type]

    def act_view(self, request: HttpRequest, instance_id: str, act: Act) -> HttpResponse:
        """Show what the act will do, and do it when it is confirmed with a reason."""
        if not request.user.has_perm(MAY_ACT):
            raise PermissionDenied
        row = get_object_or_404(WidgetInstance, pk=unquote(instance_id))
        form = act.form(request.POST or None)
        if request.method == "POST" and form.is_valid():
            actor = paris.Actor(request.user.pk, request.user.get_username())
            done = act.do(from_row(row), form.cleaned_data, actor, timezone.now())
            self.message_user(request, done.words, messages.SUCCESS if done.is_success else messages.WARNING)
            return HttpResponseRedirect(
                reverse("admin:venice_api_widgetinstance_change", args=[quote(row.pk)])
            )
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "effect": act.effect,
            "form": form,
            "instance": row,
            "opts": self.opts,
            "feed": wording.staff_freshness_words(_view(row)),
            "refreshes": wording.staff_refresh_words(_view(row)),
        }
        return TemplateResponse(request, "admin/venice_api/act.html", context)


def _view(row: WidgetInstance) -> paris.FeedView:
    """The row's feed, looked at once per request: the row lives no longer than that."""
    known: paris.FeedView | None = getattr(row, "_view", None)
    if known is None:
        instance = from_row(row)
        known = paris.look_at_feed(instance.feed_key(), instance.selection(), now=timezone.now())
        row._view = known  # type: ignore[attr-defined]
    return known


def _moderation_words(instance: Instance) -> str:
    """What the widget's owner hides, pins, filters and approves."""
    parts = [
        f"{len(instance.hidden_post_ids)} hidden" if instance.hidden_post_ids else "",
        f"{len(instance.pinned_post_ids)} pinned" if instance.pinned_post_ids else "",
        f"only posts with {_list_words(instance.required_words)}" if instance.required_words else "",
        f"no posts with {_list_words(instance.excluded_words)}" if instance.excluded_words else "",
        ""
        if instance.approved_post_ids is None
        else f"only approved posts ({len(instance.approved_post_ids)} approved)",
    ]
    return "; ".join(filter(None, parts)) or "none"


def _list_words(words: Sequence[str]) -> str:
    shown = ", ".join(words[:5])
    return f"{shown} and {len(words) - 5} more" if len(words) > 5 else shown
