"""What Paris counts: for Prometheus, and for the day's usage of the workspace.

An event is counted once, in the process where it happens, when it has happened.
"""

from __future__ import annotations

from uuid import UUID

from prometheus_client import Counter

from entitlements.metric_labels import labels
from paris_integration import errors
from paris_integration.observing import usage

UNKNOWN_WORKSPACE = "_unknown"  # the request named no widget that exists

feed_requests = Counter(
    "instagram_feed_requests_total",
    "Feed requests answered, by what the reader got. Pre-flights are none.",
    ["workspace", "result"],
)
refresh_attempts = Counter(
    "instagram_refresh_attempts_total",
    "Flights to the provider that ended, by who asked (automatic, forced, cold, preview) and how.",
    ["workspace", "kind", "outcome"],
)
refresh_blocked = Counter(
    "instagram_refresh_blocked_total", "Refreshes asked for and not made, by reason.", ["workspace", "reason"]
)
provider_errors = Counter(
    "instagram_provider_errors_total",
    "Errors of the provider that a refresh or a renewal met, by class.",
    ["workspace", "reason"],
)
token_renewals = Counter(
    "instagram_token_renewals_total", "Token renewals tried, by how they ended.", ["outcome"]
)

REASONS: tuple[tuple[type[errors.ProviderError], str], ...] = (
    (errors.TokenRejected, "token_rejected"),
    (errors.PermissionMissing, "permission_missing"),
    (errors.RateLimited, "rate_limited"),
    (errors.ProviderUnavailable, "unavailable"),
    (errors.SourceNotFound, "source_not_found"),
    (errors.HashtagQuotaExhausted, "hashtag_quota"),
    (errors.UnexpectedPayload, "unexpected_payload"),
)
OPERATOR_TOKEN = "operator_token"  # noqa: S105 - a name, no secret


def count_feed_request(workspace_id: UUID | str | None, result: str) -> None:
    """One answer to a feed request; `workspace_id` None when the request named no widget that exists."""
    if workspace_id is None:
        feed_requests.labels(workspace=UNKNOWN_WORKSPACE, result=result).inc()
        return
    feed_requests.labels(workspace=labels.label_of(workspace_id), result=result).inc()
    usage.note(workspace_id, "feed_requests")


def count_attempt(workspace_id: UUID, kind: str, outcome: str) -> None:
    """One flight that ended: `kind` automatic, forced, cold, preview; `outcome` succeeded, failed, fenced, crashed."""
    refresh_attempts.labels(workspace=labels.label_of(workspace_id), kind=kind, outcome=outcome).inc()
    usage.note(workspace_id, "forced_refreshes" if kind == "forced" else "automatic_refreshes")


def count_blocked(workspace_id: UUID, reason: str) -> None:
    """One refresh that was asked for and refused, or answered without a call."""
    refresh_blocked.labels(workspace=labels.label_of(workspace_id), reason=reason).inc()
    usage.note(workspace_id, "blocked_refreshes")


def count_provider_error(
    workspace_id: UUID, error: errors.ProviderError, *, of_operator: bool = False
) -> None:
    """`of_operator`: the public-mode token itself was refused."""
    reason = OPERATOR_TOKEN if of_operator else reason_of(error)
    provider_errors.labels(workspace=labels.label_of(workspace_id), reason=reason).inc()
    usage.note(workspace_id, "provider_errors")


def count_renewal(outcome: str) -> None:
    """One token renewal that was tried: `renewed`, `failed` or `died`."""
    token_renewals.labels(outcome=outcome).inc()


def reason_of(error: errors.ProviderError) -> str:
    return next((name for kind, name in REASONS if isinstance(error, kind)), "unexpected")
