"""The table of faults, row by row; and that what is not listed stays loud."""

from __future__ import annotations

from typing import Any

import pytest

from paris_integration.errors import (
    HashtagQuotaExhausted,
    PermissionMissing,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SourceNotFound,
    TokenRejected,
)
from paris_integration.providers.base import Usage
from paris_integration.providers.faults import fault_of, hashtag_fault_of, tag_search_fault_of
from paris_integration.providers.http import HttpAnswer


def answer(
    status: int = 400,
    payload: object = None,
    *,
    is_json: bool = True,
    usage: Usage | None = None,
    retry_after: float | None = None,
) -> HttpAnswer:
    return HttpAnswer(status, payload, is_json, usage or Usage(), retry_after)


def envelope(code: object, **more: Any) -> dict[str, Any]:
    return {"error": {"message": "text with a token EAAB", "type": "OAuthException", "code": code, **more}}


@pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
@pytest.mark.parametrize("code", [4, 17, 32, 341, 368, 613, 80000, 80002, 80099])
def test_throttles_under_any_status(code: int, status: int) -> None:
    assert type(fault_of(answer(status, envelope(code)))) is RateLimited


@pytest.mark.parametrize(
    ("code", "more", "kind"),
    [
        (190, {}, TokenRejected),
        (190, {"error_subcode": 463}, TokenRejected),
        (190, {"error_subcode": 999}, TokenRejected),
        (102, {}, TokenRejected),
        (25, {"error_subcode": 2207050}, TokenRejected),
        (3, {}, ProviderError),
        (3, {"is_transient": True}, ProviderError),
        (10, {}, PermissionMissing),
        (200, {}, PermissionMissing),
        (299, {}, PermissionMissing),
        (110, {"error_subcode": 2207013}, SourceNotFound),
        (110, {}, SourceNotFound),
        (24, {"error_subcode": 2207024}, SourceNotFound),
        (803, {}, SourceNotFound),
        (100, {"error_subcode": 33}, SourceNotFound),
        ("100", {"error_subcode": "33"}, SourceNotFound),
        (-1, {}, ProviderUnavailable),
        (-2, {}, ProviderUnavailable),
        (1, {}, ProviderUnavailable),
        (1, {"is_transient": True}, ProviderUnavailable),
        (2, {}, ProviderUnavailable),
        (2, {"is_transient": False}, ProviderUnavailable),
        (9_999, {"is_transient": True}, ProviderUnavailable),
        ("4", {}, RateLimited),
    ],
)
def test_listed_codes(code: object, more: dict[str, Any], kind: type[ProviderError]) -> None:
    assert type(fault_of(answer(400, envelope(code, **more)))) is kind


@pytest.mark.parametrize(
    ("code", "more", "status"),
    [
        pytest.param(1, {"is_transient": False}, 500, id="not transient beats code 1"),
        pytest.param(100, {}, 400, id="our own request is wrong"),
        pytest.param(100, {"error_subcode": 34}, 400, id="code 100 for another reason"),
        pytest.param(18, {}, 400, id="a code nobody listed"),
        pytest.param(300, {}, 400, id="just above the permission range"),
        pytest.param(80_100, {}, 400, id="just above the limits' range"),
        pytest.param(25, {}, 400, id="code 25 for another reason"),
        pytest.param(None, {}, 400, id="no code"),
        pytest.param(True, {}, 400, id="a code that is no number"),
        pytest.param([4], {}, 400, id="a code that is a list"),
    ],
)
def test_what_is_not_listed_stays_loud(code: object, more: dict[str, Any], status: int) -> None:
    assert type(fault_of(answer(status, envelope(code, **more)))) is ProviderError


@pytest.mark.parametrize(
    ("code", "more", "on_media", "on_search"),
    [
        (18, {}, HashtagQuotaExhausted, HashtagQuotaExhausted),
        (18, {"error_subcode": 2207034}, HashtagQuotaExhausted, HashtagQuotaExhausted),
        (24, {"error_subcode": 2207024}, SourceNotFound, SourceNotFound),
        (100, {"error_subcode": 33}, SourceNotFound, SourceNotFound),
        (100, {}, ProviderError, SourceNotFound),
        (190, {}, TokenRejected, TokenRejected),
        (4, {}, RateLimited, RateLimited),
    ],
)
def test_hashtag_calls_have_codes_of_their_own(
    code: int, more: dict[str, Any], on_media: type[ProviderError], on_search: type[ProviderError]
) -> None:
    given = answer(400, envelope(code, fbtrace_id="A1", **more))

    for fault, kind in ((hashtag_fault_of(given), on_media), (tag_search_fault_of(given), on_search)):
        assert type(fault) is kind
        assert (fault.code, fault.status, fault.trace_id) == (code, 400, "A1")


def test_a_hashtag_call_that_succeeds_has_no_fault() -> None:
    assert hashtag_fault_of(answer(200, {"data": []})) is None
    assert tag_search_fault_of(answer(200, {"data": []})) is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(200, {"data": []}), None),
        (answer(200, None), None),
        (answer(200, None, is_json=False), ProviderUnavailable),
        (answer(502, None, is_json=False), ProviderUnavailable),
        (answer(503, {"data": []}), ProviderUnavailable),
        (answer(500, envelope(None)), ProviderUnavailable),
        (answer(404, {"data": []}), ProviderError),
        (answer(404, None, is_json=False), ProviderUnavailable),
        (answer(429, None, is_json=False), RateLimited),
        (answer(429, envelope(12345)), RateLimited),
        (answer(200, {"error": "text"}), None),
    ],
)
def test_status_decides_where_there_is_no_code(given: HttpAnswer, kind: type[ProviderError] | None) -> None:
    fault = fault_of(given)

    assert (type(fault) if fault else None) is kind


@pytest.mark.parametrize(
    ("retry_after", "minutes", "seconds"),
    [(None, 0, None), (30.0, 0, 30), (None, 12, 720), (30.0, 12, 720), (900.0, 12, 900)],
)
def test_a_throttle_carries_the_providers_own_time(
    retry_after: float | None, minutes: float, seconds: float | None
) -> None:
    fault = fault_of(answer(403, envelope(4), usage=Usage(100, minutes), retry_after=retry_after))

    assert isinstance(fault, RateLimited)
    assert fault.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("(#100) Tried accessing nonexisting field (thumbnail_url) on node type (Media)", "thumbnail_url"),
        ("(#100) account_type", "account_type"),
        ("Something else entirely.", None),
        (None, None),
    ],
)
def test_the_field_that_was_refused(message: str | None, field: str | None) -> None:
    fault = fault_of(answer(400, {"error": {"code": 100, "message": message}}))

    assert fault is not None
    assert fault.rejected_field == field


def test_no_provider_text_is_kept() -> None:
    fault = fault_of(answer(400, envelope(190, error_user_msg="secret", fbtrace_id="A1")))

    assert fault is not None
    assert fault.trace_id == "A1"
    assert "EAAB" not in f"{fault!r} {vars(fault)!r}"
    assert "secret" not in f"{fault!r} {vars(fault)!r}"
