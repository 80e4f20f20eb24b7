"""Middleware for every request: its id, the access log, security headers, and answers to database failures."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from entitlements.limits import WorkspaceNotFound
from foundation import logs, threads
from venice_api.api.problems import expected_failure, is_api, not_found
from venice_api.policies import API_POLICY, PAGE_POLICY

access_logger = logging.getLogger("access")
GetResponse = Callable[[HttpRequest], HttpResponse]
_SURROGATE = re.compile("[\ud800-\udfff]")
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class ConnectionsMiddleware:
    """Returns the request's database connections before the answer is sent, because the client may be slow.

    It also does so after an error in a handler, for which Django doesn't send its `request_finished` signal.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            threads.give_back()


def request_id_for(sent: str) -> str:
    """The id that the client sent, if it is valid, or a new one. New ones are unique, but not secret."""
    if sent and _SANE_REQUEST_ID.fullmatch(sent):
        return sent
    return f"{random.getrandbits(128):032x}"


class RequestIdMiddleware:
    """`X-Request-ID`: the client's, if it is valid, or a new one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = request_id_for(request.headers.get("X-Request-ID", ""))
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class AccessLogMiddleware:
    """Logs the route, not the URL: paths and queries may contain tokens, states and codes."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        with logs.bound(request_id=getattr(request, "request_id", "")):
            response = self.get_response(request)
            match = request.resolver_match
            route = (match.view_name if match else "") or "none"
            fields = {
                "method": request.method,
                "route": route,
                "status": response.status_code,
                "duration_ms": round((time.perf_counter() - began) * 1_000, 1),
            }
            access_logger.info(
                "%s %s %s", request.method, route, response.status_code, extra={"fields": fields}
            )
        return response


class SecurityHeadersMiddleware:
    """Sets security headers on every answer. A view's own Content-Security-Policy is kept."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = API_POLICY if is_api(request) else PAGE_POLICY
        response.setdefault("X-Content-Type-Options", "nosniff")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response


class BodilessAnswersMiddleware:
    """Removes the Content-Length of 204, where none is allowed, and of 304, where 0 is wrong: RFC 9110, 8.6."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            del response["Content-Length"]
        return response


class StorableTextMiddleware:
    """Answers 400 to text that no database column can store, before it reaches a query.

    It leaves posted data and the API's query strings to forms and serializers, which name the invalid field.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api(request) and _content_length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig  # Django's limit counts form fields, but not uploaded files
        if not all(map(_is_storable, _texts_of(request))):
            raise BadRequest("text that cannot be stored")
        return self.get_response(request)


def _texts_of(request: HttpRequest) -> Iterator[str]:
    yield request.path_info
    yield from request.COOKIES.values()
    if not is_api(request):
        for name, values in request.GET.lists():
            yield from (name, *values)


def _content_length(request: HttpRequest) -> int:
    sent = request.META.get("CONTENT_LENGTH") or "0"
    return int(sent) if sent.isdecimal() else 0


def _is_storable(text: str) -> bool:
    return "\0" not in text and not _SURROGATE.search(text)


class StoreUnavailableMiddleware:
    """Answers 503 with Retry-After when the database fails, and 400 when it can't store a sent value."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, WorkspaceNotFound):  # deleted while this request was under way
            return not_found(request, exception)
        return expected_failure(request, exception)
