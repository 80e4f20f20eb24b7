"""Error answers: which error becomes which answer, all in one shape.

`{"error", "message", "reasonCode"?, "nextRefreshAllowedAt"?, "upgradeHint"?, "fields"?, "requestId"}`. Provider error
texts and exception texts never reach a browser.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, UnreadablePostError
from django.http.request import RawPostDataException
from django.shortcuts import render
from django.utils import timezone
from rest_framework import exceptions as drf

from entitlements.limits import WorkspaceNotFound
from foundation import faults
from paris_integration.public import (
    PreviewBudgetSpent,
    RefreshBlocked,
    StoreUnavailable,
    TooBusy,
)
from venice_api import wording
from venice_api.api.answers import Error
from venice_api.values import InvalidInput

logger = logging.getLogger(__name__)

API_PREFIX = "/v1/"
STORE_RETRY_SECONDS = 2


@dataclass(eq=False)
class Problem(Exception):
    """An error answer. `error` is a code for clients, `message` a sentence for people."""

    status: int
    error: str
    message: str
    fields: Mapping[str, Sequence[str]] | None = None
    retry_after_seconds: int | None = None
    reason_code: str | None = None
    next_refresh_allowed_at: datetime | None = None
    upgrade_hint: str | None = None
    request_id: str = ""


def authentication_required() -> Problem:
    return Problem(401, "AUTHENTICATION_REQUIRED", "Send a valid embed token, or sign in.")


def instance_not_found() -> Problem:
    return Problem(404, "INSTANCE_NOT_FOUND", "This widget doesn't exist.")


def forbidden(message: str = "You don't have permission to do this.") -> Problem:
    return Problem(403, "FORBIDDEN", message)


def origin_not_allowed() -> Problem:
    return Problem(403, "ORIGIN_NOT_ALLOWED", "This site isn't allowed to show this widget.")


def source_mismatch() -> Problem:
    return Problem(409, "SOURCE_MISMATCH", "The widget has a different source.")


def invalid_request(fields: Mapping[str, Sequence[str]]) -> Problem:
    """`fields`: the messages of each invalid field. The first one becomes the answer's message."""
    field, messages = next(iter(fields.items()))
    return Problem(400, "INVALID_REQUEST", f"{field}: {messages[0]}", fields)


def _invalid(field: str, message: str) -> Problem:
    return invalid_request({field: [message]})


def unreadable() -> Problem:
    return Problem(400, "INVALID_REQUEST", "The request can't be read.")


def throttled(retry_after_seconds: int) -> Problem:
    return Problem(
        429,
        "THROTTLED",
        "Too many requests in a short time. Try again later.",
        retry_after_seconds=retry_after_seconds,
    )


def temporarily_unavailable(error: BaseException) -> Problem:
    """503. Only the names of the errors are logged: their texts may contain hosts, names and values."""
    names = " from ".join(type(cause).__name__ for cause in faults.causes_of(error))
    store = "none" if isinstance(error, TooBusy) else "database"
    fields = {"store": store, "cause": names, "sqlstate": faults.sqlstate_of(error)}
    logger.warning("answered 503: %s", names, extra={"fields": fields})
    return Problem(
        503,
        "TEMPORARILY_UNAVAILABLE",
        "The service can't answer right now. Try again shortly.",
        retry_after_seconds=STORE_RETRY_SECONDS,
    )


def refresh_blocked(blocked: RefreshBlocked) -> Problem:
    return Problem(
        409,
        "REFRESH_BLOCKED",
        wording.api_refusal_message(blocked.reason),
        reason_code=blocked.reason.value,
        next_refresh_allowed_at=blocked.allowed_at,
        upgrade_hint=blocked.upgrade_hint,
    )


