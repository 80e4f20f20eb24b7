"""Changes of plans and roles need a sign-in of the last hour.

The time is kept in the session. Whoever signed in longer ago confirms who they are, and the change then goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.account.signals import authentication_step_completed
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

SESSION_KEY = "signed_in_at"
LASTS_SECONDS = 3_600
ADMIN_PAGES = ("entitlements_", "auth_user_", "auth_group_")

View = TypeVar("View", bound=Callable[..., Any])


def is_fresh(request: HttpRequest, *, within_seconds: float = LASTS_SECONDS) -> bool:
    signed_in_at = request.session.get(SESSION_KEY)
    return isinstance(signed_in_at, int | float) and 0 <= time.time() - signed_in_at <= within_seconds


def changes_need_fresh_sign_in(view: View) -> View:
    """For views whose POST changes plans or roles. A request that came too late goes on after a new sign-in."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _confirm_first(request) or view(request, *args, **kwargs)

    return cast(View, checked)


class FreshSignInMiddleware:
    """The same for the admin's pages of plans, workspaces, people and staff roles."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.namespace != "admin" or not str(match.url_name).startswith(ADMIN_PAGES):
            return None
        return _confirm_first(request)


def _confirm_first(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST" or not request.user.is_authenticated or is_fresh(request):
        return None
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    if not methods:
        raise PermissionDenied
    return cast(HttpResponse, suspend_request(request, methods[0]["url"]))


def _note(request: HttpRequest, **_: Any) -> None:
    request.session[SESSION_KEY] = time.time()


def connect() -> None:
    user_logged_in.connect(_note, dispatch_uid="fresh_sign_in")
    authentication_step_completed.connect(_note, dispatch_uid="fresh_sign_in")
