"""The error tree of Paris. An error carries what its catcher acts on: the warning for readers, and when to retry."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from paris_integration.types import BlockReason, Warning


class ParisError(Exception):
    """Anything Paris reports on purpose. Messages never hold tokens, provider texts or URLs."""


class StoreUnavailable(ParisError):
    """The database cannot be asked, and no copy is at hand. Try again shortly."""


class PreviewBudgetSpent(ParisError):
    """The workspace has used its previews of unsaved sources for this hour."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__("preview budget spent")
        self.retry_at = retry_at


class TooBusy(ParisError):
    """No place to wait for a flight under way. Nothing was charged; try again shortly."""


class RefreshRefused(ParisError):
    """The quota or the TTL says no, as seen while the books are held."""

    def __init__(self, reason: BlockReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class RefreshBlocked(ParisError):
    """A refresh that was asked for is not allowed now. `allowed_at` None: no time would help.

    `upgrade_hint`: the name of the lowest higher plan under which this very request would pass.
    """

    def __init__(self, reason: BlockReason, allowed_at: datetime | None, upgrade_hint: str | None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.allowed_at = allowed_at
        self.upgrade_hint = upgrade_hint


class ProviderError(ParisError):
    """The provider refused or answered something nobody listed: stays loud, is never taken for a known fault.

    `code`, `subcode`, `status` and `trace_id` (Meta's fbtrace_id) are for operators; no provider text is kept.
    """

    warning: ClassVar[Warning] = Warning.PROVIDER_ERROR

    def __init__(
        self,
        detail: str = "",
        *,
        code: int | None = None,
        subcode: int | None = None,
        status: int | None = None,
        trace_id: str | None = None,
        rejected_field: str | None = None,
    ) -> None:
        parts = [detail or type(self).__name__]
        known = (("code", code), ("subcode", subcode), ("status", status))
        parts += [f"{name}={value}" for name, value in known if value is not None]
        super().__init__(" ".join(parts))
        self.code = code
        self.subcode = subcode
        self.status = status
        self.trace_id = trace_id
        self.rejected_field = rejected_field


class TokenRejected(ProviderError):
    """The grant is dead; only its account holder can renew it."""

    warning = Warning.RECONNECT_REQUIRED


class PermissionMissing(ProviderError):
    """The grant lives, but lacks a right this call needs."""

    warning = Warning.PERMISSION_MISSING


def is_refusal(fault: ProviderError) -> bool:
    """Whether Meta itself refused the token or a right of it; a token that we cannot open has no code."""
    return isinstance(fault, TokenRejected | PermissionMissing) and fault.code is not None


class RateLimited(ProviderError):
    """The provider's window is closed. `retry_after_seconds` is its own word, None when it gave none."""

    warning = Warning.PROVIDER_RATE_LIMITED
    retry_after_seconds: float | None = None


class ProviderUnavailable(ProviderError):
    """Time-out, broken connection, 5xx, transient code, or an answer that is no JSON: worth another try later."""

    warning = Warning.PROVIDER_UNAVAILABLE


class SourceNotFound(ProviderError):
    """No readable account (unknown, personal, age-gated) or tag behind this source."""

    warning = Warning.SOURCE_NOT_FOUND


class HashtagQuotaExhausted(ProviderError):
    """This account has searched 30 tags in 7 days. `retry_after_seconds`: until the first lapses, if known."""

    warning = Warning.HASHTAG_QUOTA_EXHAUSTED
    retry_after_seconds: float | None = None


class UnexpectedPayload(ProviderError):
    """JSON arrived, but not in the shape Meta documents: the contract changed."""


class LoginFailed(ParisError):
    """A login at Meta ended without a grant; `reason` as the editor is told (contract §3.3)."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
