"""Editor pages: the workspace's widgets, and one widget with its live preview and embed code."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from entitlements.limits import fresh_limits_for
from entitlements.memberships import Role, can_edit, role_in, workspaces_of
from paris_integration import public as paris
from venice_api import embed_tokens
from venice_api.editor import words
from venice_api.editor.forms import SettingsForm
from venice_api.embed.views import media_sources
from venice_api.instances import from_row, rotate_embed_token, set_hidden
from venice_api.models import WidgetInstance

SHOWN_POSTS = 48
_POST_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data: {media}; media-src 'self' {media}"
)


@login_required
@require_safe
def instance_list(request: HttpRequest) -> HttpResponse:
    workspaces = workspaces_of(_user_id(request))
    instances = WidgetInstance.objects.filter(workspace__in=workspaces).select_related("workspace")
    return _page(
        request, "editor/list.html", {"instances": instances.order_by("workspace__name", "created_at")}
    )


@login_required
@require_safe
def instance_detail(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, role = _instance_and_role(request, instance_id)
    limits = fresh_limits_for(instance.workspace_id, now=timezone.now())
    return _detail(request, instance, role, SettingsForm(instance=instance, limits=limits))


@login_required
@require_POST
def save_settings(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, role = _for_editing(request, instance_id)
    limits = fresh_limits_for(instance.workspace_id, now=timezone.now())
    form = SettingsForm(request.POST, instance=instance, limits=limits)
    if not form.is_valid():
        instance.refresh_from_db()
        return _detail(request, instance, role, form, status=400)
    form.save()
    messages.success(request, "Saved. Pages that show the widget follow within a minute.")
    return redirect("editor-detail", instance_id=instance.pk)


@login_required
@require_POST
def hide_post(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Hide one post from visitors, or show it again: `post` is its id, `act` is hide or show."""
    instance, _ = _for_editing(request, instance_id)
    post_id, act = request.POST.get("post", ""), request.POST.get("act", "")
    if not _POST_ID.fullmatch(post_id) or act not in {"hide", "show"}:
        raise BadRequest("post and act must be given")
    set_hidden(instance.pk, post_id, hidden=act == "hide")
    return HttpResponseRedirect(f"{reverse('editor-detail', args=[instance.pk])}#posts")


@login_required
@require_POST
def new_token(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = _for_editing(request, instance_id)
    rotate_embed_token(instance.pk)
    messages.success(request, "The old embed code no longer works. Copy the new one to your pages.")
    return redirect("editor-detail", instance_id=instance.pk)


def _detail(
    request: HttpRequest, instance: WidgetInstance, role: Role, form: SettingsForm, *, status: int = 200
) -> HttpResponse:
    connection = paris.find_connection(instance.pk)
    known = from_row(instance)
    # All posts, the hidden ones too: they can be shown again.
    view = paris.look_at(known.feed_key(), paris.Selection(max_posts=SHOWN_POSTS), now=timezone.now())
    token = embed_tokens.issue(instance.pk, instance.token_version)
    return _page(
        request,
        "editor/detail.html",
        {
            "form": form,
            "posts": [_tile(post, known.hidden_post_ids) for post in view.posts],
            "instance": instance,
            "token": token,
            "connection": connection,
            "state_words": words.connection_words(connection.state) if connection else "",
            "may_edit": can_edit(role),
            "view": view,
            "warnings": words.warning_words(view),
            "remaining": words.remaining_words(view.forced) if view.forced else "",
            "blocked": words.blocked_words(view.forced.reason) if view.forced and view.forced.reason else "",
            "upgrade": words.upgrade_words(view.forced.upgrade_hint) if view.forced else "",
            "result": words.login_result_words(request.GET),
            "script_url": f"{settings.PUBLIC_BASE_URL}/embed/widget.js",
            "frame_url": f"{settings.PUBLIC_BASE_URL}/embed/{instance.pk}?token={token}",
        },
        status=status,
    )


@login_required
@require_POST
def refresh_now(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = _for_editing(request, instance_id)
    known = from_row(instance)
    try:
        view = paris.force_refresh(
            known.feed_key(), known.selection(), actor=_actor(request), now=timezone.now()
        )
    except paris.RefreshBlocked as blocked:
        messages.warning(request, words.refusal_words(blocked))
    except paris.TooBusy:
        messages.warning(request, "Another refresh is under way. Try again in a moment.")
    else:
        problems = view.warnings & words.FAILURES
        if problems:
            messages.warning(request, words.warning_words(view)[0])
        else:
            messages.success(request, "The posts are up to date.")
    return redirect("editor-detail", instance_id=instance.pk)


@login_required
@require_POST
def disconnect(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = _for_editing(request, instance_id)
    paris.disconnect(from_row(instance).feed_key(), actor=_actor(request), now=timezone.now())
    return redirect("editor-detail", instance_id=instance.pk)


def _instance_and_role(request: HttpRequest, instance_id: str) -> tuple[WidgetInstance, Role]:
    """The instance and the reader's role in its workspace; 404 for outsiders, as for an unknown one."""
    instance = WidgetInstance.objects.select_related("workspace").filter(pk=instance_id).first()
    role = role_in(_user_id(request), instance.workspace_id) if instance else None
    if instance is None or role is None:
        raise Http404
    return instance, role


def _for_editing(request: HttpRequest, instance_id: str) -> tuple[WidgetInstance, Role]:
    """As `_instance_and_role`, for editors and owners alone."""
    instance, role = _instance_and_role(request, instance_id)
    if not can_edit(role):
        raise PermissionDenied
    return instance, role


def _actor(request: HttpRequest) -> paris.Actor:
    return paris.Actor(_user_id(request), request.user.get_username())


def _tile(post: paris.EncodedPost, hidden_ids: Collection[str]) -> dict[str, object]:
    """What the editor sees of a post: its picture, its words, and whether visitors see it."""
    external = json.loads(post.json)
    words_of_post = external.get("altText") or external.get("caption") or "a post without words"
    return {
        "id": post.id,
        "picture": external.get("thumbnailUrl"),
        "words": words_of_post[:120],
        "is_hidden": post.id in hidden_ids,
    }


def _user_id(request: HttpRequest) -> int:
    return int(request.user.pk or 0)


def _page(
    request: HttpRequest, template: str, context: dict[str, object], *, status: int = 200
) -> HttpResponse:
    response = render(request, template, context, status=status)
    response["Content-Security-Policy"] = _POLICY.format(media=media_sources())
    response["Cache-Control"] = "private, no-store"
    return response
