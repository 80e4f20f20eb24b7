"""Changes of plans and roles need a sign-in of the last hour.

The time is kept in the session. Whoever signed in longer ago confirms who they are, and the form is then sent again.
Sessions are rows of the database, so they keep the form's fields alone, and nothing of a form with a password.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.account.signals import authentication_step_completed
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.signals import user_logged_in
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import resolve
from django.utils.http import urlencode

SESSION_KEY = "signed_in_at"
LASTS_SECONDS = 3_600
ADMIN_PAGES = ("entitlements_", "auth_user_", "auth_group_")
PAGES_WITH_SECRETS = frozenset(
    {"auth_user_add", "auth_user_password_change", "account_set_password", "mfa_activate_totp"}
)
NOT_KEPT = "You will have to fill in the form again: passwords aren't kept while you confirm who you are."

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
    """The same for the admin's pages of plans, workspaces, people and staff roles, and for pages of django-allauth."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.namespace != "admin" or not str(match.url_name).startswith(ADMIN_PAGES):
            return None
        return _confirm_first(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ReauthenticationRequired):
            return None
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return _ask_who_it_is(request)


def send_again(request: HttpRequest, kept: dict[str, str]) -> HttpResponse:
    """Called by django-allauth with what `_ask_who_it_is` kept, after the person has confirmed who they are."""
    next_page = get_next_redirect_url(request)
    if next_page != kept["page"]:
        return HttpResponseRedirect(next_page or get_adapter(request).get_login_redirect_url(request))
    request.path, request.path_info = kept["path"], kept["path_info"]
    request.META = {**request.META, "PATH_INFO": kept["path_info"], "QUERY_STRING": kept["query"]}
    request.GET, request.POST = QueryDict(kept["query"]), QueryDict(kept["form"])
    request.resolver_match = match = resolve(kept["path_info"])
    return cast(HttpResponse, match.func(request, *match.args, **match.kwargs))


def _confirm_first(request: HttpRequest) -> HttpResponse | None:
    changes = request.method == "POST" or _asks_for_secrets(request)
    if not changes or not request.user.is_authenticated or is_fresh(request):
        return None
    return _ask_who_it_is(request)


def _ask_who_it_is(request: HttpRequest) -> HttpResponse:
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    if not methods:
        raise PermissionDenied
    page = request.get_full_path()
    request.session.pop(STATE_SESSION_KEY, None)
    if request.method == "POST" and _asks_for_secrets(request):
        messages.info(request, NOT_KEPT)
    elif request.method == "POST":
        fields = request.POST.copy()
        fields.pop("csrfmiddlewaretoken", None)
        kept = {
            "page": page,
            "path": request.path,
            "path_info": request.path_info,
            "query": request.META.get("QUERY_STRING", ""),
            "form": fields.urlencode(),
        }
        request.session[STATE_SESSION_KEY] = {"callback": f"{__name__}.{send_again.__name__}", "state": kept}
    return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({REDIRECT_FIELD_NAME: page})}")


def _asks_for_secrets(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name in PAGES_WITH_SECRETS


def _note(request: HttpRequest, **_: Any) -> None:
    request.session[SESSION_KEY] = time.time()


def connect() -> None:
    user_logged_in.connect(_note, dispatch_uid="fresh_sign_in")
    authentication_step_completed.connect(_note, dispatch_uid="fresh_sign_in")
