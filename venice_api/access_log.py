"""One line per request, and the request's id in every other line that it causes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from foundation import logs

logger = logging.getLogger("access")


class AccessLogMiddleware:
    """Names the route, not the address: paths and queries may hold tokens, states and codes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
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
            logger.info("%s %s %s", request.method, route, response.status_code, extra={"fields": fields})
        return response
