"""The operations of the API: parameters, answers and callers of each, for the schema alone."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from venice_api.api.schema import shapes
from venice_api.values import MAX_POSTS_LIMIT

_REQUEST_ID = OpenApiParameter(
    "X-Request-ID", str, OpenApiParameter.HEADER, description="Echoed when it is sane.", response=True
)
_RETRY_AFTER = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, description="Seconds.", response=[429, 503]
)
_ERRORS = {
    400: "The request cannot be used; `fields` says why.",
    401: "A valid embed token or a session is needed.",
    403: "Not for this caller, this site, or without the CSRF token.",
    404: "No such address or instance, or one of another workspace.",
    409: "Blocked, or meant for another source.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not said to be application/json.",
    429: "Too many requests.",
    503: "A store cannot be reached right now.",
}
MEMBER: list[dict[str, list[str]]] = [{"session": [], "csrf": []}]
READER: list[dict[str, list[str]]] = [{"embedToken": []}, {"embedTokenQuery": []}, {"session": []}]


def _text(name: str, description: str, *, required: bool = False, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.QUERY, description=description, required=required, **more
    )


def _errors(*statuses: int) -> dict[int, OpenApiResponse]:
    return {status: OpenApiResponse(shapes.Error, _ERRORS[status]) for status in statuses}


_SOURCE_TYPE = _text(
    "sourceType", "Must be the saved one; a member may ask for another.", enum=["profile", "hashtag"]
)
_SOURCE_VALUE = _text(
    "sourceValue", "A username or tag. Must be the saved one; a member may ask for another."
)

feed = extend_schema(
    operation_id="readFeed",
    summary="Read a feed",
    description=(
        "The instance's posts from the cache, with honest freshness. Never fails for plan, quota or provider reasons: "
        "`warnings` say what is the matter."
    ),
    tags=["feed"],
    auth=READER,  # type: ignore[arg-type]
    parameters=[
        _text("instanceId", "May be left out with a token."),
        _SOURCE_TYPE,
        _SOURCE_VALUE,
        OpenApiParameter(
            "maxPosts",
            {"type": "integer", "minimum": 1, "maximum": MAX_POSTS_LIMIT},
            OpenApiParameter.QUERY,
        ),
        _text("filterType", "`photo` is accepted for `image`.", enum=["all", "image", "video", "photo"]),
        OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
        _REQUEST_ID,
        _RETRY_AFTER,
        OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 304]),
        OpenApiParameter("Cache-Control", str, OpenApiParameter.HEADER, response=[200, 304]),
    ],
    responses={
        200: OpenApiResponse(shapes.FeedData, "The feed; with FEED_WARMING also `Retry-After`."),
        304: OpenApiResponse(description="What the reader has is current."),
        **_errors(400, 401, 403, 404, 409, 429, 503),
    },
)

refresh = extend_schema(
    operation_id="refreshFeed",
    summary="Refresh a feed now",
    description=(
        "For editors and owners. Costs one unit of the plan's forced refreshes when it succeeds. "
        "`nextRefreshAllowedAt` is the next forced refresh here."
    ),
    tags=["feed"],
    auth=MEMBER,  # type: ignore[arg-type]
    parameters=[
        OpenApiParameter(
            "Idempotency-Key",
            {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
            OpenApiParameter.HEADER,
            description="A repeat within 24 hours gets the first answer and costs nothing.",
        ),
        _REQUEST_ID,
        _RETRY_AFTER,
    ],
    request=shapes.RefreshOrder,
    responses={200: shapes.FeedData, **_errors(400, 401, 403, 404, 409, 413, 415, 429, 503)},
)

connect = extend_schema(
    operation_id="connect",
    summary="Begin a login at Meta",
    tags=["connection"],
    auth=[{"session": []}],  # type: ignore[list-item]
    parameters=[
        _text("instanceId", "The instance to connect.", required=True),
        OpenApiParameter(
            "redirectUri",
            OpenApiTypes.URI,
            OpenApiParameter.QUERY,
            description="Where the person ends: an entry of EDITOR_REDIRECT_URIS, or the editor's own page.",
        ),
        _text("login", "Left out: by the kind of source.", enum=["instagram", "facebook"]),
        _REQUEST_ID,
        _RETRY_AFTER,
    ],
    responses={
        302: OpenApiResponse(description="To Meta; or back with `status=error&reason=PLAN_RESTRICTED`."),
        **_errors(400, 401, 403, 404, 429, 503),
    },
)

disconnect = extend_schema(
    operation_id="disconnect",
    summary="Disconnect the account and erase what was read by it",
    tags=["connection"],
    auth=MEMBER,  # type: ignore[arg-type]
    parameters=[_REQUEST_ID, _RETRY_AFTER],
    request=shapes.DisconnectOrder,
    responses={200: shapes.Disconnected, **_errors(400, 401, 403, 404, 413, 415, 429, 503)},
)

_FAMILY = OpenApiParameter("family", str, OpenApiParameter.PATH, enum=["instagram", "facebook"])
_FORM = {"application/x-www-form-urlencoded": shapes.SignedRequest}

deauthorize = extend_schema(
    operation_id="metaDeauthorize",
    summary="Meta tells that a person withdrew access",
    tags=["meta"],
    auth=[],
    parameters=[_FAMILY, _REQUEST_ID, _RETRY_AFTER],
    request=_FORM,
    responses={200: shapes.Deauthorised, **_errors(400, 404, 413, 429, 503)},
)

data_deletion = extend_schema(
    operation_id="metaDataDeletion",
    summary="Meta orders the deletion of a person's data",
    tags=["meta"],
    auth=[],
    parameters=[_FAMILY, _REQUEST_ID, _RETRY_AFTER],
    request=_FORM,
    responses={200: shapes.DeletionAccepted, **_errors(400, 404, 413, 429, 503)},
)
