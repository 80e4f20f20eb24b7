"""Requests that Meta's servers send about people, authenticated only by their signature."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from paris_integration import public as paris
from venice_api.api.answers import Deauthorised, DeletionAccepted
from venice_api.api.inputs import SignedRequest
from venice_api.api.schema import errors
from venice_api.api.views import ApiView
from venice_api.connect.views import LOGINS
from venice_api.values import InvalidInput

_FAMILY = OpenApiParameter("family", str, OpenApiParameter.PATH, enum=sorted(LOGINS))


class MetaView(ApiView):
    http_method_names = ["post"]
    parser_classes = [FormParser]

    def signed_request(self, request: Request) -> str:
        # Django's parser: it refuses large bodies, and reads any other content type as an empty form.
        form = SignedRequest(data=request._request.POST)
        form.is_valid(raise_exception=True)
        return str(form.validated_data["signed_request"])

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, paris.InvalidSignedRequest):
            exc = InvalidInput("signed_request", "Is not valid.")
        return super().handle_exception(exc)


class DeauthorizeView(MetaView):
    """Sent when a person revokes access. Authenticated only by the signature."""

    @extend_schema(
        operation_id="metaDeauthorize",
        summary="Meta reports that a person revoked access",
        tags=["meta"],
        parameters=[_FAMILY],
        request=SignedRequest,
        responses={200: Deauthorised, **errors(400, 404, 413, 429, 503)},
    )
    def post(self, request: Request, family: str) -> Response:
        paris.deauthorise(LOGINS[family], self.signed_request(request), now=timezone.now())
        return Response({"status": "deauthorised"})


class DataDeletionView(MetaView):
    """Sent when a person asks Meta to delete their data. Authenticated only by the signature."""

    @extend_schema(
        operation_id="metaDataDeletion",
        summary="Meta requests the deletion of a person's data",
        tags=["meta"],
        parameters=[_FAMILY],
        request=SignedRequest,
        responses={200: DeletionAccepted, **errors(400, 404, 413, 429, 503)},
    )
    def post(self, request: Request, family: str) -> Response:
        deletion = paris.delete_data(LOGINS[family], self.signed_request(request), now=timezone.now())
        url = settings.PUBLIC_BASE_URL + reverse("deletion-status", args=[deletion.code])
        return Response({"url": url, "confirmation_code": deletion.code})


@require_safe
def deletion_status(request: HttpRequest, code: str) -> HttpResponse:
    """The status page for the person who asked for the deletion. It needs no account."""
    deletion = paris.find_deletion(code)
    if deletion is None:
        raise Http404
    return render(request, "connect/deletion.html", {"deletion": deletion})
