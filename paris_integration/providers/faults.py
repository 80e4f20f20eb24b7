"""Maps Meta's errors to ours by one table: codes first, then the HTTP status.

A code that isn't listed becomes a plain ProviderError, which is logged as an error.
Sources: Graph API "Handle errors" and "Rate limits", Instagram Platform "Error codes" (2026-06-02), as read in November
2026; 110/2207013 as measured by developers (September 2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from paris_integration.errors import (
    HashtagQuotaExhausted,
    PermissionMissing,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SourceNotFound,
    TokenRejected,
)
from paris_integration.providers.http import HttpAnswer


@dataclass(frozen=True, slots=True)
class Fault:
    """`codes`: Graph error codes. `subcodes`: only these; None means any."""

    error: type[ProviderError]
    codes: range | tuple[int, ...]
    why: str
    subcodes: tuple[int, ...] | None = None


# The first match wins, so a row for a subcode must come before the row for its code.
FAULTS: tuple[Fault, ...] = (
    Fault(RateLimited, (4,), "application request limit; the status may be 400, 403 or 429"),
    Fault(RateLimited, (17,), "user request limit"),
    Fault(RateLimited, (32,), "page request limit"),
    Fault(RateLimited, (341,), "application limit, temporary"),
    Fault(RateLimited, (368,), "temporarily blocked for policy: further calls prolong the block"),
    Fault(RateLimited, (613,), "custom limit of an API"),
    Fault(RateLimited, range(80_000, 80_100), "business use case limits, 80002 is Instagram's"),
    Fault(TokenRejected, (190,), "token expired, revoked or malformed; subcodes give the reason"),
    Fault(TokenRejected, (102,), "session invalid"),
    Fault(
        TokenRejected, (25,), "account inactive, restricted or checkpointed: its holder must act", (2207050,)
    ),
    Fault(ProviderError, (3,), "the app lacks the capability: only its operator can fix this, no connection"),
    Fault(PermissionMissing, (10,), "permission missing or withdrawn"),
    Fault(PermissionMissing, range(200, 300), "permission missing"),
    Fault(SourceNotFound, (110,), "no such account, or none that discovery may show"),
    Fault(SourceNotFound, (24,), "no such object; for hashtags: unknown or blocked tag"),
    Fault(SourceNotFound, (803,), "no such alias or id"),
    Fault(SourceNotFound, (100,), "the object was deleted, or this token may not see it", (33,)),
    Fault(ProviderUnavailable, (-1, -2), "server error or timeout at Meta"),
    Fault(ProviderUnavailable, (1,), "unknown error, often overload"),
    Fault(ProviderUnavailable, (2,), "service down"),
)

# Code 1 with `is_transient: false` isn't a temporary error: the request itself is wrong.
_UNLESS_NOT_TRANSIENT = (1,)
# The only message text that is read, because no code names the refused field. Other texts are ignored: their language
# follows the token's owner.
_FIELD_NAME = re.compile(
    r"\(([a-z_]{1,40})\)|field[^A-Za-z]{1,3}([a-z_]{1,40})|(?:#100\)\s+)([a-z_]{1,40})\b"
)

_NUMBER = re.compile(r"-?[0-9]{1,9}")


def fault_of(answer: HttpAnswer) -> ProviderError | None:
    """The error in an answer, or None for a success."""
    # An error object counts under any status, also under 200.
    envelope = _envelope(answer.payload)
    if envelope is None:
        return _by_status(answer)
    error = _from_envelope(envelope, answer)
    if isinstance(error, RateLimited):
        error.retry_after_seconds = _their_time(answer)
    return error


def hashtag_fault_of(answer: HttpAnswer) -> ProviderError | None:
    """As `fault_of`, for all calls about hashtags: any of them may report that the 30 hashtags are used up."""
    fault = fault_of(answer)
    # Meta documents no code for it. Developers report 18 (2026).
    return _as(HashtagQuotaExhausted, fault) if fault is not None and fault.code == 18 else fault


def tag_search_fault_of(answer: HttpAnswer) -> ProviderError | None:
    """As `hashtag_fault_of`, for searching a hashtag's number."""
    fault = hashtag_fault_of(answer)
    # Developers report code 100 for emoji and other invalid hashtags, and 24 (in the table) for unknown or blocked ones
    # (2026). Meta documents neither.
    return _as(SourceNotFound, fault) if fault is not None and fault.code == 100 else fault


def _as(kind: type[ProviderError], fault: ProviderError) -> ProviderError:
    return kind(code=fault.code, subcode=fault.subcode, status=fault.status, trace_id=fault.trace_id)


def _from_envelope(envelope: Mapping[str, object], answer: HttpAnswer) -> ProviderError:
    code = _integer(envelope.get("code"))
    subcode = _integer(envelope.get("error_subcode"))
    trace_id = envelope.get("fbtrace_id")
    kind = _kind(code, subcode, envelope.get("is_transient"), answer.status)
    return kind(
        code=code,
        subcode=subcode,
        status=answer.status,
        trace_id=trace_id[:64] if isinstance(trace_id, str) else None,
        rejected_field=_rejected_field(envelope.get("message")) if code == 100 else None,
    )


def _kind(code: int | None, subcode: int | None, is_transient: object, status: int) -> type[ProviderError]:
    if code in _UNLESS_NOT_TRANSIENT and is_transient is False:
        return ProviderError
    for fault in FAULTS:
        if code in fault.codes and (fault.subcodes is None or subcode in fault.subcodes):
            return fault.error
    if is_transient is True:
        return ProviderUnavailable
    if status == 429:
        return RateLimited
    return ProviderUnavailable if code is None and status >= 500 else ProviderError


def _by_status(answer: HttpAnswer) -> ProviderError | None:
    if answer.status == 429:
        limited = RateLimited(status=429)
        limited.retry_after_seconds = _their_time(answer)
        return limited
    if answer.status >= 500:
        return ProviderUnavailable(status=answer.status)
    if not answer.is_json:
        return ProviderUnavailable("not JSON", status=answer.status)
    if answer.status >= 400:
        return ProviderError(status=answer.status)
    return None


def _envelope(payload: object) -> Mapping[str, object] | None:
    if isinstance(payload, dict) and isinstance(payload.get("error"), dict):
        envelope: Mapping[str, object] = payload["error"]
        return envelope
    return None


def _their_time(answer: HttpAnswer) -> float | None:
    """Seconds to wait as Meta asks: the longer of Retry-After and the usage header. None if it names no time."""
    waits = [answer.retry_after_seconds] if answer.retry_after_seconds is not None else []
    if answer.usage.regain_minutes > 0:
        waits.append(answer.usage.regain_minutes * 60)
    return max(waits, default=None)


def _rejected_field(message: object) -> str | None:
    found = _FIELD_NAME.search(message) if isinstance(message, str) else None
    return next((group for group in found.groups() if group), None) if found else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None  # bool is a subclass of int
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return None
