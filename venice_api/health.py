"""Whether the process answers."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process can answer at all; says nothing of its dependencies."""
    response = JsonResponse({"status": "ok"})
    response["Cache-Control"] = "no-store"
    return response
