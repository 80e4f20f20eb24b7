"""The API in writing, as OpenAPI 3.1: what drf-spectacular can't read off the views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS

from venice_api.api.answers import Error

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


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """The answers to a failed request, for the `responses` of a view."""
    return {status: OpenApiResponse(Error, _ERRORS[status]) for status in statuses}


class ApiSchema(AutoSchema):
    """Adds the headers of every answer."""

    def get_override_parameters(self) -> list[Any]:
        return [
            OpenApiParameter(
                "X-Request-ID", str, "header", description="Echoed when it is sane.", response=True
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
            {"type": "http", "scheme": "bearer", "description": "Opens reads of its instance alone."},
            {"type": "apiKey", "in": "query", "name": "token", "description": "Cacheable by a CDN."},
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
                "description": "With every session write.",
            },
        ]


# Plain Django views, which drf-spectacular doesn't see.
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
                    parameter["schema"].pop("minLength", None)  # true, but stricter than what was published
    result["paths"] |= {
        "/v1/integrations/instagram/callback": {"get": _callback("instagram")},
        "/v1/integrations/instagram/callback/facebook": {"get": _callback("facebook")},
        "/healthz": {"get": _operation("alive", "The process answers", {"200": _json("Yes.", _ALIVE)})},
        "/readyz": {"get": _operation("ready", "What the service leans on answers", _READY)},
    }
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_READY = {
    "200": _json("Ready, or degraded: cache or broker do not answer.", _READINESS),
    "503": _json("The database does not answer, or lacks migrations.", _READINESS),
}


def _operation(operation_id: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": operation_id, "summary": summary, "tags": ["health"], "responses": responses}


def _callback(login: str) -> dict[str, Any]:
    def query(name: str) -> dict[str, Any]:
        return {"in": "query", "name": name, "schema": {"type": "string"}}

    return {
        "operationId": f"{login}Callback",
        "summary": f"Where Meta sends the person back to ({login.title()} login)",
        "tags": ["connection"],
        "security": [{"session": []}],
        "parameters": [query("state"), query("code"), query("error")],
        "responses": {
            "302": {
                "description": "To where the login began, with its result in the query; "
                "or to the choice of an account."
            },
            "400": {
                "description": "Nobody is signed in: a page that says to start again.",
                "content": {"text/html": {"schema": {"type": "string"}}},
            },
        },
    }
