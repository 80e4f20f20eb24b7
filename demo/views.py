"""The start page of `make run`, and a publisher's page with live widgets and its stylesheets."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from demo import seeds
from venice_api.embed_code import Reserve, stylesheet
from venice_api.policies import media_sources


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    front_page, token = seeds.widgets()[0]
    context = {
        "publisher_url": f"{_other_origin()}/demo/publisher/",
        "frame_url": f"/embed/{front_page.pk}?token={token}",
        "feed_url": f"/v1/integrations/instagram/feed?token={token}",
    }
    return render(request, "demo/start.html", context)


@require_safe
def publisher(request: HttpRequest) -> HttpResponse:
    """A page as a publisher would build it: the script and the elements, with a strict Content-Security-Policy."""
    service = settings.PUBLIC_BASE_URL
    context = {"script_url": f"{service}/embed/widget.js", "tokens": [token for _, token in seeds.widgets()]}
    response = render(request, "demo/publisher.html", context)
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; script-src {service}; connect-src {service}; "
        f"img-src 'self' {media_sources()}; media-src {media_sources()}; base-uri 'none'; frame-ancestors 'none'"
    )
    return response


@require_safe
def reserved_space(request: HttpRequest) -> HttpResponse:
    """The CSS of the embed code as a file: the page's policy allows no `<style>`."""
    reserved = (Reserve(widget.max_posts) for widget in seeds.WIDGETS)
    return HttpResponse(stylesheet(*reserved), content_type="text/css; charset=utf-8")


def _other_origin() -> str:
    """The same server as `localhost`, so that the browser treats the page and the script as different sites."""
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    if parts.hostname != "127.0.0.1":
        return settings.PUBLIC_BASE_URL
    return f"{parts.scheme}://localhost:{parts.port}"
