"""The feed API: parse → one call into Paris → serialise."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.views import APIView

from paris_integration import public as paris
from venice_api import embed_tokens, http_caching, problems
from venice_api.authentication import EmbedCaller, MemberCaller, identify_reader
from venice_api.inputs import InvalidInput, parse_feed_query, single_values
from venice_api.instances import Instance, find_instance
from venice_api.serializers import feed_body


class ApiView(APIView):
    """An API address whose caller is found by Venice's own rules, not by DRF's authenticators."""

    def perform_authentication(self, request: Request) -> None:
        """Nothing: DRF would put its own anonymous user in the session user's place."""


class FeedView(ApiView):
    """`GET /v1/integrations/instagram/feed`: the instance's posts, quickly, with honest freshness."""

    caller: EmbedCaller | MemberCaller | None = None

    def get(self, request: Request) -> HttpResponse:
        http_request = request._request
        self.caller = caller = identify_reader(http_request)
        instance = caller.instance
        is_member = isinstance(caller, MemberCaller)
        http_caching.check_origin(http_request, instance, is_session=is_member)
        query = parse_feed_query(http_request.GET)
        source = query.source_or_saved(instance.source)
        is_preview = source != instance.source
        if is_preview and not is_member:
            raise problems.source_mismatch()
        view = paris.read_feed(
            instance.feed_key(source),
            instance.selection(query.max_posts, query.filter),
            now=timezone.now(),
            is_preview=is_preview,
        )
        return http_caching.feed_response(http_request, caller, view, feed_body(view, source))

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        return http_caching.preflight(request._request, _named_instance(request._request.GET))

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(final, HttpResponse) and isinstance(self.caller, EmbedCaller):
            http_caching.add_cors(request._request, final, self.caller.instance)
        final["Cross-Origin-Resource-Policy"] = "cross-origin"
        return final


@csrf_exempt
def unknown_api_address(request: HttpRequest) -> HttpResponse:
    return problems.not_found(request, Exception())


def _named_instance(query: QueryDict) -> Instance | None:
    """The instance a pre-flight is about, as far as its address says."""
    try:
        named = single_values(query, ("instanceId", "token"))
        if "token" in named:
            return find_instance(embed_tokens.verify(named["token"]).instance_id)
        return find_instance(named["instanceId"]) if "instanceId" in named else None
    except (InvalidInput, embed_tokens.InvalidEmbedToken):
        return None
