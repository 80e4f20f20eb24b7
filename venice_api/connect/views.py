"""The login at Meta: connect, callback, the choice of an account, and disconnect.

Redirects lead only to Meta's login, to an entry of EDITOR_REDIRECT_URIS, or to the editor's pages.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from entitlements.limits import fresh_limits_for
from entitlements.memberships import can_edit
from paris_integration import public as paris
from paris_integration.public import Login
from venice_api.api import problems
from venice_api.api.answers import Disconnected
from venice_api.api.authentication import SessionAuthentication
from venice_api.api.http_caching import own_origins
from venice_api.api.inputs import ConnectQuery, DisconnectOrder, InstanceQuery
from venice_api.api.negotiation import JsonObjectParser
from venice_api.api.permissions import IsEditor, find_member
from venice_api.api.schema import errors
from venice_api.api.views import ApiView
from venice_api.connect import links
from venice_api.connect.redirects import callback_uri, to_meta
from venice_api.instances import Instance
from venice_api.policies import PAGE_POLICY
from venice_api.values import InvalidInput

LOGINS = {login.value: login for login in Login}


class ConnectView(ApiView):
    """`GET …/connect`: begin a login with a redirect to Meta."""

    http_method_names = ["get", "head"]
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsEditor]

    @extend_schema(
        operation_id="connect",
        summary="Begin a login with Meta",
        tags=["connection"],
        parameters=[InstanceQuery, ConnectQuery],
        responses={
            302: OpenApiResponse(
                description="Redirects to Meta, or back with `status=error&reason=PLAN_RESTRICTED`."
            ),
            **errors(400, 401, 403, 404, 429, 503),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        named = InstanceQuery(data=request.query_params)
        named.is_valid(raise_exception=True)
        instance = self.get_member(request, named.validated_data["instanceId"]).instance
        query = ConnectQuery(
            data=request.query_params, context={"redirect_uris": _redirect_uris(request._request, instance)}
        )
        query.is_valid(raise_exception=True)
        redirect_uri = query.validated_data.get("redirectUri", _editor_page(instance))
        login = LOGINS[query.validated_data.get("login", _usual_login(instance))]
        now = timezone.now()
        if not fresh_limits_for(instance.feed_key().workspace_id, now=now).oauth_enabled:
            return _back(redirect_uri, status="error", reason="PLAN_RESTRICTED")
        if not paris.offers(login):
            raise InvalidInput("login", "This login isn't set up on this service.")
        return to_meta(
            paris.begin_login(
                instance.feed_key(),
                login,
                actor=_actor(request._request, request.user),
                redirect_uri=redirect_uri,
                callback_uri=callback_uri(login),
                now=now,
            )
        )


@require_safe
def callback(request: HttpRequest, login: Login) -> HttpResponse:
    """Where Meta sends the user after the login. Redirects to where the login began, or to the choice of an account."""
    holders, now = _holders(request), timezone.now()
    if not holders:
        return _start_again(request, "signed_out")
    states, codes = (
        [_without_fragment(text) for text in request.GET.getlist(name)] for name in ("state", "code")
    )
    attempt = None
    for each in holders if len(states) == 1 else ():
        attempt = attempt or paris.take_state(login, states[0], actor=each, now=now)
    if attempt is None:
        if not request.user.is_authenticated:
            return _start_again(request, "link")
        return _back(_editor_list(), status="error", reason="STATE_INVALID")
    actor = _actor_of(request, attempt)
    try:
        if "error" in request.GET:
            denied = request.GET.get("error") == "access_denied"
            raise paris.LoginFailed("ACCESS_DENIED" if denied else "EXCHANGE_FAILED")
        if len(codes) != 1 or not 0 < len(codes[0]) <= 2_000:
            raise paris.LoginFailed("EXCHANGE_FAILED")
        _check_rights_again(request, attempt)
        account = paris.complete_login(
            attempt, codes[0], actor=actor, callback_uri=callback_uri(login), now=now
        )
    except paris.LoginFailed as failure:
        return _back(attempt.redirect_uri, status="error", reason=failure.reason)
    if account is None:
        return HttpResponseRedirect(reverse("connect-choose", args=[attempt.attempt_id]))
    return _back(attempt.redirect_uri, status="connected", account=account.username)


def _without_fragment(text: str) -> str:
    """Meta appends `#_` or `#_=_` to the URL. Browsers don't send it, but some clients that forward the URL do."""
    return text.removesuffix("#_=_") if text.endswith("#_=_") else text.removesuffix("#_")


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, attempt_id: UUID) -> HttpResponse:
    """The page to choose one of the several accounts that one login gave access to."""
    holders, now = _holders(request), timezone.now()
    if not holders:
        return _start_again(request, "signed_out")
    found = (paris.find_choice(attempt_id, actor=each, now=now) for each in holders)
    attempt = next((each for each in found if each), None)
    if attempt is None:
        return _start_again(request, "too_late" if request.user.is_authenticated else "link")
    actor = _actor_of(request, attempt)
    if request.method != "POST":
        return _choice_page(request, attempt)
    chosen = request.POST.get("account", "")
    if chosen not in {account.account_id for account in attempt.accounts}:
        return _choice_page(request, attempt, missing=True)
    try:
        _check_rights_again(request, attempt)
        account = paris.choose_account(attempt, chosen, actor=actor, now=now)
    except paris.LoginFailed as failure:
        return _back(attempt.redirect_uri, status="error", reason=failure.reason)
    return _back(attempt.redirect_uri, status="connected", account=account.username)