def problem_of(error: BaseException) -> Problem | None:
    """The answer to an expected error; None for a bug."""
    if isinstance(error, TooBusy | StoreUnavailable) or faults.is_store_fault(error):
        return temporarily_unavailable(error)
    match error:
        case Problem():
            return error
        case InvalidInput():
            return _invalid(error.field, error.message)
        case WorkspaceNotFound():  # deleted during this request
            return instance_not_found()
        case RefreshBlocked():
            return refresh_blocked(error)
        case PreviewBudgetSpent():
            return Problem(
                429,
                "THROTTLED",
                "All previews for this hour are used up. Earlier previews are still available.",
                retry_after_seconds=http_seconds_until(error.retry_at, timezone.now()),
            )
        case drf.ValidationError():
            detail: Any = error.detail  # all our serializers report errors by field
            return invalid_request({name: [str(text) for text in texts] for name, texts in detail.items()})
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return authentication_required()
        case drf.PermissionDenied():
            return forbidden(str(error.detail))
        case drf.Throttled():
            return throttled(math.ceil(getattr(error, "wait", None) or 1))
        case RequestDataTooBig():
            return Problem(413, "REQUEST_TOO_LARGE", "The body must not be larger than 64 KiB.")
        case drf.MethodNotAllowed():
            return Problem(405, "METHOD_NOT_ALLOWED", "This URL doesn't support that method.")
        case drf.UnsupportedMediaType():
            return Problem(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json.")
        case drf.ParseError() | RecursionError() | UnicodeError():
            return _invalid("body", "Must be a JSON object.")
        case DataError():
            logger.error("answered 400: the database cannot hold a value (%s)", faults.sqlstate_of(error))
            return unreadable()
        case SuspiciousOperation() | BadRequest() | UnreadablePostError() | RawPostDataException():
            return unreadable()
    return None


def problem_response(request: HttpRequest, problem: Problem) -> JsonResponse:
    body = Error(replace(problem, request_id=getattr(request, "request_id", ""))).data
    response = JsonResponse(body, status=problem.status)
    response["Cache-Control"] = "no-store"
    if problem.retry_after_seconds is not None:
        response["Retry-After"] = str(problem.retry_after_seconds)
    return response


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """DRF's EXCEPTION_HANDLER: answers expected errors, and lets bugs propagate."""
    problem = problem_of(error)
    if problem is None:
        return None
    request = context["request"]
    response = problem_response(getattr(request, "_request", request), problem)
    if isinstance(error, drf.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def http_seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds for Retry-After, at least one."""
    return max(1, math.ceil((moment - now).total_seconds()))


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    if is_api(request):
        return problem_response(request, forbidden("The CSRF token is missing or wrong."))
    return render(request, "403.html", {"reason": "csrf"}, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return problem_response(request, problem_of(exception) or _invalid("request", "Can't be read."))
    return render(request, "400.html", status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return problem_response(request, Problem(404, "NOT_FOUND", "Nothing was found at this URL."))
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. It runs inside the except block, so the error is in sys.exc_info()."""
    expected = expected_failure(request, sys.exc_info()[1])
    if expected is not None:
        return expected
    if is_api(request):
        return problem_response(request, Problem(500, "INTERNAL_ERROR", "Something went wrong on our side."))
    return render(request, "500.html", status=500)


def expected_failure(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """503 if the database failed, 400 if it can't store a sent value, None for a bug."""
    problem = problem_of(error) if error is not None else None
    if problem is None or not (problem.status == 503 or isinstance(error, DataError)):
        return None
    if is_api(request):
        return problem_response(request, problem)
    response = render(request, f"{problem.status}.html", status=problem.status)
    if problem.retry_after_seconds is not None:
        response["Retry-After"] = str(problem.retry_after_seconds)
    return response


def too_many(request: HttpRequest, problem: Problem) -> HttpResponse:
    """429: JSON for URLs below /v1/, a page for all others."""
    if is_api(request):
        return problem_response(request, problem)
    response = render(request, "429.html", status=429)
    response["Cache-Control"] = "no-store"
    response["Retry-After"] = str(problem.retry_after_seconds)
    return response
