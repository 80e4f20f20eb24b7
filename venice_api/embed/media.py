"""`/media/<name>`: the files of picture copies. Public, and without sessions, cookies or queries.

A name always has the same content, so caches may keep an answer for a year. There are three ways to answer:

- With public URLs of the storage (S3_PUBLIC_URL), pages use those. This view redirects URLs from before.
- With MEDIA_ACCEL_PREFIX, nginx sends the file. It drops our headers, so `deploy/nginx/locations.conf` sets them, too.
- Otherwise the view sends the bytes.

The included nginx configuration sends files on the disk without asking; this view gets the requests for all others.
"""

from __future__ import annotations

import logging
import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from paris_integration import public as paris
from venice_api.api import throttles
from venice_api.api.problems import Problem

logger = logging.getLogger(__name__)

FOREVER = "public, max-age=31536000, immutable"
# Not longer: the operator may move the storage's public URL.
REDIRECT_CACHING = "public, max-age=86400"
RETRY_SECONDS = 5
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """A file; 404 if there is none, or not yet; 503 while the storage is away."""
    request.COOKIES = {}  # the session's middleware would delete an invalid cookie in an answer that caches store
    try:
        throttles.check_picture(request)
        response = _answer(request, name)
    except Problem as problem:
        response = _failed(problem.status, retry_seconds=problem.retry_after_seconds)
    except paris.StorageUnavailable as error:
        logger.warning("answered 503: picture storage %s", error)
        response = _failed(503, retry_seconds=RETRY_SECONDS)
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Content-Security-Policy"] = "default-src 'none'"
    return response


def _answer(request: HttpRequest, name: str) -> HttpResponse:
    by_proxy = bool(settings.MEDIA_ACCEL_PREFIX) and settings.MEDIA_STORAGE == "file"
    file = paris.find_picture(name, with_content=not by_proxy)
    if file is None:
        return _failed(404)
    if file.public_url is not None:
        return HttpResponsePermanentRedirect(file.public_url, headers={"Cache-Control": REDIRECT_CACHING})
    etag = f'"{name}"'
    if _has_already(request, etag):
        response = HttpResponse(status=304)
        del response["Content-Type"]
    elif by_proxy:
        # Without Cache-Control: nginx would send it even if the file were gone by then. It sets its own.
        redirect = {"X-Accel-Redirect": f"{settings.MEDIA_ACCEL_PREFIX}{file.key}"}
        return HttpResponse(content_type=file.content_type, headers=redirect)
    else:
        response = _content(request, file, etag)
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response.setdefault("Cache-Control", FOREVER)
    return response


def _content(request: HttpRequest, file: paris.PictureFile, etag: str) -> HttpResponse:
    size = len(file.content)
    wanted = _wanted_range(request, etag, size)
    if wanted is None:
        return HttpResponse(file.content, content_type=file.content_type)
    if not wanted:
        headers = {"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"}
        return HttpResponse(status=416, content_type=file.content_type, headers=headers)
    part = file.content[wanted.start : wanted.stop]
    response = HttpResponse(part, content_type=file.content_type, status=206)
    response["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return response


def _wanted_range(request: HttpRequest, etag: str, size: int) -> range | None:
    """The requested bytes; empty if there are none at that place; None for the whole file.

    Several ranges, and those that can't be read, count as none, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if request.method != "GET" or found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found.groups()
    if first:
        if last and int(last) < int(first):
            return None
        return range(int(first), min(int(last) + 1, size) if last else size)
    return range(max(0, size - int(last)), size) if last else None


def _has_already(request: HttpRequest, etag: str) -> bool:
    named = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in named or etag in {name.removeprefix("W/") for name in named}


def _failed(status: int, *, retry_seconds: int | None = None) -> HttpResponse:
    """Never stored: a copy may be made, or the storage come back, at any time."""
    response = HttpResponse(status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    if retry_seconds is not None:
        response["Retry-After"] = str(retry_seconds)
    return response
