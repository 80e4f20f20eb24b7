"""What editors and owners do on a widget's page. Each act is a separate form and redirects back to the page."""

from __future__ import annotations

from copy import copy

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from entitlements.limits import fresh_limits_for
from paris_integration import public as paris
from venice_api import wording
from venice_api.editor import panel
from venice_api.editor.forms import SettingsForm
from venice_api.editor.gates import actor, for_editing
from venice_api.instances import from_row, rotate_embed_token


@login_required
@require_POST
def save_settings(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Save the form, or, with the button named `preview`, show the result without saving it."""
    with transaction.atomic():
        instance, role = for_editing(request, instance_id, lock=True)
        saved = copy(instance)  # validation writes into the instance
        limits = fresh_limits_for(instance.workspace_id, now=timezone.now())
        form = SettingsForm(request.POST, instance=instance, limits=limits)
        is_valid = form.is_valid()
        is_saved = is_valid and "preview" not in request.POST
        if is_saved:
            form.save()
    if is_saved:
        notes = "".join(f" {note}." for note in form.origin_notes)
        messages.success(request, f"Saved. Pages that show the widget update within a minute.{notes}")
        return redirect("editor-detail", instance_id=instance.pk)
    draft = form.source if is_valid else None
    return panel.show(request, saved, role, limits, form, draft=draft, status=200 if is_valid else 400)


@login_required
@require_POST
def new_token(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = for_editing(request, instance_id)
    rotate_embed_token(instance.pk)
    messages.success(request, "The old embed code no longer works. Copy the new code to your pages.")
    return redirect("editor-publish", instance_id=instance.pk)


@login_required
@require_POST
def refresh_now(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = for_editing(request, instance_id)
    known = from_row(instance)
    try:
        view = paris.force_refresh(
            known.feed_key(), known.selection(), actor=actor(request), now=timezone.now()
        )
    except paris.RefreshBlocked:
        messages.warning(request, wording.NOT_REFRESHED)
    except paris.TooBusy:
        messages.warning(request, wording.ANOTHER_REFRESH)
    else:
        if wording.was_refreshed(view):
            messages.success(request, "The posts are up to date.")
        else:
            messages.warning(request, wording.NOT_REFRESHED)
    return redirect("editor-detail", instance_id=instance.pk)


@login_required
@require_POST
def delete_widget(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Delete the widget with its posts, its embed code, and its connection unless other widgets use it."""
    instance, _ = for_editing(request, instance_id)
    instance.delete()
    messages.success(request, "The widget was deleted. Remove its embed code from your pages.")
    return redirect("editor-list")


@login_required
@require_POST
def disconnect(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = for_editing(request, instance_id)
    paris.disconnect(from_row(instance).feed_key(), actor=actor(request), now=timezone.now())
    messages.success(request, "Disconnected. The account's posts were deleted from this widget.")
    return redirect("editor-detail", instance_id=instance.pk)
