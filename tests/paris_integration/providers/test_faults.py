"""The fault table, with the files of tests/data/instagram. Unlisted codes stay plain errors."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from paris_integration.errors import (
    PermissionMissing,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SourceNotFound,
)
from paris_integration.providers.base import Usage
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.faults import FAULTS, Fault, fault_of, hashtag_fault_of, tag_search_fault_of
from paris_integration.providers.http import HttpAnswer, HttpClient
from tests.recorded import GRAPH, Recorded, recorded

CODES = recorded("error_codes")
OTHERS = recorded("other_answers")
# Each with the key of its expected error in a file, if it differs from the other calls.
READERS = {fault_of: "error", hashtag_fault_of: "on_hashtag_media", tag_search_fault_of: "on_tag_search"}


def answer_of(case: Recorded, status: int) -> HttpAnswer:
    with responses.RequestsMock() as meta:
        meta.get(GRAPH, body=case.body, headers=case.header_texts, status=status)
        return HttpClient().get_json(GRAPH, params={}, token=None, deadline=Deadline(5))


def envelope_of(case: Recorded) -> dict[str, Any]:
    error = case.payload.get("error") if isinstance(case.payload, dict) else None
    return error if isinstance(error, dict) else {}


def check(case: Recorded, status: int) -> None:
    """Check that the three functions raise the expected errors, with the details of the answer."""
    expected, envelope = case.expected, envelope_of(case)
    answer = answer_of(case, status)
    for reader, member in READERS.items():
        fault = reader(answer)
        name = expected.get(member, expected["error"])
        assert (type(fault).__name__ if fault else None) == name
        if fault is None:
            continue
        assert (fault.status, fault.code, fault.subcode, fault.trace_id) == (
            status,
            envelope.get("code"),
            envelope.get("error_subcode"),
            envelope.get("fbtrace_id"),
        )
        if name == expected["error"]:
            assert fault.warning == expected["warning"]
            assert fault.rejected_field == expected.get("rejected_field")
        if isinstance(fault, RateLimited):
            assert fault.retry_after_seconds == expected["retry_after_seconds"]
        kept = f"{fault!r} {vars(fault)!r}"
        texts = (envelope.get(text) for text in ("message", "error_user_title", "error_user_msg"))
        assert not [text for text in texts if text and text[:12] in kept]


@pytest.mark.parametrize("case", CODES)
def test_listed_codes_apply_under_any_status(case: Recorded) -> None:
    for status in {case.status, 200, 400, 403, 429, 500}:
        check(case, status)


@pytest.mark.parametrize("case", OTHERS)
def test_answers_without_a_listed_code(case: Recorded) -> None:
    check(case, case.status)


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row.why)
def test_every_row_of_the_table_has_its_files(row: Fault) -> None:
    """One file is enough for a range. Listed codes and subcodes need a file each."""
    listed = [envelope_of(*case.values) for case in CODES]
    met = {
        (error["code"], error.get("error_subcode"))
        for error in listed
        if error["code"] in row.codes and (row.subcodes is None or error.get("error_subcode") in row.subcodes)
    }

    assert met
    if not isinstance(row.codes, range):
        assert {code for code, _ in met} == set(row.codes)
    if row.subcodes is not None:
        assert {subcode for _, subcode in met} == set(row.subcodes)


def kind_of(code: object, **more: Any) -> type[ProviderError]:
    fault = fault_of(HttpAnswer(400, {"error": {"code": code, **more}}, True, Usage(), None))
    assert fault is not None
    return type(fault)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (80_000, RateLimited),
        (80_099, RateLimited),
        (80_100, ProviderError),
        (79_999, ProviderError),
        (199, ProviderError),
        (300, ProviderError),
        (201, PermissionMissing),
    ],
)
def test_the_limits_of_the_ranges(code: int, kind: type[ProviderError]) -> None:
    assert kind_of(code) is kind


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        ("4", None, RateLimited),
        ("-1", None, ProviderUnavailable),
        ("100", "33", SourceNotFound),
        (True, None, ProviderError),
        ([4], None, ProviderError),
        (4.0, None, ProviderError),
        ("four", None, ProviderError),
        ("4" * 5_000, None, ProviderError),
        ("--4", None, ProviderError),
        ("-", None, ProviderError),
        ("\u0664", None, ProviderError),
        (10**400, None, ProviderError),
    ],
)
def test_codes_that_are_not_numbers(code: object, subcode: object, kind: type[ProviderError]) -> None:
    assert kind_of(code, error_subcode=subcode) is kind


@pytest.mark.parametrize("message", [None, 5, "", "Something else entirely."])
def test_messages_that_do_not_name_a_field(message: object) -> None:
    fault = fault_of(HttpAnswer(400, {"error": {"code": 100, "message": message}}, True, Usage(), None))

    assert fault is not None
    assert fault.rejected_field is None
