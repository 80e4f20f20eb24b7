"""Counts events for Prometheus and for the workspace's daily usage.

Each event is counted once, in the process where it happens.
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
    "Answered feed requests by result, without pre-flight requests.",
    ["workspace", "result"],
)
refresh_attempts = Counter(
    "instagram_refresh_attempts_total",
    "Completed refreshes, by kind (automatic, forced, cold, preview) and outcome.",
    ["workspace", "kind", "outcome"],
)
refresh_blocked = Counter(
    "instagram_refresh_blocked_total",
    "Requested refreshes that made no call, by reason.",
    ["workspace", "reason"],
)
provider_errors = Counter(
    "instagram_provider_errors_total",
    "Provider errors in refreshes and renewals, by class.",
    ["workspace", "reason"],
)
pictures_copied = Counter(
    "instagram_pictures_copied_total", "Pictures that a feed got a copy of.", ["workspace"]
)
picture_failures = Counter(
    "instagram_picture_failures_total",
    "Pictures that could not be copied or removed, by reason.",
    ["reason"],
)
token_renewals = Counter("instagram_token_renewals_total", "Token renewals by outcome.", ["outcome"])

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


def count_feed_request(workspace_id: UUID | str | None, result: str, *, number: int = 1) -> None:
    """Count answers to feed requests. `workspace_id` None: the requested widget doesn't exist."""
    if workspace_id is None:
        feed_requests.labels(workspace=UNKNOWN_WORKSPACE, result=result).inc(number)
        return
    feed_requests.labels(workspace=labels.label_of(workspace_id), result=result).inc(number)
    usage.note(workspace_id, "feed_requests", number=number)


def count_attempt(workspace_id: UUID, kind: str, outcome: str) -> None:
    """Count a refresh. `kind`: automatic, forced, cold, preview; `outcome`: succeeded, failed, fenced, crashed."""
    refresh_attempts.labels(workspace=labels.label_of(workspace_id), kind=kind, outcome=outcome).inc()
    usage.note(workspace_id, "forced_refreshes" if kind == "forced" else "automatic_refreshes")


def count_blocked(workspace_id: UUID, reason: str) -> None:
    """Count a requested refresh that was refused, or answered without a call."""
    refresh_blocked.labels(workspace=labels.label_of(workspace_id), reason=reason).inc()
    usage.note(workspace_id, "blocked_refreshes")


def count_provider_error(
    workspace_id: UUID, error: errors.ProviderError, *, of_operator: bool = False
) -> None:
    """Count a provider error. `of_operator`: the public-mode token was refused."""
    reason = OPERATOR_TOKEN if of_operator else reason_of(error)
    provider_errors.labels(workspace=labels.label_of(workspace_id), reason=reason).inc()
    usage.note(workspace_id, "provider_errors")


def count_picture_copied(workspace_id: UUID) -> None:
    """Count a picture that a feed got a copy of."""
    pictures_copied.labels(workspace=labels.label_of(workspace_id)).inc()


def count_picture_failure(reason: str) -> None:
    """Count a picture that could not be copied or removed. `reason`: one of a fixed set of codes."""
    picture_failures.labels(reason=reason).inc()


def count_renewal(outcome: str) -> None:
    """Count a token renewal: `renewed`, `failed` or `died`."""
    token_renewals.labels(outcome=outcome).inc()


def reason_of(error: errors.ProviderError) -> str:
    return next((name for kind, name in REASONS if isinstance(error, kind)), "unexpected")
