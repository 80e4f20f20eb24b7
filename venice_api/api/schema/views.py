"""`/api/schema/` and `/api/docs/`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularJSONAPIView

schema = SpectacularJSONAPIView.as_view()


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The schema to read and to try, by Swagger UI from our own files."""
    return render(request, "api/docs.html")
