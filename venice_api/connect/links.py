"""The pages of a connect link, for the owner of an Instagram account who has no account here.

The holder of a link is known by the link's code once, and then by the session of the browser that opened it. They learn
the name of the workspace that asks, and nothing else.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from entitlements.limits import fresh_limits_for
from entitlements.memberships import can_edit, role_in
from entitlements.models import Workspace
from paris_integration import public as paris
from paris_integration.public import LinkFacts, LinkState, Login
from venice_api.connect.redirects import callback_uri, to_meta
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.policies import PAGE_POLICY

SESSION_KEY = "connect_links"
MOST_REMEMBERED = 10
FACEBOOK_ONLY = (Login.FACEBOOK,)
BOTH = (Login.INSTAGRAM, Login.FACEBOOK)
# Why a link can't be used, or why a login with it failed.
FAILURES = {
    "ACCESS_DENIED": "You cancelled. Nothing was connected.",
    "NO_PROFESSIONAL_ACCOUNT": (
        "We found no professional account. In the Instagram app, switch to a business or creator account (it's free), "
        "then try again."
    ),
    "PERMISSION_MISSING": "Instagram didn't let us read the posts. Try again, and leave all permissions switched on.",
    "EXCHANGE_FAILED": "Instagram didn't complete the login. Try again in a minute.",
    "STATE_INVALID": "The login took too long, or was begun in another browser. Try again.",
}


def problem_with(link: LinkFacts | None) -> str:
    """Why this link can't be used, as a code; empty if it can."""
    if link is None:
        return "unknown"
    if link.state is not LinkState.OPEN:
        return link.state.value
    instance = _instance_of(link)
    if instance is None:
        return "deleted"
    role = role_in(link.user_id, link.workspace_id)
    if role is None or not can_edit(role):
        return "withdrawn"  # whoever made it may no longer connect accounts
    if not fresh_limits_for(link.workspace_id, now=timezone.now()).oauth_enabled:
        return "plan"
    return ""


def check_rights(attempt: paris.Attempt) -> None:
    """Check the link of a login again, before its code is exchanged. Raises LoginFailed."""
    link = paris.find_link_by_id(attempt.link_id, now=timezone.now()) if attempt.link_id else None
    problem = problem_with(link)
    if problem == "plan":
        raise paris.LoginFailed("PLAN_RESTRICTED")
    if problem:
        raise paris.LoginFailed("LINK_CLOSED")


def holder(request: HttpRequest) -> paris.Actor | None:
    """The browser as the holder of connect links, if it has opened one."""
    if not request.session.get(SESSION_KEY) or not request.session.session_key:
        return None
    return paris.Actor(None, "connect link", request.session.session_key)


def named_holder(request: HttpRequest, link_id: UUID) -> paris.Actor:
    """The holder, named in the audit trail after who made the link."""
    link = paris.find_link_by_id(link_id, now=timezone.now())
    name = f"connect link of {link.creator}" if link else "connect link"
    return paris.Actor(None, name, request.session.session_key or "")


@require_safe
def opened(request: HttpRequest, code: str) -> HttpResponse:
    """`GET /connect/<code>`: who asks, what will be read, and the logins."""
    link = paris.find_link(code, now=timezone.now())
    if link is not None and not problem_with(link):
        known = [each for each in request.session.get(SESSION_KEY, []) if each != str(link.link_id)]
        request.session[SESSION_KEY] = [*known, str(link.link_id)][-MOST_REMEMBERED:]
    return _page(request, link)


@require_safe
def begin(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """Begin a login with a link that this browser has opened. Redirects to Meta."""
    link = _remembered(request, link_id)
    problem = problem_with(link)
    instance = _instance_of(link)
    login = {each.value: each for each in BOTH}.get(request.GET.get("login", ""))
    if problem or instance is None or login not in _logins_for(instance):
        return _page(request, link)
    now = timezone.now()
    key = from_row(instance).feed_key()
    actor = named_holder(request, link_id)
    try:
        paris.note_link_opened(link, key, actor=actor, now=now)
    except paris.TooManyLinks:
        return _answer(request, {"problem": "busy", "workspace": _workspace_name(link)}, status=429)
    url = paris.begin_login(
        key,
        login,
        actor=actor,
        redirect_uri=settings.PUBLIC_BASE_URL + reverse("connect-link-result", args=[link_id]),
        callback_uri=callback_uri(login),
        now=now,
        link_id=link_id,
    )
    return to_meta(url)


@require_safe
def result(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """Where a login with a link ends: thanks, or what went wrong."""
    link = _remembered(request, link_id)
    if link.state is LinkState.USED and request.GET.get("status") == "connected":
        return _answer(request, {"is_done": True, "workspace": _workspace_name(link)})
    failure = FAILURES.get(request.GET.get("reason", ""), "")
    return _page(request, link, failure=failure)


def _page(request: HttpRequest, link: LinkFacts | None, *, failure: str = "") -> HttpResponse:
    problem = problem_with(link)
    if link is None or problem:
        name = _workspace_name(link) if link else ""
        context: dict[str, object] = {"problem": problem, "workspace": name}
        return _answer(request, context, status=410 if link else 404)
    instance = _instance_of(link)
    context = {
        "link": link,
        "workspace": _workspace_name(link),
        "logins": [login.value for login in _logins_for(instance)] if instance else [],
        "is_hashtag": instance is not None and instance.source_type == WidgetInstance.SourceType.HASHTAG,
        "failure": failure,
    }
    return _answer(request, context)


def _answer(request: HttpRequest, context: dict[str, object], *, status: int = 200) -> HttpResponse:
    response = render(request, "connect/link.html", context, status=status)
    response["Content-Security-Policy"] = PAGE_POLICY
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"  # the address may contain the link's code
    return response


def _remembered(request: HttpRequest, link_id: UUID) -> LinkFacts:
    """A link that this browser has opened. Raises 404 for others."""
    link = paris.find_link_by_id(link_id, now=timezone.now())
    if link is None or str(link_id) not in request.session.get(SESSION_KEY, []):
        raise Http404
    return link


def _instance_of(link: LinkFacts) -> WidgetInstance | None:
    rows = WidgetInstance.objects.select_related("workspace")
    return rows.filter(pk=link.instance_id, workspace_id=link.workspace_id).first()


def _workspace_name(link: LinkFacts) -> str:
    return Workspace.objects.filter(pk=link.workspace_id).values_list("name", flat=True).first() or ""


def _logins_for(instance: WidgetInstance) -> list[Login]:
    is_hashtag = instance.source_type == WidgetInstance.SourceType.HASHTAG
    return [login for login in (FACEBOOK_ONLY if is_hashtag else BOTH) if paris.offers(login)]