class DisconnectView(ApiView):
    """`POST …/disconnect`: unlink the account, delete its tokens and posts. Idempotent."""

    http_method_names = ["post"]
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsEditor]
    parser_classes = [JsonObjectParser]

    @extend_schema(
        operation_id="disconnect",
        summary="Disconnect the account and delete what was read with it",
        tags=["connection"],
        request=DisconnectOrder,
        responses={200: Disconnected, **errors(400, 401, 403, 404, 413, 415, 429, 503)},
    )
    def post(self, request: Request) -> Response:
        order = DisconnectOrder(data=request.data)
        order.is_valid(raise_exception=True)
        caller = self.get_member(request, order.validated_data["instanceId"])
        paris.disconnect(
            caller.instance.feed_key(),
            actor=paris.Actor(caller.user_id, caller.username),
            now=timezone.now(),
        )
        return Response({"status": "disconnected"}, headers={"Cache-Control": "no-store"})


def _choice_page(request: HttpRequest, attempt: paris.Attempt, *, missing: bool = False) -> HttpResponse:
    context = {"accounts": attempt.accounts, "missing": missing}
    response = render(request, "connect/choose.html", context, status=400 if missing else 200)
    # The answer to the form redirects to where the login began. Browsers apply form-action to that redirect, too.
    parts = urlsplit(attempt.redirect_uri)
    target = f"form-action 'self' {parts.scheme}://{parts.netloc}"
    response["Content-Security-Policy"] = PAGE_POLICY.replace("form-action 'self'", target)
    response["Cache-Control"] = "no-store"
    return response


def _start_again(request: HttpRequest, reason: str) -> HttpResponse:
    response = render(request, "connect/start_again.html", {"reason": reason}, status=400)
    response["Content-Security-Policy"] = PAGE_POLICY
    response["Cache-Control"] = "no-store"
    return response


def _redirect_uris(request: HttpRequest, instance: Instance) -> set[str]:
    """The allowed redirects: the editor's page, and the operator's entries, compared exactly."""
    own = {f"{origin}{_editor_path(instance)}" for origin in own_origins(request)}
    return own.union(settings.EDITOR_REDIRECT_URIS)


def _usual_login(instance: Instance) -> Login:
    return Login.FACEBOOK if instance.source_type == "hashtag" else Login.INSTAGRAM


def _check_rights_again(request: HttpRequest, attempt: paris.Attempt) -> None:
    """Check role (or link) and plan again, which may have changed since the login began. Raises LoginFailed."""
    if attempt.link_id is not None:
        links.check_rights(attempt)
        return
    try:
        caller = find_member(request.user, attempt.instance_id)
    except problems.Problem:
        raise paris.LoginFailed("STATE_INVALID") from None
    if not can_edit(caller.role) or caller.instance.feed_key().workspace_id != attempt.workspace_id:
        raise paris.LoginFailed("STATE_INVALID")
    if not fresh_limits_for(attempt.workspace_id, now=timezone.now()).oauth_enabled:
        raise paris.LoginFailed("PLAN_RESTRICTED")


def _holders(request: HttpRequest) -> list[paris.Actor]:
    """Who may have begun a login in this browser: the signed-in user, and the holder of a connect link."""
    user = request.user
    member = _actor(request, user) if isinstance(user, User) and user.is_active else None
    return [each for each in (member, links.holder(request)) if each and each.session]


def _actor_of(request: HttpRequest, attempt: paris.Attempt) -> paris.Actor:
    if attempt.link_id is not None:
        return links.named_holder(request, attempt.link_id)
    return _actor(request, request.user)


def _actor(request: HttpRequest, user: Any) -> paris.Actor:
    return paris.Actor(user.pk, user.get_username(), request.session.session_key or "")


def _back(redirect_uri: str, **result: str) -> HttpResponse:
    """Redirect to an address that was checked when the login began, with the result added to its query."""
    parts = urlsplit(redirect_uri)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *result.items()])
    response = HttpResponseRedirect(urlunsplit(parts._replace(query=query)))
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _editor_list() -> str:
    return settings.PUBLIC_BASE_URL + reverse("editor-list")


def _editor_page(instance: Instance) -> str:
    return settings.PUBLIC_BASE_URL + _editor_path(instance)


def _editor_path(instance: Instance) -> str:
    return reverse("editor-detail", args=[instance.instance_id])
