"""Staff pages for widget instances: settings, the state of feed and quota in words, and acts for a customer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from foundation import staff_pages
from foundation.large_lists import LargeList
from paris_integration import public as paris
from venice_api import explaining, moderation, wording
from venice_api.accounts.views import admin_sign_in
from venice_api.editor.posts import all_posts
from venice_api.instances import Instance, from_row, needs_approval
from venice_api.models import WidgetInstance
from venice_api.policies import editor_policy
from venice_api.support.acts import ACTS, WIDGET_PAGE, Act
from venice_api.support.filters import NeedsAttention
from venice_api.support.finding import find
from venice_api.support.marked_posts import marked_posts
from venice_api.support.widget_form import LOOKS, SETTINGS, WidgetForm, looks_in_words
from venice_api.templatetags.editor_pages import handle

# The same sign-in page as the editor's.
admin.site.login = admin_sign_in  # type: ignore[method-assign]
# The lists need its width. The first page leads to all of them.
admin.site.enable_nav_sidebar = False
MAY_ACT = "venice_api.act_for_customer"
_POSTS = ("required_words", "excluded_words", "needs_approval")
_REMOVALS = {
    moderation.Act.SHOW: "The post is no longer hidden.",
    moderation.Act.UNPIN: "The post is unpinned.",
}
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
    """People who may change widgets have fields; the others see the same in words."""

    form = WidgetForm
    list_display = ("widget", "source", "health", "owner", "short_id", "updated")
    list_per_page = 50
    list_filter = (NeedsAttention, "source_type", "workspace__plan")
    search_fields = ("id", "name", "source_value")
    search_exactly = ("id", "source_value", "name__icontains")
    search_help_text = "Search by widget ID or name, workspace name or ID, source, or connected username."
    list_select_related = ("workspace",)
    readonly_fields = (
        "id", *STATE_FIELDS, "sites", "words", "approval", "looks", "token_version", "created", "updated",
    )  # fmt: skip
    autocomplete_fields = ("workspace",)
    change_form_template = "admin/venice_api/instance_change.html"

    class Media:
        js = ("venice/desk.js",)

    short_id = staff_pages.id_column("id", "ID")
    owner = staff_pages.text_column("workspace", 30)
    created = staff_pages.moment_column("created_at")
    updated = staff_pages.moment_column("updated_at")

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
        return staff_pages.short(row.name or "(no name)", 32)

    @admin.display(description="Source", ordering="source_value")
    def source(self, row: WidgetInstance) -> str:
        return staff_pages.short(handle(row), 32)

    @admin.display(description="Health")
    def health(self, row: WidgetInstance) -> str:
        return str(getattr(row, "health_word", "-"))

    @admin.display(description="Why")
    def why(self, row: WidgetInstance) -> SafeString:
        explanation = paris.explain_instance(from_row(_saved(row)).feed_key(), now=timezone.now())
        return explaining.staff_chain(explanation)

    @admin.display(description="Feed")
    def feed_state(self, row: WidgetInstance) -> str:
        return wording.staff_freshness_words(_view(_saved(row)))

    @admin.display(description="Refreshes")
    def refresh_state(self, row: WidgetInstance) -> str:
        return wording.staff_refresh_words(_view(_saved(row)))

    @admin.display(description="Pictures")
    def picture_state(self, row: WidgetInstance) -> str:
        return (
            wording.picture_words(paris.picture_status(from_row(_saved(row)).feed_key()))
            or "no copies are made"
        )

    @admin.display(description="Moderation")
    def moderation_state(self, row: WidgetInstance) -> str:
        return _moderation_words(from_row(_saved(row)))

    @admin.display(description="Allowed sites")
    def sites(self, row: WidgetInstance) -> SafeString | str:
        return _lines(row.allowed_origins) or "any site"

    @admin.display(description="Words")
    def words(self, row: WidgetInstance) -> str:
        required, excluded = from_row(row).required_words, from_row(row).excluded_words
        parts = [f"only posts with {', '.join(required)}" if required else ""]
        parts += [f"no posts with {', '.join(excluded)}" if excluded else ""]
        return "; ".join(filter(None, parts)) or "all posts"

    @admin.display(description="Approval")
    def approval(self, row: WidgetInstance) -> str:
        return "new posts wait for an editor's approval" if needs_approval(row) else "not needed"

    @admin.display(description="Looks")
    def looks(self, row: WidgetInstance) -> SafeString:
        return _lines(looks_in_words(row))

    def get_fieldsets(self, request: HttpRequest, obj: WidgetInstance | None = None) -> Any:
        """The state comes first, where staff look. A new widget has none."""
        if obj is None:
            return [(None, {"fields": SETTINGS})]
        state = (None, {"fields": STATE_FIELDS})
        rest = ("More", {"fields": ("id", "token_version", "created", "updated")})
        if not self.has_change_permission(request, obj):
            settings = (
                "name", "workspace", "source", "max_posts", "filter_type", "sites", "video_notice", "words", "approval",
                "looks",
            )  # fmt: skip
            return [state, ("Settings", {"fields": settings}), rest]
        is_profile = obj.source_type == WidgetInstance.SourceType.PROFILE
        looks = [name for name in LOOKS if is_profile or name not in WidgetForm.FOR_PROFILES]
        return [
            state,
            ("Settings", {"fields": [name for name in SETTINGS if name not in _POSTS]}),
            ("Posts", {"fields": _POSTS}),
            ("Looks", {"fields": looks}),
            rest,
        ]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        widget = staff_pages.NamedAutocomplete(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **{"widget": widget, **kwargs})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> WidgetInstance | None:
        """The widget. While a form is checked and saved, the row is locked, so that no editor's change is lost."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST" and connection.in_atomic_block:
            row = WidgetInstance.objects.select_for_update().filter(pk=row.pk).first()
        if row is not None:
            row.as_saved = copy(row)
        return row

    def save_model(self, request: HttpRequest, obj: WidgetInstance, form: Any, change: bool) -> None:
        """Save the columns that were changed, and approve what visitors see when approval is switched on."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        columns = form.changed_columns()
        if "appearance" in columns:
            obj.appearance = form.looks()
        if columns:
            obj.save(update_fields=[*columns, "updated_at"])
        if "needs_approval" in form.changed_data:
            shown = [post.id for post in all_posts(obj)] if obj.needs_approval else []
            moderation.set_approval(obj.pk, needed=obj.needs_approval, approving=shown)
        for note in form.notes():
            self.message_user(request, f"{note}.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WidgetInstance]) -> None:
        """Delete one at a time, each in its own transaction, so that locks are held only briefly."""
        for row in queryset:
            row.delete()

    def get_urls(self) -> list[URLPattern]:
        acts = [
            path(
                f"<path:instance_id>/{act.name}/",
                self.admin_site.admin_view(partial(self.act_view, act=act)),
                name=f"{WIDGET_PAGE}_{act.name}",
            )
            for act in ACTS
        ]
        posts = path(
            "<path:instance_id>/posts/",
            self.admin_site.admin_view(self.posts_view),
            name=f"{WIDGET_PAGE}_posts",
        )
        search = path("find/", self.admin_site.admin_view(self.find_view), name="desk_find")
        return [search, posts, *acts, *super().get_urls()]

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
        row = context.get("original")
        if isinstance(row, WidgetInstance):
            context["marked"] = marked_posts(_saved(row))
            context["may_remove"] = _may_moderate(request)
        response = super().render_change_form(request, context, *args, **kwargs)  # type: ignore[arg-type]
        response["Content-Security-Policy"] = editor_policy()  # thumbnails
        return response

    def posts_view(self, request: HttpRequest, instance_id: str) -> HttpResponse:
        """Show a hidden post again, or unpin a pinned one."""
        if not _may_moderate(request):
            raise PermissionDenied
        row = get_object_or_404(WidgetInstance, pk=unquote(instance_id))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        for act, words in _REMOVALS.items():
            if act.value in request.POST:
                change = moderation.moderate(row.pk, act, [request.POST[act.value]])
                if change.post_ids:
                    self.log_change(request, row, words)
                self.message_user(request, words if change.post_ids else "Nothing was changed.")
        return HttpResponseRedirect(f"{_page_of(row)}#marked-posts")

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
            return HttpResponseRedirect(_page_of(row))
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "effect": act.effect,
            "kind": act.kind,
            "lost": act.lost(from_row(row), timezone.now()),
            "form": form,
            "instance": row,
            "opts": self.opts,
            "feed": wording.staff_freshness_words(_view(row)),
            "refreshes": wording.staff_refresh_words(_view(row)),
        }
        return TemplateResponse(request, "admin/venice_api/act.html", context)


def _may_moderate(request: HttpRequest) -> bool:
    return request.user.has_perm("venice_api.change_widgetinstance") or request.user.has_perm(MAY_ACT)


def _page_of(row: WidgetInstance) -> str:
    return reverse(f"admin:{WIDGET_PAGE}_change", args=[quote(row.pk)])


def _lines(texts: Sequence[object]) -> SafeString:
    return format_html_join(mark_safe("<br>"), "<bdi>{}</bdi>", ((text,) for text in texts))


def _saved(row: WidgetInstance) -> WidgetInstance:
    """The row without what a form has written into it, which may be wrong."""
    saved: WidgetInstance = getattr(row, "as_saved", row)
    return saved


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
