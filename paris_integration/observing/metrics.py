"""Counts events for Prometheus and for the workspace's daily usage."""

from __future__ import annotations

from uuid import UUID

from entitlements.metric_labels import labels
from foundation import metrics
from paris_integration import errors
from paris_integration.observing import usage

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
    """Count an answer to a feed request. `workspace_id` None: the requested widget doesn't exist."""
    if workspace_id is None:
        metrics.feed_requests.labels(workspace=metrics.UNKNOWN_WORKSPACE, result=result).inc()
        return
    metrics.feed_requests.labels(workspace=labels.label_of(workspace_id), result=result).inc()
    usage.note(workspace_id, "feed_requests")


def count_attempt(workspace_id: UUID, kind: str, outcome: str) -> None:
    """Count a refresh. `kind`: automatic, forced, cold, preview; `outcome`: succeeded, failed, fenced, crashed."""
    metrics.refresh_attempts.labels(workspace=labels.label_of(workspace_id), kind=kind, outcome=outcome).inc()
    usage.note(workspace_id, "forced_refreshes" if kind == "forced" else "automatic_refreshes")


def count_blocked(workspace_id: UUID, reason: str) -> None:
    """Count a requested refresh that was refused, or answered without a call."""
    metrics.refresh_blocked.labels(workspace=labels.label_of(workspace_id), reason=reason).inc()
    usage.note(workspace_id, "blocked_refreshes")


def count_provider_error(
    workspace_id: UUID, error: errors.ProviderError, *, of_operator: bool = False
) -> None:
    """Count a provider error. `of_operator`: the public-mode token was refused."""
    reason = OPERATOR_TOKEN if of_operator else reason_of(error)
    metrics.provider_errors.labels(workspace=labels.label_of(workspace_id), reason=reason).inc()
    usage.note(workspace_id, "provider_errors")


def reason_of(error: errors.ProviderError) -> str:
    return next((name for kind, name in REASONS if isinstance(error, kind)), "unexpected")
