"""Log output: one JSON object per line, with secrets redacted at the root handler.

Code must not log tokens at all. Redaction catches the ones that a library's message or an exception's text contains.
An app whose secrets have other names or forms registers them with `also_redact`.
"""

import json
import logging
import math
import re
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Any

MASK = "***"
REQUEST_ID_HEADER = "feeds_request_id"  # in queued messages: the request that caused them; a hint only

_context: ContextVar[Mapping[str, object]] = ContextVar("log_context", default={})  # noqa: B039 - never written to

_NAMES = (
    "access_token", "client_secret", "refresh_token", "token", "password", "secret", "authorization", "cookie",
    "csrftoken", "csrfmiddlewaretoken", "sessionid", "sentinel_password",
)  # fmt: skip
_PATTERNS = (
    re.compile(r"(?i)(bearer\s+)([^\s'\",;]+)"),
    # Outside of a query these two are an error's number and the state of something.
    re.compile(r"(?i)((?:[?&]|%3F|%26)(?:code|state)(?:=|%3D))((?:(?!%26)[^\s&'\",;}])+)"),
    re.compile(r"(?i)((?<![a-z_])(?:code|state)=)([^\s&'\",;}]+)(?=&)"),
    re.compile(r"(://[^/\s:@]*:)([^/\s@]+)(?=@)"),  # password in a database or broker URL
)
_DEEPEST_LEVEL = 6


class _Rules:
    """What is redacted: the values of `names`, and what `forms` match."""

    def __init__(self, names: Iterable[str], forms: Iterable[str]) -> None:
        self.names, self.forms = frozenset(names), frozenset(forms)
        any_name = "|".join(sorted(self.names))
        self.name = re.compile(rf"(?i)(?:{any_name})")
        self.patterns = (
            *_PATTERNS,
            re.compile(
                rf"(?i)(?<![a-z_])((?:{any_name})(?:\\*['\"])?\s*[=:]\s*(?:\\*['\"])?)([^\s&'\",;}}\\]+)"
            ),
            *(re.compile(f"()(?:{form})") for form in sorted(self.forms)),
        )


_rules = _Rules(_NAMES, ())


def also_redact(*, names: Iterable[str] = (), forms: Iterable[str] = ()) -> None:
    """Redact also the values of these names (parameters, fields, headers), and what these regular expressions match.

    Holds for the whole process. The settings and gunicorn's configuration call it before they set up logging.
    """
    global _rules
    _rules = _Rules(_rules.names.union(names), _rules.forms.union(forms))


def redact(text: str) -> str:
    """`text` with everything that looks like a credential replaced by a mask."""
    for pattern in _rules.patterns:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def redacted(value: object, level: int = 0) -> object:
    """`value` as JSON can hold it, with its texts redacted. Numbers stay: a fault's code is one."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if level < _DEEPEST_LEVEL:
        if isinstance(value, Mapping):
            return {redact(_text(key)): _redacted_under(key, item, level + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [redacted(item, level + 1) for item in value]
    return redact(_text(value))


def _redacted_under(key: object, value: object, level: int) -> object:
    is_secret = isinstance(key, str) and _rules.name.fullmatch(key) is not None
    return MASK if is_secret and not isinstance(value, int | float | None) else redacted(value, level)


def _text(value: object) -> str:
    """`str(value)`, or its type if that fails: logging must not fail the caller."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a log call may get an object of any class
        return type(value).__name__


def bind(**fields: object) -> Token[Mapping[str, object]]:
    """Add fields to every log line of this request or task, until `unbind`."""
    return _context.set({**_context.get(), **fields})


def unbind(token: Token[Mapping[str, object]]) -> None:
    _context.reset(token)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """`bind` for a block."""
    token = bind(**fields)
    try:
        yield
    finally:
        unbind(token)


def current_request_id() -> str:
    """The id of the request that is being served; empty without one."""
    return str(_context.get().get("request_id", ""))


class PreparedLines:
    """Lines that are written at once, because a write takes longer than a repeated answer.

    `lines`: as JSON, from `json_line`; their writer has redacted what came from outside. `summary`: for people.
    """

    def __init__(self, lines: Sequence[str], summary: str) -> None:
        self.lines, self.summary = lines, summary

    def __str__(self) -> str:
        return self.summary


def json_line(logger_name: str, message: str, fields: str) -> str:
    """A line of level INFO. `fields`: the members of a JSON object after `message`, with the comma before them."""
    now = _time(time.time())
    return f'{{"time": "{now}", "level": "INFO", "logger": "{logger_name}", "message": "{message}"{fields}}}'


class RedactionFilter(logging.Filter):
    """Redacts message and exception text of every record that reaches a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, PreparedLines):
            return True
        record.msg = redact(_message_of(record))
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True


class RefusalFilter(logging.Filter):
    """Leaves out the traceback when Django refuses a malformed request: anybody can send any number of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.exc_info = None
        return True


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - the arguments don't fit the message; log both as they are
        return f"{_text(record.msg)} {_text(record.args)}"


class JsonFormatter(logging.Formatter):
    """One line per record: time, level, logger, message, and what the caller put under `extra={"fields": {...}}`.

    Values are redacted before they are encoded, so a mask never breaks the JSON. Everything but ASCII is escaped: some
    programs take U+2028 for the end of a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, PreparedLines):
            return "\n".join(record.msg.lines)
        line: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _context.get()
        line |= getattr(record, "fields", {})
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(redacted(line))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def to_stderr(log_format: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: a redacting handler `stderr`, which writes JSON or, for `human`, text."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"refusals": {"()": RefusalFilter}, "redact": {"()": RedactionFilter}},
        "formatters": {
            "json": {"()": JsonFormatter},
            "human": {"format": "%(asctime)s %(levelname)-7s %(name)s %(message)s"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "human" if log_format == "human" else "json",
                "filters": ["refusals", "redact"],
            }
        },
    }
