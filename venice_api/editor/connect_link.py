"""The page on which editors make connect links for a widget, and withdraw them."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from entitlements.limits import fresh_limits_for
from outbox import sending
from paris_integration import public as paris
from venice_api.editor.gates import actor, for_editing, page
from venice_api.instances import from_row
from venice_api.mail_limits import ENOUGH_MAILS, may_mail
from venice_api.models import WidgetInstance


class LinkForm(forms.Form):
    email = forms.EmailField(
        label="Email address",
        required=False,
        max_length=254,
        help_text="We send the link there. Leave it empty to copy the link and send it yourself.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def connect_link(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance, _ = for_editing(request, instance_id)
    if request.method != "POST":
        return _page(request, instance, LinkForm(label_suffix=""))
    form = LinkForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, instance, form, status=400)
    if not _is_allowed(instance):
        return _page(request, instance, form, status=403)
    email = form.cleaned_data["email"].lower()
    if email and not may_mail(request, "connect_links", workspace_id=instance.workspace_id, email=email):
        form.add_error("email", ENOUGH_MAILS)
        return _page(request, instance, form, status=429)
    try:
        code = paris.make_link(from_row(instance).feed_key(), actor=actor(request), now=timezone.now())
    except paris.TooManyLinks:
        form.add_error(None, "This widget has five open links. Withdraw one first.")
        return _page(request, instance, form, status=409)
    url = settings.PUBLIC_BASE_URL + reverse("connect-link", args=[code])
    if email:
        sending.queue("connect_link", email, {"workspace": instance.workspace.name, "connect_url": url})
        messages.success(request, f"We've sent the link to {email}.")
        return redirect("editor-connect-link", instance_id=instance.pk)
    # Shown in this answer alone: only a hash of it is stored.
    return _page(request, instance, LinkForm(label_suffix=""), made=url)


@login_required
@require_POST
def withdraw(request: HttpRequest, instance_id: str, link_id: UUID) -> HttpResponse:
    instance, _ = for_editing(request, instance_id)
    key = from_row(instance).feed_key()
    if paris.withdraw_link(key, link_id, actor=actor(request), now=timezone.now()):
        messages.success(request, "The link is withdrawn.")
    else:
        messages.warning(request, "That link was no longer open.")
    return redirect("editor-connect-link", instance_id=instance.pk)


def _is_allowed(instance: WidgetInstance) -> bool:
    return fresh_limits_for(instance.workspace_id, now=timezone.now()).oauth_enabled


def _page(
    request: HttpRequest, instance: WidgetInstance, form: LinkForm, *, made: str = "", status: int = 200
) -> HttpResponse:
    links = paris.links_of(from_row(instance).feed_key(), now=timezone.now())
    context: dict[str, object] = {
        "instance": instance,
        "form": form,
        "made": made,
        "links": links,
        "is_allowed": _is_allowed(instance),
    }
    return page(request, "editor/connect_link.html", context, status=status)
