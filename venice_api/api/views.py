"""The feed API's views: parse the request, call Paris once, answer."""

from __future__ import annotations

import threading
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.exceptions import MethodNotAllowed, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation import logs
from foundation.metrics import timed
from paris_integration import public as paris
from venice_api import embed_tokens, explaining, sightings
from venice_api.api import feed_results, http_caching, inputs, problems, repeats, schema, throttles
from venice_api.api.answers import Explained, ExplainedCause, ExplainedFeed, FeedData, feed_body
from venice_api.api.authentication import (
    EmbedCaller,
    EmbedTokenAuthentication,
    MemberCaller,
    SessionAuthentication,
)
from venice_api.api.inputs import ExplainQuery, FeedQuery, RefreshOrder
from venice_api.api.negotiation import JsonObjectParser
from venice_api.api.permissions import IsEditor, IsMember, IsReader, find_member
from venice_api.instances import Instance, find_instance
from venice_api.values import InvalidInput


class ApiView(APIView):
    """Refuses in this order: 405, 401, 403 for the CSRF token, 413, 415, then 400 and the view's own errors."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = str(request._request.method).lower()
        if method not in self.http_method_names or not hasattr(self, method):
            raise MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)
        if method == "post" and JsonObjectParser in self.parser_classes:
            _ = request._request.body  # Django refuses large bodies; DRF would read them completely
            if request._request.content_type != JsonObjectParser.media_type:
                raise UnsupportedMediaType(str(request.content_type))

    def get_member(self, request: Request, instance_id: str) -> MemberCaller:
        """The user as a member of the instance's workspace, if the view's permissions allow it. Raises 404 or 403."""
        caller = find_member(request.user, instance_id)
        self.check_object_permissions(request, caller)
        return caller


class FeedView(ApiView):
    """`GET /v1/integrations/instagram/feed`: the instance's posts and how fresh they are."""

    authentication_classes = [EmbedTokenAuthentication, SessionAuthentication]
    permission_classes = [IsReader]
    throttle_classes = [throttles.ReadThrottle]
    caller: EmbedCaller | MemberCaller | None = None
    view: paris.FeedView | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Counts every answer once, except those to preflight requests."""
        if request.method == "OPTIONS":
            return super().dispatch(request, *args, **kwargs)
        if "token=" in request.META.get("QUERY_STRING", ""):
            # The session's middleware would delete an invalid cookie in an answer that caches store.
            request.COOKIES = {}
        result = "error"
        try:
            with timed("venice"):
                response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            result = feed_results.result_of(response.status_code, self.view)
            return response
        finally:
            workspace_id = self.caller.instance.workspace_id if self.caller else None
            paris.count_feed_request(workspace_id, result)
            if isinstance(self.caller, EmbedCaller) and self.view is not None:
                self._note_reader(request, self.caller.instance.instance_id)

    def _note_reader(self, request: HttpRequest, instance_id: str) -> None:
        now = timezone.now()
        sightings.note_read(instance_id, now=now)
        host = sightings.host_of(request.headers.get("Origin"), request.headers.get("Referer"))
        sightings.note_page(instance_id, host, now=now)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "OPTIONS":  # browsers send preflights without credentials
            self.check_throttles(request)
        else:
            super().initial(request, *args, **kwargs)

    def check_permissions(self, request: Request) -> None:
        """Also finds the instance, before throttling, so that only its permitted readers count towards its limit."""
        super().check_permissions(request)
        auth: EmbedCaller | None = request.auth  # type: ignore[assignment]
        self.caller = auth or self.get_member(request, _instance_id(request))
        instance = self.caller.instance
        logs.bind(workspace=instance.workspace_id, instance=instance.instance_id)

    def instance_id_of(self, request: Request) -> str | None:
        """For the throttle. For a preflight, the instance named in the URL."""
        return self.caller.instance.instance_id if self.caller else _named_id(request)

    @extend_schema(
        operation_id="readFeed",
        summary="Read a feed",
        description=(
            "Returns the instance's cached posts and how fresh they are. Never fails because of the plan, the quota or "
            "the provider: `warnings` name the problem."
        ),
        tags=["feed"],
        parameters=[
            FeedQuery,
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
            OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 304]),
            OpenApiParameter("Cache-Control", str, OpenApiParameter.HEADER, response=[200, 304]),
        ],
        responses={
            200: OpenApiResponse(FeedData, "The feed. With the warning FEED_WARMING, `Retry-After` is set."),
            304: OpenApiResponse(description="The client's copy is current."),
            **schema.errors(400, 401, 403, 404, 409, 429, 503),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        http_request = request._request
        caller = cast("EmbedCaller | MemberCaller", self.caller)
        instance, is_member = caller.instance, isinstance(caller, MemberCaller)
        http_caching.check_origin(http_request, instance, is_session=is_member)
        query = FeedQuery(data=http_request.GET)
        query.is_valid(raise_exception=True)
        source = query.source_or(instance.source)
        if source is None:
            raise InvalidInput("sourceValue", "This field is required with a different sourceType.")
        is_preview = source != instance.source
        if is_preview and not is_member:
            raise problems.source_mismatch()
        read = paris.read_feed_as_member if is_member else paris.read_feed
        self.view = view = read(
            instance.feed_key(source),
            instance.selection(
                query.validated_data.get("maxPosts"), query.validated_data.get("filterType"), source=source
            ),
            now=timezone.now(),
            is_preview=is_preview,
        )
        body = feed_body(view, source, instance)
        response = http_caching.feed_response(http_request, caller, view, body)
        if not is_member:
            self._offer_repeats(http_request, instance, view, body, response.get("ETag", ""))
        return response

    def _offer_repeats(
        self, request: HttpRequest, instance: Instance, view: paris.FeedView, body: bytes, etag: str
    ) -> None:
        match = request.resolver_match
        repeats.offer(
            request,
            repeats.Offer(
                body=body,
                etag=etag,
                workspace_id=instance.workspace_id,
                instance_id=instance.instance_id,
                view=view,
                route=match.view_name if match else "",
            ),
        )

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        instance_id = _named_id(request)
        return http_caching.preflight(request._request, find_instance(instance_id) if instance_id else None)

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
    """`POST /v1/integrations/instagram/refresh`: refresh the feed now."""

    http_method_names = ["post"]
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsEditor]
    parser_classes = [JsonObjectParser]

    @extend_schema(
        operation_id="refreshFeed",
        summary="Refresh a feed now",
        description=(
            "For editors and owners. A successful refresh uses one of the plan's forced refreshes. "
            "Here, `nextRefreshAllowedAt` is the time of the next forced refresh."
        ),
        tags=["feed"],
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": inputs.KEY_LIMIT,
                    "pattern": f"^{inputs.KEY_PATTERN}$",
                },
                OpenApiParameter.HEADER,
                description="A repeat within 24 hours returns the current feed and costs nothing.",
            ),
        ],
        request=RefreshOrder,
        responses={200: FeedData, **schema.errors(400, 401, 403, 404, 409, 413, 415, 429, 503)},
    )
    def post(self, request: Request) -> HttpResponse:
        order = RefreshOrder(data=request.data)
        order.is_valid(raise_exception=True)
        idempotency_key = inputs.parse_idempotency_key(request.headers.get("Idempotency-Key"))
        caller = self.get_member(request, order.validated_data["instanceId"])
        instance = caller.instance
        logs.bind(workspace=instance.workspace_id, instance=instance.instance_id)
        if order.source_or(instance.source) != instance.source:
            raise problems.source_mismatch()
        view = paris.force_refresh(
            instance.feed_key(),
            instance.selection(),
            actor=paris.Actor(caller.user_id, caller.username),
            idempotency_key=idempotency_key,
            now=timezone.now(),
        )
        body = feed_body(view, instance.source, instance)
        response = HttpResponse(body, content_type="application/json")
        response["Cache-Control"] = http_caching.NEVER_SHARED
        if view.is_warming:
            response["Retry-After"] = str(http_caching.WARMING_RETRY_SECONDS)
        return response


class ExplainView(ApiView):
    """`GET /v1/integrations/instagram/explain`: why the posts are as old as they are."""

    http_method_names = ["get"]
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsMember]

    @extend_schema(
        operation_id="explainFeed",
        summary="Explain a feed's state",
        description=(
            "For members' sessions. Returns why the posts are as old as they are: a chain of causes, worst first, and "
            "what editors, support staff and operators can do about each."
        ),
        tags=["feed"],
        parameters=[
            ExplainQuery,
            OpenApiParameter("Cache-Control", str, OpenApiParameter.HEADER, response=[200]),
        ],
        responses={200: Explained, **schema.errors(400, 401, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        query = ExplainQuery(data=request._request.GET)
        query.is_valid(raise_exception=True)
        instance = self.get_member(request, query.validated_data["instanceId"]).instance
        logs.bind(workspace=instance.workspace_id, instance=instance.instance_id)
        found = paris.explain_instance(instance.feed_key(), now=timezone.now())
        causes = [
            ExplainedCause(
                cause,
                editor=explaining.editor_words(cause, found, instance.source.type),
                support=explaining.support_words(cause, found),
                operator=explaining.operator_words(cause),
            )
            for cause in found.causes
        ]
        body = Explained(ExplainedFeed(found.condition, found.first, causes)).data
        response = Response(body, headers={"Cache-Control": http_caching.NEVER_SHARED})
        patch_vary_headers(response, ["Cookie"])
        return response


class SchemaView(SpectacularJSONAPIView):
    """`GET /api/schema/`: the OpenAPI description. Made for one request at a time."""

    # drf-spectacular loads its extensions in its first use, which fails in several threads at once.
    _lock = threading.Lock()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The API documentation, rendered by a bundled Swagger UI."""
    return render(request, "api/docs.html")


@csrf_exempt
def unknown_api_address(request: HttpRequest) -> HttpResponse:
    return problems.not_found(request, Exception())


def _instance_id(request: Request) -> str:
    """The instance a member asks for. The authentication has validated the text."""
    instance_id = request.query_params.get("instanceId")
    if instance_id is None:
        raise InvalidInput("instanceId", "This field is required.")
    return instance_id


def _named_id(request: Request) -> str | None:
    """The instance ID of a preflight, from its token or its query."""
    try:
        named = inputs.single_values(request.query_params, ("instanceId", "token"))
        if "token" in named:
            return embed_tokens.verify(named["token"]).instance_id
        return named.get("instanceId")
    except (InvalidInput, embed_tokens.InvalidEmbedToken):
        return None
