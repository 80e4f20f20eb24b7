"""The parts of the OpenAPI 3.1 schema that drf-spectacular can't derive from the views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS

from venice_api.api.answers import Error

_ERRORS = {
    400: "The request is invalid; `fields` says why.",
    401: "A valid embed token or a session is required.",
    403: "The caller or site isn't allowed, or the CSRF token is missing.",
    404: "The URL or instance doesn't exist, or belongs to another workspace.",
    409: "The refresh is blocked, or the widget has a different source.",
    413: "The body is larger than 64 KiB.",
    415: "The content type is not application/json.",
    429: "Too many requests.",
    503: "The service is temporarily unavailable.",
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """The answers to a failed request, for the `responses` of a view."""
    return {status: OpenApiResponse(Error, _ERRORS[status]) for status in statuses}


class ApiSchema(AutoSchema):
    """Adds the headers that all answers share."""

    def get_override_parameters(self) -> list[Any]:
        return [
            OpenApiParameter(
                "X-Request-ID",
                str,
                "header",
                description="The request's ID; the client's own if it is valid.",
                response=True,
            ),
            OpenApiParameter("Retry-After", int, "header", description="Seconds.", response=[429, 503]),
        ]


class EmbedTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "venice_api.api.authentication.EmbedTokenAuthentication"
    name = ["embedToken", "embedTokenQuery"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "Allows reads of its instance only."},
            {
                "type": "apiKey",
                "in": "query",
                "name": "token",
                "description": "Makes the URL cacheable by a CDN.",
            },
        ]


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "venice_api.api.authentication.SessionAuthentication"
    name = ["session", "csrf"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[str]]:
        return {"session": []} if auto_schema.method in SAFE_METHODS else {"session": [], "csrf": []}

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A signed-in member."},
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRFToken",
                "description": "Required for all changes made with a session.",
            },
        ]


# The health endpoints are plain Django views, which drf-spectacular doesn't see.
_HEALTH = {"type": "object", "additionalProperties": False}
_CHECK = _HEALTH | {
    "required": ["status", "required", "milliseconds"],
    "properties": {
        "status": {"enum": ["ok", "failing"]},
        "required": {"type": "boolean"},
        "milliseconds": {"type": "integer"},
        "reason": {"type": "string"},
    },
}
_CHECKS = _HEALTH | {
    "required": ["database", "migrations", "cache", "broker"],
    "properties": dict.fromkeys(("database", "migrations", "cache", "broker"), _CHECK),
}
_READINESS = _HEALTH | {
    "required": ["status", "checks"],
    "properties": {"status": {"enum": ["ready", "degraded", "unavailable"]}, "checks": _CHECKS},
}
_ALIVE = _HEALTH | {"required": ["status"], "properties": {"status": {"const": "ok"}}}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular."""
    for schema in result["components"]["schemas"].values():
        schema["additionalProperties"] = False
    for path in result["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    parameter["schema"].pop("minLength", None)  # true, but stricter than the published schema
    result["paths"] |= {
        "/v1/integrations/instagram/callback": {"get": _callback("instagram")},
        "/v1/integrations/instagram/callback/facebook": {"get": _callback("facebook")},
        "/healthz": {
            "get": _operation("alive", "Liveness check", {"200": _json("The process is running.", _ALIVE)})
        },
        "/readyz": {"get": _operation("ready", "Readiness check", _READY)},
    }
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_READY = {
    "200": _json("Ready, or degraded: the cache or the broker doesn't answer.", _READINESS),
    "503": _json("The database doesn't answer, or migrations are missing.", _READINESS),
}


def _operation(operation_id: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": operation_id, "summary": summary, "tags": ["health"], "responses": responses}


def _callback(login: str) -> dict[str, Any]:
    def query(name: str) -> dict[str, Any]:
        return {"in": "query", "name": name, "schema": {"type": "string"}}

    return {
        "operationId": f"{login}Callback",
        "summary": f"Callback of the login with Meta ({login.title()} login)",
        "tags": ["connection"],
        "security": [{"session": []}],
        "parameters": [query("state"), query("code"), query("error")],
        "responses": {
            "302": {
                "description": "Redirects to where the login began, with its result in the query, "
                "or to the choice of an account."
            },
            "400": {
                "description": "The user isn't signed in: a page asks them to start again.",
                "content": {"text/html": {"schema": {"type": "string"}}},
            },
        },
    }
