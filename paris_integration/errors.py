"""The exceptions of Paris. They carry what callers act on: the warning for readers, and when to retry."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from paris_integration.types import BlockReason, Warning


class ParisError(Exception):
    """Base class. Messages never contain tokens, provider texts or URLs."""


class StoreUnavailable(ParisError):
    """The database is unavailable, and there is no cached copy. Try again shortly."""


class StorageUnavailable(ParisError):
    """The storage of pictures can't be used. Try again later.

    `reason`: `full`, `read_only`, `unreachable`, `busy` (too many reads at once), `refused` (keys or rights),
    `no_bucket` or `failed`. `detail`: an error code for operators.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason
        self.detail = detail


class PreviewBudgetSpent(ParisError):
    """The workspace has used up its previews of unsaved sources for this hour."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__("preview budget spent")
        self.retry_at = retry_at


class TooBusy(ParisError):
    """Too many requests are waiting for Meta. Nothing was charged; try again shortly."""


class RefreshRefused(ParisError):
    """The quota or the TTL doesn't allow the refresh, as checked under the lock on the quota."""

    def __init__(self, reason: BlockReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class RefreshBlocked(ParisError):
    """The requested refresh isn't allowed now. `allowed_at` None: waiting doesn't help.

    `upgrade_hint`: the name of the lowest higher plan under which the same request would be allowed.
    """

    def __init__(self, reason: BlockReason, allowed_at: datetime | None, upgrade_hint: str | None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.allowed_at = allowed_at
        self.upgrade_hint = upgrade_hint


class ProviderError(ParisError):
    """The provider failed. This class itself stands for errors that the fault table doesn't list.

    `code`, `subcode`, `status` and `trace_id` (Meta's fbtrace_id) are for operators. No provider text is kept.
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
        # The message is stored and logged: only codes, never a text from the provider.
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
    """The token doesn't work any more; the account holder must connect again."""

    warning = Warning.RECONNECT_REQUIRED


class PermissionMissing(ProviderError):
    """The token works, but lacks a permission that the call needs."""

    warning = Warning.PERMISSION_MISSING


def is_refusal(fault: ProviderError) -> bool:
    """Whether Meta refused the token or a permission."""
    # Without a code Meta wasn't called: we couldn't decrypt the token.
    return isinstance(fault, TokenRejected | PermissionMissing) and fault.code is not None


class RateLimited(ProviderError):
    """The provider's rate limit is reached. `retry_after_seconds`: as the provider says, or None."""

    warning = Warning.PROVIDER_RATE_LIMITED
    retry_after_seconds: float | None = None


class ProviderUnavailable(ProviderError):
    """Timeout, broken connection, 5xx, transient code, or an answer that isn't JSON. Retry later."""

    warning = Warning.PROVIDER_UNAVAILABLE


class SourceNotFound(ProviderError):
    """There is no such account or hashtag, or it can't be read (personal or age-gated account)."""

    warning = Warning.SOURCE_NOT_FOUND


class HashtagQuotaExhausted(ProviderError):
    """The account has searched 30 hashtags in 7 days. `retry_after_seconds`: until one may be searched, if known."""

    warning = Warning.HASHTAG_QUOTA_EXHAUSTED
    retry_after_seconds: float | None = None


class UnexpectedPayload(ProviderError):
    """The answer is JSON, but not in the shape that Meta documents."""


class LoginFailed(ParisError):
    """A login at Meta failed. `reason`: the code shown to the editor, such as STATE_INVALID or EXCHANGE_FAILED."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason


class FileRefused(ParisError):
    """A file can't be fetched, or isn't a picture that we store. `reason`: a short stable code, such as `too_large`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PictureRefused(FileRefused):
    """The content was fetched, but can't be converted. `reason`: such as `broken` or `too_many_pixels`."""
