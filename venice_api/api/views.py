"""The feed API: parse → one call into Paris → serialise."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.views import APIView

from foundation import logs
from foundation.metrics import timed
from paris_integration import public as paris
from venice_api import embed_tokens
from venice_api.api import feed_results, http_caching, problems, throttles
from venice_api.api.authentication import (
    EmbedCaller,
    MemberCaller,
    identify_editor,
    identify_reader,
    require_session,
)
from venice_api.api.inputs import (
    json_object,
    parse_feed_query,
    parse_idempotency_key,
    parse_refresh_order,
    single_values,
)
from venice_api.api.schema import operations
from venice_api.api.serializers import feed_body
from venice_api.instances import find_instance
from venice_api.values import InvalidInput


class ApiView(APIView):
    """An API address whose caller is found by Venice's own rules, not by DRF's authenticators."""

    def perform_authentication(self, request: Request) -> None:
        """Nothing: DRF would put its own anonymous user in the session user's place."""


class FeedView(ApiView):
    """`GET /v1/integrations/instagram/feed`: the instance's posts, quickly, with honest freshness."""

    caller: EmbedCaller | MemberCaller | None = None
    view: paris.FeedView | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Counts every answer but those to pre-flights, once, and whatever it is."""
        if request.method == "OPTIONS":
            return super().dispatch(request, *args, **kwargs)
        result = "error"
        try:
            with timed("venice"):
                response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            result = feed_results.result_of(response.status_code, self.view)
            return response
        finally:
            workspace_id = self.caller.instance.workspace_id if self.caller else None
            paris.count_feed_request(workspace_id, result)

    @operations.feed
    def get(self, request: Request) -> HttpResponse:
        http_request = request._request
        self.caller = caller = identify_reader(http_request)
        instance = caller.instance
        logs.bind(workspace=instance.workspace_id, instance=instance.instance_id)
        throttles.check_read(http_request, instance.instance_id)
        is_member = isinstance(caller, MemberCaller)
        http_caching.check_origin(http_request, instance, is_session=is_member)
        query = parse_feed_query(http_request.GET)
        source = query.source_or_saved(instance.source)
        is_preview = source != instance.source
        if is_preview and not is_member:
            raise problems.source_mismatch()
        self.view = view = paris.read_feed(
            instance.feed_key(source),
            instance.selection(query.max_posts, query.filter),
            now=timezone.now(),
            is_preview=is_preview,
            for_member=is_member,
        )
        return http_caching.feed_response(http_request, caller, view, feed_body(view, source))

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        http_request = request._request
        instance_id = _named_id(http_request.GET)
        throttles.check_read(http_request, instance_id)
        return http_caching.preflight(http_request, find_instance(instance_id) if instance_id else None)

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(final, HttpResponse) and isinstance(self.caller, EmbedCaller):
            http_caching.add_cors(request._request, final, self.caller.instance)
        if isinstance(final, HttpResponse) and "token=" in request._request.META.get("QUERY_STRING", ""):
            http_caching.replace_kept_posts(final)
        final["Cross-Origin-Resource-Policy"] = "cross-origin"
        return final


class RefreshView(ApiView):
    """`POST /v1/integrations/instagram/refresh`: a member asks for fresh posts now."""

    http_method_names = ["post"]

    @operations.refresh
    def post(self, request: Request) -> HttpResponse:
        http_request = request._request
        require_session(http_request)
        order = parse_refresh_order(json_object(http_request))
        idempotency_key = parse_idempotency_key(http_request.headers.get("Idempotency-Key"))
        caller = identify_editor(http_request, order.instance_id)
        logs.bind(workspace=caller.instance.workspace_id, instance=caller.instance.instance_id)
        source = caller.instance.source
        if not order.names(source):
            raise problems.source_mismatch()
        view = paris.force_refresh(
            caller.instance.feed_key(),
            caller.instance.selection(),
            actor=paris.Actor(caller.user_id, caller.username),
            idempotency_key=idempotency_key,
            now=timezone.now(),
        )
        response = HttpResponse(feed_body(view, source), content_type="application/json")
        response["Cache-Control"] = http_caching.NEVER_SHARED
        if view.is_warming:
            response["Retry-After"] = str(http_caching.WARMING_RETRY_SECONDS)
        return response


@csrf_exempt
def unknown_api_address(request: HttpRequest) -> HttpResponse:
    return problems.not_found(request, Exception())


def _named_id(query: QueryDict) -> str | None:
    """The id of the instance a pre-flight is about, as far as its address says."""
    try:
        named = single_values(query, ("instanceId", "token"))
        if "token" in named:
            return embed_tokens.verify(named["token"]).instance_id
        return named.get("instanceId")
    except (InvalidInput, embed_tokens.InvalidEmbedToken):
        return None
