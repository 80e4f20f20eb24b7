"""The `fields` expressions of the Graph API: names, modifiers, nested selections.

    business_discovery.username(acme.bakery){id,media.limit(25).after(QVFI){id,children{id}}}

Modifiers and the braces of a field may come in any order. Source: Graph API, "Field expansion" (2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_DEPTH = 12
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ARGUMENT = re.compile(r"[^(){}]*")
_SPACE = re.compile(r"\s*")


class FieldSyntaxError(Exception):
    """`position` is counted from zero."""

    def __init__(self, expected: str, position: int) -> None:
        super().__init__(f"expected {expected} at character {position}")
        self.expected = expected
        self.position = position


@dataclass(frozen=True, slots=True)
class Field:
    """`selection` is None when the field has no braces. A modifier given twice counts as it was given last."""

    name: str
    modifiers: Mapping[str, str] = field(default_factory=dict)
    selection: tuple[Field, ...] | None = None


def parse_fields(text: str) -> tuple[Field, ...]:
    """Raises FieldSyntaxError. Nothing but space is an empty selection."""
    parser = _Parser(text)
    if parser.is_at_end:
        return ()
    selection = parser.selection(depth=0)
    parser.end()
    return selection


def names_in(selection: tuple[Field, ...]) -> Iterator[str]:
    """The names of all fields at all depths."""
    for item in selection:
        yield item.name
        yield from names_in(item.selection or ())


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._skip_space()

    @property
    def is_at_end(self) -> bool:
        return self._position == len(self._text)

    def end(self) -> None:
        if not self.is_at_end:
            raise FieldSyntaxError("end of string", self._position)

    def selection(self, depth: int) -> tuple[Field, ...]:
        if depth > MAX_DEPTH:
            raise FieldSyntaxError("fewer levels", self._position)
        items = [self._field(depth)]
        while self._take(","):
            items.append(self._field(depth))
        return tuple(items)

    def _field(self, depth: int) -> Field:
        name = self._match(_NAME, "a name")
        modifiers: dict[str, str] = {}
        selection: tuple[Field, ...] | None = None
        while True:
            if self._take("."):
                modifier = self._match(_NAME, "a modifier")
                self._need("(")
                modifiers[modifier] = self._match(_ARGUMENT, "an argument").strip()
                self._need(")")
            elif selection is None and self._take("{"):
                selection = self.selection(depth + 1)
                self._need("}")
            else:
                return Field(name, modifiers, selection)

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._position):
            return False
        self._position += len(sign)
        self._skip_space()
        return True

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise FieldSyntaxError(f'"{sign}"', self._position)

    def _match(self, pattern: re.Pattern[str], expected: str) -> str:
        found = pattern.match(self._text, self._position)
        if found is None:
            raise FieldSyntaxError(expected, self._position)
        self._position = found.end()
        self._skip_space()
        return found.group()

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._position)
        self._position = found.end() if found else self._position
