"""The redirect to Meta, and the address where Meta sends people back."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from paris_integration.public import Login


def callback_uri(login: Login) -> str:
    """The address registered with Meta: one path per authorisation server."""
    return settings.PUBLIC_BASE_URL + reverse(f"callback-{login.value}")


def to_meta(url: str) -> HttpResponse:
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
