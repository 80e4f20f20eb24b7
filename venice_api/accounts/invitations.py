"""The page of an invitation's link: accept it with an account, or make one."""

from __future__ import annotations

from typing import cast

from allauth.account.internal.userkit import filter_users_by_email
from allauth.account.utils import perform_login
from django import forms
from django.contrib import messages
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from entitlements import members
from entitlements.members import InvitationState
from entitlements.models import Invitation
from venice_api.accounts import addresses
from venice_api.accounts.members import CAN


class NewAccountForm(BaseUserCreationForm):  # type: ignore[type-arg]
    """Username and password. The address is the invitation's."""

    password2 = None  # type: ignore[assignment]

    class Meta(BaseUserCreationForm.Meta):
        model = User
        fields = ("username",)

    def clean_username(self) -> str:
        username = str(self.cleaned_data["username"])
        if "@" in username:  # could be somebody else's address, with which they sign in
            raise forms.ValidationError(
                "A username can't contain @. You can sign in with your address as well."
            )
        if User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError("Someone else uses this username. Choose another.")
        return username

    def validate_passwords(self, *_: object, **__: object) -> None:
        """Typed once: a mistyped password can be reset by mail."""

    def validate_password_for_user(self, user: User, *_: object) -> None:
        super().validate_password_for_user(user, "password1")  # type: ignore[misc]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, code: str) -> HttpResponse:
    found = members.find_invitation(code)
    state = members.state_of(found, now=timezone.now()) if found else InvitationState.UNKNOWN
    if found is None or state is not InvitationState.OPEN:
        return _closed(request, state, found)
    user = request.user
    if user.is_authenticated:
        if user.email.lower() != found.email:
            return _page(request, found, "other_account", status=409 if request.method == "POST" else 200)
        if request.method != "POST":
            return _page(request, found, "accept")
        return _accept(request, code, user) or redirect("editor-list")
    if filter_users_by_email(found.email):
        return _page(request, found, "sign_in", status=409 if request.method == "POST" else 200)
    return _new_account(request, code, found)


def _new_account(request: HttpRequest, code: str, found: Invitation) -> HttpResponse:
    form = NewAccountForm(request.POST or None, instance=User(email=found.email))
    if request.method != "POST" or not form.is_valid():
        return _page(request, found, "new", form=form, status=400 if form.errors else 200)
    with transaction.atomic():
        person = form.save()
        addresses.trust_current(person)
        closed = _accept(request, code, person)
        if closed is not None:
            transaction.set_rollback(True)
    return closed or cast(HttpResponse, perform_login(request, person))


def _accept(request: HttpRequest, code: str, person: User) -> HttpResponse | None:
    """None once the person is a member. Otherwise the page that says why not."""
    try:
        accepted = members.accept(code, person, now=timezone.now())
    except members.InvitationClosed as closed:
        return _closed(request, closed.state, members.find_invitation(code))
    except members.AlreadyMember:
        messages.info(request, "You're already a member of this workspace.")
        return redirect("editor-list")
    messages.success(request, f"Welcome to {accepted.workspace.name}.")
    return None


def _page(
    request: HttpRequest,
    found: Invitation,
    step: str,
    *,
    status: int = 200,
    form: NewAccountForm | None = None,
) -> HttpResponse:
    context = {"invitation": found, "can": CAN[found.role], "step": step, "form": form}
    return _private(render(request, "account/invitation.html", context, status=status))


def _closed(request: HttpRequest, state: InvitationState, found: Invitation | None) -> HttpResponse:
    context = {"invitation": found, "step": state.value}
    return _private(render(request, "account/invitation.html", context, status=410 if found else 404))


def _private(response: HttpResponse) -> HttpResponse:
    # The address contains the link's code. With `no-referrer`, browsers would send forms without their origin.
    response["Referrer-Policy"] = "strict-origin"
    return response
