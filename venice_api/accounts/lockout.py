"""The client address and the lockout page for django-axes, which counts failed sign-ins."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from venice_api.client_address import UNKNOWN, client_address


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE: 429, with the time until the next attempt is accepted."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    response = render(request, "account/locked_out.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(minutes * 60)
    response["Cache-Control"] = "no-store"
    return response


def address_of(request: HttpRequest) -> str | None:
    """AXES_CLIENT_IP_CALLABLE: the client's address. None when unknown: the column accepts only addresses."""
    address = client_address(request.META, settings.TRUSTED_PROXIES)
    return None if address == UNKNOWN else address.partition("/")[0]
