"""What every answer carries: a request id and security headers. And a calm 503 where the database is away."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from entitlements.limits import WorkspaceNotFound
from paris_integration.public import StoreUnavailable
from venice_api.problems import is_api, not_found, page_unavailable

GetResponse = Callable[[HttpRequest], HttpResponse]
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:"
)


class RequestIdMiddleware:
    """`X-Request-ID`, echoed when it is sane, made otherwise."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.headers.get("X-Request-ID", "")
        request_id = sent if _SANE_REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class SecurityHeadersMiddleware:
    """Policies of every answer; a view that sets its own Content-Security-Policy keeps it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = API_POLICY if is_api(request) else PAGE_POLICY
        response.setdefault("X-Content-Type-Options", "nosniff")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response


class StoreUnavailableMiddleware:
    """A view whose database is away answers 503 with Retry-After instead of failing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, WorkspaceNotFound):  # deleted while this request was under way
            return not_found(request, exception)
        if isinstance(exception, StoreUnavailable | OperationalError | InterfaceError):
            return page_unavailable(request)
        return None
