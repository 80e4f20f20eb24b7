"""Editor pages: the list of widgets, one widget, and a new one. Changes to a widget are in `acts`."""

from __future__ import annotations

from itertools import groupby
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from entitlements.limits import fresh_limits_for
from entitlements.memberships import Role, can_edit, role_in, roles_of, workspaces_of
from entitlements.models import Workspace
from paris_integration import public as paris
from venice_api import wording
from venice_api.editor import panel, platforms, previews
from venice_api.editor.forms import SettingsForm
from venice_api.editor.gates import instance_and_role, page, user_id
from venice_api.editor.live import live_context
from venice_api.instances import from_row
from venice_api.models import WidgetInstance


@login_required
@require_safe
def instance_list(request: HttpRequest) -> HttpResponse:
    if _take_login_result(request):
        return redirect("editor-list")
    workspaces = workspaces_of(user_id(request)).select_related("plan").order_by("name", "pk")
    rows = WidgetInstance.objects.filter(workspace__in=workspaces).order_by(
        "workspace__name", "workspace", "created_at"
    )
    glances = paris.glance_at([from_row(row).feed_key() for row in rows], now=timezone.now())
    widgets = {
        workspace_id: [(row, wording.health_of(glances[row.pk])) for row in group]
        for workspace_id, group in groupby(rows, lambda row: row.workspace_id)
    }
    roles = roles_of(user_id(request))
    shelves = [
        {
            "workspace": workspace,
            "widgets": widgets.get(workspace.pk, []),
            "may_edit": role is not None and can_edit(role),
            "is_owner": role is Role.OWNER,
        }
        for workspace, role in ((each, roles.get(each.pk)) for each in workspaces)
    ]
    return page(request, "editor/list.html", {"shelves": shelves})


@login_required
@require_safe
def instance_detail(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, role = instance_and_role(request, instance_id)
    if _take_login_result(request):
        return redirect("editor-detail", instance_id=instance.pk)
    limits = fresh_limits_for(instance.workspace_id, now=timezone.now())
    form = SettingsForm(instance=instance, limits=limits)
    return panel.show(request, instance, role, limits, form)


@login_required
@require_safe
def publish(request: HttpRequest, instance_id: str) -> HttpResponse:
    """How to put the widget on a page, for each kind of site."""
    instance, role = instance_and_role(request, instance_id)
    return page(
        request,
        "editor/publish.html",
        {
            "instance": instance,
            "may_edit": can_edit(role),
            "platforms": platforms.platforms(panel.embed_codes(instance)),
            **live_context(instance.pk, now=timezone.now()),
        },
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_instance(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """Create a widget and redirect to its page. With the button named `preview`, only show its posts."""
    workspace = workspaces_of(user_id(request)).filter(pk=workspace_id).first()
    if workspace is None:
        raise Http404
    if not _may_edit(request, workspace):
        raise PermissionDenied
    now = timezone.now()
    limits = fresh_limits_for(workspace.pk, now=now)
    form = SettingsForm(request.POST or None, instance=WidgetInstance(workspace=workspace), limits=limits)
    if form.is_valid() and "preview" not in request.POST:
        made = form.save()
        messages.success(
            request,
            "Your widget was created. Check the preview, then paste the embed code into your page."
            + "".join(f" {note}." for note in form.origin_notes),
        )
        return redirect("editor-detail", instance_id=made.pk)
    context = {
        "form": form,
        "workspace": workspace,
        "preview": previews.preview(workspace.pk, form, now=now),
        **panel.source_locks(limits, workspace.pk, now=now),
    }
    return page(request, "editor/new.html", context, status=400 if form.errors else 200)


def _take_login_result(request: HttpRequest) -> bool:
    """Turn the result of a login in the query into a message, so that it isn't repeated when the page is reloaded."""
    result = wording.login_result_words(request.GET)
    if result is not None:
        level = messages.SUCCESS if result.kind == "done" else messages.WARNING
        messages.add_message(request, level, result.words)
    return result is not None


def _may_edit(request: HttpRequest, workspace: Workspace) -> bool:
    role = role_in(user_id(request), workspace.pk)
    return role is not None and can_edit(role)
