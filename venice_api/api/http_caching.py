"""Caching and CORS headers of the feed: how long caches may store answers, and which sites may read them.

A post that an owner hides must be gone from every cache within a minute. The service itself may take
`foundation.cache.RECHECK_AFTER_SECONDS` (30) to notice the change. After that, an answer may pass through two caches in
a row, each of which may store it for FRESH_SECONDS + REVALIDATE_SECONDS: nginx, which sends no Age header, and a CDN or
browser behind it.
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
    request: HttpRequest,
    caller: EmbedCaller | MemberCaller,
    view: FeedView,
    body: bytes,
    *,
    content_type: str = "application/json",
) -> HttpResponse:
    """The answer with ETag and Cache-Control, or 304 if the client already has it."""
    response = HttpResponse(body, content_type=content_type)
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
    """Whether If-None-Match matches this body. A proxy that compressed the body has made the ETag weak."""
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
    """Let nginx replace the posts it has cached with this answer, which it must not serve to others.

    Otherwise nginx would keep the posts after a refusal, and serve them again in the next outage. The time is in 1970,
    so nginx never serves this answer from its cache. nginx removes the header.
    """
    if response.status_code >= 500 or response.status_code == 429:
        return  # a temporary failure: cached posts stay valid
    lifetimes = response.get("Cache-Control", NEVER)
    if not lifetimes.startswith("public"):
        del response["Cache-Control"]
        # The order matters: nginx up to 1.22 uses the first of the two.
        response["X-Accel-Expires"] = "@1"
        response["Cache-Control"] = lifetimes


def check_origin(request: HttpRequest, instance: Instance, *, is_session: bool) -> None:
    """A page of another site may read the feed only if the instance allows it, and never with a session.

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
    """Allow exactly the instance's origins, or any site without credentials if it has none."""
    response["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if not instance.allowed_origins:
        response["Access-Control-Allow-Origin"] = "*"
        return
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin")
    if origin in instance.allowed_origins:
        response["Access-Control-Allow-Origin"] = origin


def preflight(request: HttpRequest, instance: Instance | None) -> HttpResponse:
    """The answer to OPTIONS. It requires no token, because browsers send none."""
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
