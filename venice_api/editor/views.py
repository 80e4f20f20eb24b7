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
from entitlements.memberships import can_edit, role_in, workspaces_of
from entitlements.models import Workspace
from paris_integration import public as paris
from venice_api import wording
from venice_api.editor import panel
from venice_api.editor.forms import SettingsForm
from venice_api.editor.gates import instance_and_role, page, user_id
from venice_api.instances import from_row
from venice_api.models import WidgetInstance


@login_required
@require_safe
def instance_list(request: HttpRequest) -> HttpResponse:
    workspaces = workspaces_of(user_id(request)).select_related("plan").order_by("name", "pk")
    rows = WidgetInstance.objects.filter(workspace__in=workspaces).order_by(
        "workspace__name", "workspace", "created_at"
    )
    glances = paris.glance_at([from_row(row).feed_key() for row in rows], now=timezone.now())
    widgets = {
        workspace_id: [(row, wording.health_of(glances[row.pk])) for row in group]
        for workspace_id, group in groupby(rows, lambda row: row.workspace_id)
    }
    shelves = [
        {
            "workspace": workspace,
            "widgets": widgets.get(workspace.pk, []),
            "may_edit": _may_edit(request, workspace),
        }
        for workspace in workspaces
    ]
    return page(request, "editor/list.html", {"shelves": shelves})


@login_required
@require_safe
def instance_detail(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, role = instance_and_role(request, instance_id)
    limits = fresh_limits_for(instance.workspace_id, now=timezone.now())
    form = SettingsForm(instance=instance, limits=limits)
    return panel.show(request, instance, role, limits, form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_instance(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """Create a widget of the workspace, then redirect to its page."""
    workspace = workspaces_of(user_id(request)).filter(pk=workspace_id).first()
    if workspace is None:
        raise Http404
    if not _may_edit(request, workspace):
        raise PermissionDenied
    now = timezone.now()
    limits = fresh_limits_for(workspace.pk, now=now)
    form = SettingsForm(request.POST or None, instance=WidgetInstance(workspace=workspace), limits=limits)
    if request.method == "POST" and form.is_valid():
        made = form.save()
        messages.success(
            request, "Your widget was created. Check the preview, then paste the embed code into your page."
        )
        return redirect("editor-detail", instance_id=made.pk)
    context = {"form": form, "workspace": workspace, **panel.source_locks(limits, workspace.pk, now=now)}
    return page(request, "editor/new.html", context, status=400 if form.errors else 200)


def _may_edit(request: HttpRequest, workspace: Workspace) -> bool:
    role = role_in(user_id(request), workspace.pk)
    return role is not None and can_edit(role)
