"""Log lines: always one JSON object, without credentials but with readable fault codes."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from foundation import logs
from foundation.logs import MASK, JsonFormatter, RedactionFilter, also_redact, redact
from tests.conftest import run_python

TOKEN = "canary-canary"


def line_of(
    message: str, *arguments: object, error: BaseException | None = None, **fields: Any
) -> dict[str, Any]:
    """The decoded line that the handler writes for a record. Raises ValueError if it isn't one line of JSON."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("x", logging.WARNING, "f", 1, message, arguments, exc_info)
    record.fields = fields
    assert RedactionFilter().filter(record)
    written = JsonFormatter().format(record)
    assert len(written.splitlines()) == 1
    decoded: dict[str, Any] = json.loads(
        written, parse_constant=lambda word: pytest.fail(f"{word} is not JSON")
    )
    return decoded


@pytest.mark.parametrize("key", ["code", "state", "error_subcode", "status", "token_version", "token"])
def test_numbers_are_not_redacted(key: str) -> None:
    assert line_of("refused", **{key: 190})[key] == 190


@pytest.mark.parametrize(
    "message",
    [
        "TokenRejected code=190 status=400",
        "code=100 error_subcode=33",
        "code: 4, state: paused",
        "ProviderError(code=17)",
        '{"error": {"code": 190, "message": "expired"}}',
        "state=reconnect_required, code=10",
    ],
)
def test_codes_and_states_outside_a_query_are_not_redacted(message: str) -> None:
    assert line_of(message)["message"] == message
    assert line_of("failed", error=ValueError(message))["exception"].endswith(message)
    assert line_of("failed", cause=message)["cause"] == message


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/callback?code=canary&state=canary",
        "/callback?state=canary",
        "GET /callback?a=1&code=canary#_",
        "client_id=1&code=canary&grant_type=authorization_code",
        "code=canary&state=canary",
        "next=/callback%3Fcode%3Dcanary%26state%3Dcanary",
        "?code=canary190&a=code=190",
    ],
)
def test_codes_and_states_in_a_query_are_redacted(text: str) -> None:
    assert "canary" not in json.dumps(line_of(text, error=ValueError(text), at=text))


@pytest.mark.parametrize(
    "value",
    [
        '{"access_token": "canary", "code": 190}',
        '{\\"access_token\\": \\"canary\\"}',
        "{'password': 'canary'}",
        'quoted "Bearer canary" and more',
        'secret=canary" and \\ a backslash',
        "access_token=canary}",
        "cookie: sessionid=canary",
    ],
)
def test_redaction_keeps_every_line_valid(value: str) -> None:
    nested = {"list": [value, {"deep": (value,)}], "text": value}
    line = line_of("said %s", value, error=ValueError(value), value=value, nested=nested)

    assert "canary" not in json.dumps(line)
    assert MASK in line["message"]
    assert line["nested"]["list"][1]["deep"][0] == line["value"]


def test_a_field_named_like_a_secret_is_always_masked() -> None:
    line = line_of(
        "x", access_token="canary", headers={"Authorization": "canary", "Cookie": ["canary"]}, password="a b"
    )

    assert "canary" not in json.dumps(line)
    assert (line["access_token"], line["headers"]["Authorization"], line["password"]) == (MASK, MASK, MASK)


def test_values_of_other_types_are_written_as_text() -> None:
    at, number = datetime(2026, 1, 20, 3, tzinfo=UTC), uuid.UUID(int=7)
    line = line_of(
        "x",
        at=at,
        id=number,
        error=ValueError(f"Bearer {TOKEN}"),
        ratio=float("nan"),
        flag=True,
        nothing=None,
    )

    assert (line["at"], line["id"], line["flag"], line["nothing"]) == (str(at), str(number), True, None)
    assert line["ratio"] == "nan"
    assert TOKEN not in json.dumps(line)


def test_an_app_adds_names_and_patterns_of_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "own_key=canary, canary-7, canary7"
    assert redact(text) == text
    monkeypatch.setattr(logs, "_rules", logs._rules)  # undoes what is added here
    also_redact(names=["own_key"], forms=[r"\bcanary-\d"])
    also_redact(names=["own_key"])

    assert redact(text) == f"own_key={MASK}, {MASK}, canary7"
    assert line_of("x", own_key="canary")["own_key"] == MASK


@pytest.mark.parametrize("text", ["a\nb", "a\u2028b", "a\x85b", "lone \ud800 surrogate", "nul \x00"])
def test_odd_characters_break_no_line(text: str) -> None:
    assert line_of("%s", text, field=text)["field"] == text


def test_a_recursive_value_is_written_to_a_limited_depth() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless

    assert line_of("x", endless=endless)["endless"]["again"]


def test_a_message_with_the_wrong_arguments_is_still_logged() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert "%d of %s" in line_of("%d of %s", "many")["message"]
    assert line_of("x", broken=Broken())["broken"] == "Broken"


def test_a_traceback_is_redacted_in_one_field() -> None:
    try:
        raise ValueError(f"https://x.example/?access_token={TOKEN}\nsecond line")
    except ValueError as error:
        line = line_of("failed", error=error)

    assert "second line" in line["exception"]
    assert TOKEN not in line["exception"]


FOR_PEOPLE = """
import logging, logging.config
from foundation import logs
logging.config.dictConfig(logs.to_stderr("human") | {"root": {"handlers": ["stderr"]}})
logging.error("said %s", "Bearer canary-in-a-message")
try:
    raise ValueError("access_token=canary-in-an-error")
except ValueError:
    logging.exception("failed")
"""


def test_text_for_people_is_redacted_too() -> None:
    """This format writes no JSON, whose values would be redacted again."""
    written = run_python("-c", FOR_PEOPLE).stderr

    assert "canary" not in written
    assert f"said Bearer {MASK}" in written
    assert f"ValueError: access_token={MASK}" in written
