"""The `fields` expressions of the Graph API, and its cursors.

    business_discovery.username(acme.bakery){id,media.limit(25).after(QVFI){id,children{id}}}

Modifiers and the braces of a field may come in any order. Source: Graph API, "Field expansion" (2026).
A cursor is a position in disguise.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MAX_DEPTH = 12
DEFAULT_LIMIT = 25
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<argument>\([^(){}]*\))|(?P<sign>[.,{}]))\s*", re.ASCII
)
_CURSOR = re.compile(rb"AQHR([0-9]{7})([0-9]{4})")


class FieldSyntaxError(Exception):
    """`position` is counted from zero."""

    def __init__(self, position: int) -> None:
        super().__init__(f"Syntax error at character {position} of fields")


@dataclass(frozen=True, slots=True)
class Field:
    """`selection` is None when the field has no braces. Of a modifier given twice the last one counts."""

    name: str
    modifiers: Mapping[str, str] = field(default_factory=dict)
    selection: tuple[Field, ...] | None = None


def parse_fields(text: str) -> tuple[Field, ...]:
    """Raises FieldSyntaxError. Nothing but space is an empty selection."""
    parser = _Parser(text)
    return parser.whole() if text.strip() else ()


def names_in(selection: Sequence[Field]) -> Iterator[str]:
    """The names of all fields at all depths."""
    for item in selection:
        yield item.name
        yield from names_in(item.selection or ())


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def whole(self) -> tuple[Field, ...]:
        selection = self._selection(0)
        if self._position != len(self._text):
            raise FieldSyntaxError(self._position)
        return selection

    def _selection(self, depth: int) -> tuple[Field, ...]:
        if depth > MAX_DEPTH:
            raise FieldSyntaxError(self._position)
        items = [self._field(depth)]
        while self._take("sign", ","):
            items.append(self._field(depth))
        return tuple(items)

    def _field(self, depth: int) -> Field:
        name = self._need("name")
        modifiers: dict[str, str] = {}
        selection: tuple[Field, ...] | None = None
        while True:
            if self._take("sign", "."):
                modifier = self._need("name")
                modifiers[modifier] = self._need("argument")[1:-1].strip()
            elif selection is None and self._take("sign", "{"):
                selection = self._selection(depth + 1)
                self._need("sign", "}")
            else:
                return Field(name, modifiers, selection)

    def _take(self, kind: str, text: str | None = None) -> str | None:
        """The next token, if it is of that kind, and of that text where one is given."""
        found = _TOKEN.match(self._text, self._position)
        token = found[kind] if found else None
        if found is None or token is None or text not in (None, token):
            return None
        self._position = found.end()
        return token

    def _need(self, kind: str, text: str | None = None) -> str:
        token = self._take(kind, text)
        if token is None:
            raise FieldSyntaxError(self._position)
        return token


def encode_cursor(offset: int, lap: int = 0) -> str:
    """`lap` tells cursors of one position apart. Multiples of three bytes need no padding, as Meta's have none."""
    return base64.urlsafe_b64encode(b"AQHR%07d%04d" % (offset, lap)).decode()


def decode_cursor(text: str) -> tuple[int, int]:
    """Offset and lap. Raises ValueError for what is no cursor."""
    try:
        found = _CURSOR.fullmatch(base64.b64decode(text, altchars=b"-_", validate=True))
    except binascii.Error:
        found = None
    if found is None:
        raise ValueError("The cursor is not valid")
    return int(found[1]), int(found[2])


def number(text: str | None, default: int) -> int:
    """A `limit`. Raises ValueError for anything but a positive number."""
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise ValueError("limit must be a positive number")
    return int(text)
