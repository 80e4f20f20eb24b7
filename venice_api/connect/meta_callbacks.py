"""Requests that Meta's servers send about people, authenticated by their signature alone."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from paris_integration import public as paris
from venice_api.api.schema import operations
from venice_api.api.views import ApiView
from venice_api.connect.views import LOGINS
from venice_api.values import InvalidInput


@method_decorator(csrf_exempt, name="dispatch")
class DeauthorizeView(ApiView):
    """Meta's server tells of a person who withdrew. Authenticated by the signature alone."""

    http_method_names = ["post"]

    @operations.deauthorize
    def post(self, request: Request, family: str) -> HttpResponse:
        try:
            paris.deauthorise(LOGINS[family], _signed_request(request), now=timezone.now())
        except paris.InvalidSignedRequest:
            raise InvalidInput("signed_request", "Is not valid.") from None
        return JsonResponse({"status": "deauthorised"})


@method_decorator(csrf_exempt, name="dispatch")
class DataDeletionView(ApiView):
    """Meta's server passes on a person's order to delete their data. Authenticated by the signature alone."""

    http_method_names = ["post"]

    @operations.data_deletion
    def post(self, request: Request, family: str) -> HttpResponse:
        try:
            deletion = paris.delete_data(LOGINS[family], _signed_request(request), now=timezone.now())
        except paris.InvalidSignedRequest:
            raise InvalidInput("signed_request", "Is not valid.") from None
        url = settings.PUBLIC_BASE_URL + reverse("deletion-status", args=[deletion.code])
        return JsonResponse({"url": url, "confirmation_code": deletion.code})


def _signed_request(request: Request) -> str:
    sent = request._request.POST.getlist("signed_request")
    if len(sent) != 1:
        raise InvalidInput("signed_request", "Must be given once.")
    return sent[0]


@require_safe
def deletion_status(request: HttpRequest, code: str) -> HttpResponse:
    """For the person who asked Meta for it: readable without an account."""
    deletion = paris.find_deletion(code)
    if deletion is None:
        raise Http404
    return render(request, "connect/deletion.html", {"deletion": deletion})
