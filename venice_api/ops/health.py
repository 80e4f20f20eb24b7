"""Liveness of the process, and readiness of its dependencies."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from foundation import probes

DECIDING = ("database", "migrations")  # failures of the others only degrade the service
prober = probes.Prober(
    {
        "database": probes.probe_database,
        "migrations": probes.probe_migrations,
        "cache": probes.probe_cache,
        "broker": probes.probe_broker,
    }
)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process can answer. Its dependencies are not checked."""
    return _answer({"status": "ok"}, 200)


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 `ready` or `degraded`, 503 `unavailable`, with `{status, required, milliseconds, reason?}` per dependency.

    Answers within two seconds even if a dependency hangs. Never contains host names, accounts or secrets.
    """
    findings = prober.ask()
    failing = {name for name, finding in findings.items() if finding.reason is not None}
    status = "unavailable" if failing & set(DECIDING) else "degraded" if failing else "ready"
    checks = {
        name: {
            "status": "failing" if finding.reason is not None else "ok",
            "required": name in DECIDING,
            "milliseconds": finding.milliseconds,
            **({"reason": finding.reason} if finding.reason is not None else {}),
        }
        for name, finding in findings.items()
    }
    return _answer({"status": status, "checks": checks}, 503 if status == "unavailable" else 200)


def _answer(body: dict[str, object], status: int) -> JsonResponse:
    response = JsonResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    return response
