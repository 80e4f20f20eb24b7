"""`/embed/widget.js`, its modules, and the frame page. All are public; the frame requires the embed token."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException, PermissionDenied

from paris_integration import public as paris
from paris_integration.public import SourceType
from venice_api.api import throttles
from venice_api.api.authentication import instance_of_token
from venice_api.api.inputs import single_values
from venice_api.api.problems import Problem, problem_of
from venice_api.embed.scripts import script_of
from venice_api.embed_code import Reserve
from venice_api.instances import Instance
from venice_api.policies import frame_policy
from venice_api.values import InvalidInput

MAX_PLAIN_WORDS = 300
THEMES = ("light", "dark")
# The URL never changes, so browsers must revalidate. Five minutes, so that a fix reaches pages soon.
SCRIPT_CACHING = "public, max-age=300, stale-while-revalidate=86400"


@require_safe
def script(request: HttpRequest, name: str) -> HttpResponse:
    """The web component, or a module that it imports. Any site may load them."""
    script, etag = script_of(name)
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(script, content_type="text/javascript; charset=utf-8")
    response["ETag"] = etag
    response["Cache-Control"] = SCRIPT_CACHING
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@require_safe
def frame(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The widget on a separate page, for sites that use an `<iframe>`. Only the instance's allowed sites may frame it.

    `theme`: `light` or `dark`, like the widget's attribute. Default: the reader's.
    """
    try:
        query = single_values(request.GET, ("token", "theme"))
        token = query.get("token", "")
        instance = instance_of_token(token)
        if instance.instance_id != instance_id:
            raise PermissionDenied
        throttles.check_read(request, instance_id)
    except (Problem, InvalidInput, APIException) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return _refused(request, problem)
    theme = query.get("theme", "")
    context = {
        "instance_id": instance_id,
        "token": token,
        "theme": theme if theme in THEMES else "",
        **_plain_feed(instance),
    }
    response = render(request, "embed/frame.html", context)
    response["Content-Security-Policy"] = frame_policy(instance.allowed_origins)
    response.xframe_options_exempt = True
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, max-age=60"
    return response


def _refused(request: HttpRequest, problem: Problem) -> HttpResponse:
    response = render(request, "embed/refused.html", {"status": problem.status}, status=problem.status)
    # Any site may frame this page of plain text: readers see its message instead of the browser's error.
    response["Content-Security-Policy"] = "default-src 'none'; base-uri 'none'; frame-ancestors *"
    response.xframe_options_exempt = True
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    if problem.retry_after_seconds is not None:
        response["Retry-After"] = str(problem.retry_after_seconds)
    return response


def _plain_feed(instance: Instance) -> dict[str, object]:
    """The feed as plain links, shown without JavaScript, and the space to reserve for the widget."""
    empty = Reserve(instance.max_posts, has_profile=instance.source.type is SourceType.PROFILE)
    try:
        view = paris.read_feed(instance.feed_key(), instance.selection(), now=timezone.now())
    except paris.StoreUnavailable:
        return {"posts": [], "reserve": empty.words}
    known = Reserve(len(view.posts), has_profile=view.profile is not None)
    return {
        "posts": [_plain(json.loads(post.json)) for post in view.posts],
        "profile": view.profile,
        "reserve": (known if view.posts else empty).words,
    }


def _plain(post: paris.ExternalPost) -> dict[str, str]:
    words = post.get("altText") or post.get("caption") or "A post on Instagram"
    copies = post.get("sizes")
    sizes = [copies["small"], copies["medium"], copies["large"]] if copies else []
    return {
        "permalink": post["permalink"],
        "picture": post.get("thumbnailUrl", ""),
        "jpegs": ", ".join(f"{size['url']} {size['width']}w" for size in sizes),
        "avifs": ", ".join(f"{size['avifUrl']} {size['width']}w" for size in sizes),
        "words": words[:MAX_PLAIN_WORDS],
    }
