"""The sign-in page, and the overview of a person's own account."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.views import EmailView as AllauthEmailView
from allauth.account.views import LoginView
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from venice_api.accounts import addresses, second_factor
from venice_api.accounts.forms import SignInForm


class SignInView(LoginView):  # type: ignore[misc]
    """For everyone, staff included. Both steps of a two-step sign-in begin here."""

    form_class = SignInForm
    template_name = "account/login.html"
    success_url: str | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "next": self._next()}

    def _next(self) -> str:
        return str(self.get_next_url() or "")


sign_in = SignInView.as_view()


@never_cache
def admin_sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The admin's sign-in page is the same. Whoever is signed in without being staff is told so."""
    if request.user.is_authenticated:
        if request.user.is_staff:
            return HttpResponseRedirect(reverse("admin:index"))
        return render(request, "account/not_staff.html", status=403)
    if not request.GET.get("next") and not request.POST.get("next"):
        return cast(HttpResponse, SignInView.as_view(success_url=reverse("admin:index"))(request))
    return cast(HttpResponse, sign_in(request))


class EmailView(AllauthEmailView):  # type: ignore[misc]
    """A new address replaces the current one once it is confirmed."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User):
            addresses.trust_current(request.user)
        return cast(HttpResponseBase, super().dispatch(request, *args, **kwargs))


class SetUpView(ActivateTOTPView):  # type: ignore[misc]
    """Set up an authenticator app."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        second_factor.note_setup(self.request, self.request.user)
        return cast(HttpResponse, response)


@login_required
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What a person can change about their own account."""
    has_factor = Authenticator.objects.filter(user=request.user.pk, type=Authenticator.Type.TOTP).exists()
    return render(request, "account/overview.html", {"has_factor": has_factor})


@login_required
@require_POST
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """Sign out one of the person's other browsers."""
    session = UserSession.objects.filter(pk=session_id, user=request.user.pk).first()
    if session is not None and not session.is_current():
        session.end()
        messages.success(request, "That browser is signed out.")
    return HttpResponseRedirect(reverse("usersessions_list"))
