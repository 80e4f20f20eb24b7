"""Log output: one JSON object per line, with secrets cut out at the root handler.

Redaction here is the last net, not the first: tokens are not to be logged at all. The net catches what a library
or an exception text carries along.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime

MASK = "***"
REQUEST_ID_HEADER = "feeds_request_id"  # in the messages of refreshes that a request caused; a hint only

_context: ContextVar[Mapping[str, object]] = ContextVar("log_context", default={})  # noqa: B039 - never written to

_SENSITIVE = (
    "access_token|input_token|fb_exchange_token|client_secret|appsecret_proof|refresh_token|signed_request"
    "|code|state|token|password|secret|authorization|cookie|csrftoken|csrfmiddlewaretoken|sessionid"
)
_PATTERNS = (
    re.compile(r"(?i)(bearer\s+)([^\s'\",;]+)"),
    re.compile(rf"(?i)(?<![a-z_])((?:{_SENSITIVE})['\"]?\s*[=:]\s*['\"]?)([^\s&'\",;}}]+)"),
    re.compile(r"()\b((?:IGAA|EAA)[A-Za-z0-9_-]{8,})"),  # how Meta's own tokens begin
    re.compile(r"(://[^/\s:@]*:)([^/\s@]+)(?=@)"),  # password in a database or broker URL
)


def redact(text: str) -> str:
    """`text` with everything that looks like a credential replaced by a mask."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def bind(**fields: object) -> Token[Mapping[str, object]]:
    """Put fields into every line of this request or task from here on, until `unbind`."""
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
    """The id of the request that this is done for; empty when there is none."""
    return str(_context.get().get("request_id", ""))


class RedactionFilter(logging.Filter):
    """Redacts message and exception text of every record that reaches a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True


class RefusalFilter(logging.Filter):
    """Leaves the traceback out where Django refuses an odd request: it is the sender's fault, and strangers can send
    as many as they like.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.exc_info = None
        return True


class JsonFormatter(logging.Formatter):
    """One line per record: time, level, logger, message, and what the caller put under `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _context.get()
        line |= getattr(record, "fields", {})
        if record.exc_text:
            line["exception"] = record.exc_text
        return redact(json.dumps(line, default=str, ensure_ascii=False))
