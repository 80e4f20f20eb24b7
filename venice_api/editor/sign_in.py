"""The forms of both sign-in pages, where failed sign-ins come from, and the answer to too many; axes counts them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from venice_api.client_address import UNKNOWN, client_address


class SignInForm(AuthenticationForm):
    """A name longer than any user's is a wrong one. It is not counted: no column for failures could hold it."""

    def clean(self) -> dict[str, Any]:
        if len(self.cleaned_data.get("username", "")) > (self.fields["username"].max_length or 0):  # type: ignore[attr-defined]
            raise self.get_invalid_login_error()
        return super().clean()


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same for the admin's page."""


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE: 429 with the time after which another try counts."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    response = render(request, "registration/locked_out.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(minutes * 60)
    response["Cache-Control"] = "no-store"
    return response


def address_of(request: HttpRequest) -> str | None:
    """AXES_CLIENT_IP_CALLABLE: the client's address, or None when it is unknown: the column takes addresses only."""
    address = client_address(request.META, settings.TRUSTED_PROXIES)
    return None if address == UNKNOWN else address.partition("/")[0]
