"""How long answers of the feed may be kept, by whom, and which sites may read them.

What an owner withdraws must be gone from every cache a minute later. The service itself may take
`foundation.cache.RECHECK_AFTER_SECONDS` (30) to notice. After that an answer may pass through two caches that do not
tell each other its age: nginx, which sends no Age, and a CDN or a browser behind it. Each may keep it for
FRESH_SECONDS + REVALIDATE_SECONDS.
"""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

from paris_integration.public import FeedView
from venice_api.api import problems
from venice_api.api.authentication import EmbedCaller, MemberCaller
from venice_api.instances import Instance

FRESH_SECONDS = 10
REVALIDATE_SECONDS = 4
PRIVATE = "private, max-age=60"
NEVER_SHARED = "private, no-store"
NEVER = "no-store"
WARMING_RETRY_SECONDS = 2
EXPOSED_HEADERS = "ETag, Retry-After, X-Request-ID"
REQUEST_HEADERS = "Authorization, If-None-Match, X-Request-ID"


def feed_response(
    request: HttpRequest, caller: EmbedCaller | MemberCaller, view: FeedView, body: bytes
) -> HttpResponse:
    """The answer with its validator and its Cache-Control, or 304 when the reader has it already."""
    response = HttpResponse(body, content_type="application/json")
    if view.is_warming:
        response["Retry-After"] = str(WARMING_RETRY_SECONDS)
    else:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if _has_already(request, etag):
            response = HttpResponse(status=304)
            del response["Content-Type"]
        response["ETag"] = etag
    response["Cache-Control"] = cache_control(caller, view)
    if not isinstance(caller, EmbedCaller):
        patch_vary_headers(response, ["Cookie"])
    elif not caller.token_in_url:
        patch_vary_headers(response, ["Authorization"])
    return response


def _has_already(request: HttpRequest, etag: str) -> bool:
    """Whether If-None-Match names this body; a proxy that compressed it on the way has made the validator weak."""
    named = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in named or etag in {name.removeprefix("W/") for name in named}


def cache_control(caller: EmbedCaller | MemberCaller, view: FeedView) -> str:
    if isinstance(caller, MemberCaller):
        return NEVER_SHARED
    if view.is_warming or view.last_updated_at is None:
        return NEVER
    return _public() if caller.token_in_url and view.posts else PRIVATE


def _public() -> str:
    lifetimes = f"public, max-age={FRESH_SECONDS}, stale-while-revalidate={REVALIDATE_SECONDS}"
    bridge = settings.STALE_IF_ERROR_SECONDS
    return f"{lifetimes}, stale-if-error={bridge}" if bridge else lifetimes


def replace_kept_posts(response: HttpResponse) -> None:
    """Let nginx put this answer, which it may not serve to others, in the place of posts it has kept.

    Otherwise it would keep the posts beside a refusal, and serve them again in the next outage. The time is in 1970:
    the answer itself is never served from the cache. nginx strips the header.
    """
    if response.status_code >= 500 or response.status_code == 429:
        return  # says nothing about the posts
    lifetimes = response.get("Cache-Control", NEVER)
    if not lifetimes.startswith("public"):
        del response["Cache-Control"]
        # The order matters: nginx up to 1.22 goes by the first of the two.
        response["X-Accel-Expires"] = "@1"
        response["Cache-Control"] = lifetimes


def check_origin(request: HttpRequest, instance: Instance, *, is_session: bool) -> None:
    """A page of a foreign site may read the feed only where the instance names it, and never with a session.

    The header is a filter, not the authentication: scripts outside browsers send what they like. Raises Problem 403.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin in own_origins(request):
        return
    if is_session or (instance.allowed_origins and origin not in instance.allowed_origins):
        raise problems.origin_not_allowed()


def own_origins(request: HttpRequest) -> set[str]:
    """The service's own origins: the configured one, and the address it is being asked under."""
    configured = "/".join(settings.PUBLIC_BASE_URL.split("/")[:3])
    return {configured, f"{request.scheme}://{request.get_host()}"}


def add_cors(request: HttpRequest, response: HttpResponse, instance: Instance) -> None:
    """Exactly the instance's origins, or any site without credentials when it names none."""
    response["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if not instance.allowed_origins:
        response["Access-Control-Allow-Origin"] = "*"
        return
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin")
    if origin in instance.allowed_origins:
        response["Access-Control-Allow-Origin"] = origin


def preflight(request: HttpRequest, instance: Instance | None) -> HttpResponse:
    """The answer to OPTIONS. It needs no token, as browsers send none, and gives nothing away."""
    response = HttpResponse(status=204)
    response["Allow"] = "GET, HEAD, OPTIONS"
    response["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
    response["Access-Control-Allow-Headers"] = REQUEST_HEADERS
    response["Access-Control-Max-Age"] = "600"
    if instance is not None:
        add_cors(request, response, instance)
    else:
        response["Access-Control-Allow-Origin"] = "*"
    return response
