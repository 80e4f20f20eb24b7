"""`/metrics`: metrics of all processes on this host, and gauges read from the database."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from foundation.metrics_access import may_read
from paris_integration import public as paris


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """200 in Prometheus' text format. 401 without METRICS_TOKEN, except from loopback."""
    if not may_read(request.META, settings.METRICS_TOKEN):
        response = HttpResponse(
            "Send METRICS_TOKEN as bearer token.\n", status=401, content_type="text/plain"
        )
        response["WWW-Authenticate"] = "Bearer"
    else:
        content, content_type = paris.metrics_text()
        response = HttpResponse(content, content_type=content_type)
    response["Cache-Control"] = "no-store"
    return response
