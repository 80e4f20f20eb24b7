"""`/embed/widget.js` and its modules, the frame page, and the fragment. The last two require the embed token."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.exceptions import APIException, PermissionDenied

from foundation.metrics import timed
from paris_integration import public as paris
from paris_integration.public import SourceType
from venice_api import sightings
from venice_api.api import http_caching, throttles
from venice_api.api.authentication import EmbedCaller, instance_of_token
from venice_api.api.feed_results import result_of
from venice_api.api.inputs import single_values
from venice_api.api.problems import Problem, problem_of
from venice_api.appearance import to_send
from venice_api.embed.plain import PlainPost, read_plain
from venice_api.embed.scripts import PLAIN, accepted_body
from venice_api.embed_code import Reserve
from venice_api.instances import Instance, find_instance
from venice_api.policies import frame_policy
from venice_api.values import InvalidInput

HTML = "text/html; charset=utf-8"
THEMES = ("light", "dark")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
# The URL never changes, so browsers must revalidate. Five minutes, so that a fix reaches pages soon.
SCRIPT_CACHING = "public, max-age=300, stale-while-revalidate=86400"


@require_safe
def script(request: HttpRequest, name: str) -> HttpResponse:
    """The web component, or a module that it imports. Any site may load them."""
    body = accepted_body(name, request.headers.get("Accept-Encoding", ""))
    if body.etag in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(body.content, content_type="text/javascript; charset=utf-8")
        if body.encoding != PLAIN:
            response["Content-Encoding"] = body.encoding
    response["ETag"] = body.etag
    patch_vary_headers(response, ("Accept-Encoding",))
    response["Cache-Control"] = SCRIPT_CACHING
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@require_safe
def frame(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The widget on a separate page, for sites that use an `<iframe>`. Only the instance's allowed sites may frame it.

    `theme`: `light` or `dark`, like the widget's attribute. Default: as saved in the editor, else the reader's.
    `lang`: the language of its texts. Default: English. Other values count as none.
    """
    try:
        instance, token, theme = _permitted(request, instance_id)
        lang = single_values(request.GET, ("lang",)).get("lang", "")
    except (Problem, InvalidInput, APIException) as error:
        return _refused(request, error, "embed/refused.html")
    saved_theme = instance.appearance.get("theme") if instance.appearance else None
    context = {
        "instance_id": instance_id,
        "token": token,
        "theme": theme,
        "lang": lang if _LANGUAGE.fullmatch(lang) else "",
        "page_theme": theme or (saved_theme if saved_theme in THEMES else ""),
        **_frame_feed(instance),
    }
    response = render(request, "embed/frame.html", context)
    response["Content-Security-Policy"] = frame_policy(instance.allowed_origins)
    response.xframe_options_exempt = True
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, max-age=60"
    _note_page(request, instance_id)
    return response


@require_http_methods(["GET", "HEAD", "OPTIONS"])
def fragment(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The feed as HTML to put into a page, with data by schema.org and without scripts. Cached like the feed's JSON."""
    request.COOKIES = {}  # the session's middleware would delete an invalid cookie in an answer that caches store
    if request.method == "OPTIONS":
        return _preflight(request, instance_id)
    workspace_id, result = None, "error"
    try:
        with timed("venice"):
            instance, _, _ = _permitted(request, instance_id)
            workspace_id = instance.workspace_id
            http_caching.check_origin(request, instance, is_session=False)
            view, posts = read_plain(instance)
            response = _fragment(request, instance, view, posts)
        result = result_of(response.status_code, view)
    except (Problem, InvalidInput, APIException, paris.StoreUnavailable) as error:
        response = _refused(request, error, "embed/refused_words.html")
        http_caching.replace_kept_posts(response)
        result = result_of(response.status_code, None)
    finally:
        paris.count_feed_request(workspace_id, result)
    return response


def _fragment(
    request: HttpRequest, instance: Instance, view: paris.FeedView, posts: list[PlainPost]
) -> HttpResponse:
    body = render_to_string("embed/fragment.html", {"posts": posts, "profile": view.profile}).encode()
    caller = EmbedCaller(instance, token_in_url=True)
    response = http_caching.feed_response(request, caller, view, body, content_type=HTML)
    http_caching.add_cors(request, response, instance)
    http_caching.replace_kept_posts(response)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Referrer-Policy"] = "no-referrer"
    sightings.note_read(instance.instance_id, now=timezone.now())
    _note_page(request, instance.instance_id)
    return response


def _preflight(request: HttpRequest, instance_id: str) -> HttpResponse:
    try:
        throttles.check_read(request, instance_id)
        return http_caching.preflight(request, find_instance(instance_id))
    except (Problem, paris.StoreUnavailable) as error:
        return _refused(request, error, "embed/refused_words.html")


def _permitted(request: HttpRequest, instance_id: str) -> tuple[Instance, str, str]:
    """The instance, the token and the requested theme. Raises the errors of a refusal."""
    query = single_values(request.GET, ("token", "theme"))
    token, theme = query.get("token", ""), query.get("theme", "")
    instance = instance_of_token(token)
    if instance.instance_id != instance_id:
        raise PermissionDenied
    throttles.check_read(request, instance_id)
    return instance, token, theme if theme in THEMES else ""


def _note_page(request: HttpRequest, instance_id: str) -> None:
    host = sightings.host_of(request.headers.get("Origin"), request.headers.get("Referer"))
    sightings.note_page(instance_id, host, now=timezone.now())


def _refused(request: HttpRequest, error: Exception, template: str) -> HttpResponse:
    problem = problem_of(error)
    if problem is None:
        raise error
    response = render(request, template, {"status": problem.status}, status=problem.status)
    # Any site may frame this page of plain text: readers see its message instead of the browser's error.
    response["Content-Security-Policy"] = "default-src 'none'; base-uri 'none'; frame-ancestors *"
    response.xframe_options_exempt = True
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    if problem.retry_after_seconds is not None:
        response["Retry-After"] = str(problem.retry_after_seconds)
    return response


def _frame_feed(instance: Instance) -> dict[str, object]:
    """The feed as plain links, shown without JavaScript, and the space to reserve for the widget."""
    looks = to_send(instance.appearance)
    empty = Reserve.of(instance.max_posts, looks, has_profile=instance.source.type is SourceType.PROFILE)
    try:
        view, posts = read_plain(instance)
    except paris.StoreUnavailable:
        return {"posts": [], "reserve": empty.words}
    known = Reserve.of(len(posts), looks, has_profile=view.profile is not None)
    return {"posts": posts, "profile": view.profile, "reserve": (known if posts else empty).words}
