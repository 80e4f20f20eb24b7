"""What drf-spectacular cannot see: plain Django views, and that our shapes hold nothing beyond what is written."""

from __future__ import annotations

from typing import Any

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "embedToken": {"type": "http", "scheme": "bearer", "description": "Opens reads of its instance alone."},
    "embedTokenQuery": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "Cacheable by a CDN.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A signed-in member."},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "With every session write.",
    },
}
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
    result["components"]["securitySchemes"] = SECURITY_SCHEMES
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
