"""The members page of a workspace, for its owners."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from entitlements import members
from entitlements.changes import Actor
from entitlements.memberships import Role, role_in
from entitlements.models import EntitlementChange, Invitation, Membership, Workspace
from outbox import sending
from venice_api.accounts.freshness import changes_need_fresh_sign_in
from venice_api.mail_limits import ENOUGH_MAILS, may_mail

SHOWN_CHANGES = 20
ROLE_WORDS = {
    Role.VIEWER: "see the widgets",
    Role.EDITOR: "create and change widgets, and connect Instagram accounts",
    Role.OWNER: "do everything, and manage the members",
}
CAN = {role.value: words for role, words in ROLE_WORDS.items()}
LAST_OWNER = "A workspace needs an owner. Make someone else an owner first."
GONE = "That has already changed. This is how it is now."

Act = Callable[..., HttpResponse]


class InviteForm(forms.Form):
    email = forms.EmailField(label="Email address", max_length=254)
    role = forms.ChoiceField(label="Role", choices=Role.choices, initial=Role.EDITOR)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


def owners_only(view: Act) -> Act:
    """404 for outsiders, 403 for other members. Passes the workspace."""

    @wraps(view)
    def checked(request: HttpRequest, workspace_id: UUID, **kwargs: Any) -> HttpResponse:
        role = role_in(int(request.user.pk or 0), workspace_id)
        workspace = Workspace.objects.filter(pk=workspace_id).first()
        if role is None or workspace is None:
            raise Http404
        if role is not Role.OWNER:
            raise PermissionDenied
        return view(request, workspace, **kwargs)

    return login_required(checked)


def _act(view: Act) -> Act:
    """A POST of the members page: does one thing, and shows the page again with the result."""

    @wraps(view)
    def done(request: HttpRequest, workspace: Workspace, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, workspace, **kwargs)
        except members.LastOwner:
            messages.error(request, LAST_OWNER)
        except members.NoSuchMember:
            messages.error(request, GONE)
        except (members.NotAnOwner, Workspace.DoesNotExist):
            raise PermissionDenied from None
        return redirect("members", workspace.pk)

    return require_POST(owners_only(done))


@never_cache
@require_safe
@owners_only
def page(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    return _page(request, workspace, InviteForm(label_suffix=""))


@changes_need_fresh_sign_in
@_act
def invite(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    form = InviteForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, workspace, form, status=400)
    email, role = form.cleaned_data["email"].lower(), Role(form.cleaned_data["role"])
    if not _may_mail(request, workspace, email):
        form.add_error("email", ENOUGH_MAILS)
        return _page(request, workspace, form, status=429)
    try:
        invitation, code = members.invite(
            workspace.pk, email, role, actor=_actor(request), now=timezone.now()
        )
    except members.AlreadyMember:
        form.add_error("email", "The person with this address is already a member.")
        return _page(request, workspace, form, status=400)
    _send(workspace, invitation, code)
    messages.success(request, f"We've sent an invitation to {email}.")
    return redirect("members", workspace.pk)


@changes_need_fresh_sign_in
@_act
def resend(request: HttpRequest, workspace: Workspace, invitation_id: int) -> HttpResponse:
    open_one = Invitation.objects.filter(pk=invitation_id, workspace=workspace).first()
    if open_one is None:
        raise members.NoSuchMember
    if not _may_mail(request, workspace, open_one.email):
        messages.error(request, ENOUGH_MAILS)
        return redirect("members", workspace.pk)
    invitation, code = members.resend(workspace.pk, invitation_id, actor=_actor(request), now=timezone.now())
    _send(workspace, invitation, code)
    messages.success(request, f"We've sent {invitation.email} a new link. The old one no longer works.")
    return redirect("members", workspace.pk)


@_act
def withdraw(request: HttpRequest, workspace: Workspace, invitation_id: int) -> HttpResponse:
    members.withdraw(workspace.pk, invitation_id, actor=_actor(request), now=timezone.now())
    messages.success(request, "The invitation is withdrawn. Its link no longer works.")
    return redirect("members", workspace.pk)


@changes_need_fresh_sign_in
@_act
def set_role(request: HttpRequest, workspace: Workspace, user_id: int) -> HttpResponse:
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(
            request, workspace, InviteForm(label_suffix=""), status=400, problem="Choose one of the roles."
        )
    members.set_role(workspace.pk, user_id, Role(form.cleaned_data["role"]), actor=_actor(request))
    messages.success(request, "The role is changed.")
    return _next_page(request, workspace)


@changes_need_fresh_sign_in
@_act
def remove(request: HttpRequest, workspace: Workspace, user_id: int) -> HttpResponse:
    members.remove(workspace.pk, user_id, actor=_actor(request))
    messages.success(request, "That person can no longer open this workspace.")
    return _next_page(request, workspace)


def _next_page(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    """The members page, unless the person has just given up being an owner."""
    still_owner = role_in(int(request.user.pk or 0), workspace.pk) is Role.OWNER
    return redirect("members", workspace.pk) if still_owner else redirect("editor-list")


def _page(
    request: HttpRequest, workspace: Workspace, form: InviteForm, *, status: int = 200, problem: str = ""
) -> HttpResponse:
    now = timezone.now()
    invitations = Invitation.objects.filter(
        workspace=workspace, accepted_at__isnull=True, withdrawn_at__isnull=True
    ).order_by("email")
    context = {
        "workspace": workspace,
        "form": form,
        "problem": problem,
        "roles": [(role.value, role.label, ROLE_WORDS[role]) for role in Role],
        "memberships": Membership.objects.filter(workspace=workspace)
        .select_related("user")
        .order_by("user__username"),
        "invitations": [(each, members.state_of(each, now=now).value) for each in invitations],
        "changes": EntitlementChange.objects.filter(workspace=workspace, key__in=members.HISTORY_KEYS)[
            :SHOWN_CHANGES
        ],
    }
    return render(request, "account/members.html", context, status=status)


def _may_mail(request: HttpRequest, workspace: Workspace, email: str) -> bool:
    return may_mail(request, "invitations", workspace_id=workspace.pk, email=email)


def _send(workspace: Workspace, invitation: Invitation, code: str) -> None:
    sending.queue(
        "invitation",
        invitation.email,
        {
            "workspace": workspace.name,
            "inviter": invitation.inviter,
            "can": CAN[invitation.role],
            "accept_url": settings.PUBLIC_BASE_URL + reverse("invitation", args=[code]),
            "expires_at": invitation.expires_at,
        },
    )


def _actor(request: HttpRequest) -> Actor:
    return Actor(request.user.get_username(), request.user)
