"""Graph's field expressions: `id,media.limit(25).after(C){id,children{id}}`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"[a-z_]+")
_MODIFIER = re.compile(r"\.([a-z_]+)\(([^(){}]*)\)")


class BadExpression(ValueError):
    """What Graph answers with code 100."""


@dataclass(frozen=True)
class Field:
    name: str
    modifiers: dict[str, str] = field(default_factory=dict)
    children: tuple[Field, ...] = ()


def parse(text: str) -> tuple[Field, ...]:
    """The fields of an expression; raises BadExpression."""
    fields, end = _list(text, 0, depth=0)
    if end != len(text):
        raise BadExpression(f"unexpected character at {end}")
    return fields


def _list(text: str, at: int, *, depth: int) -> tuple[tuple[Field, ...], int]:
    if depth > 8:
        raise BadExpression("too deep")
    fields = []
    while True:
        name = _NAME.match(text, at)
        if name is None:
            raise BadExpression(f"a field name is missing at {at}")
        at = name.end()
        modifiers = {}
        while modifier := _MODIFIER.match(text, at):
            modifiers[modifier[1]] = modifier[2]
            at = modifier.end()
        children: tuple[Field, ...] = ()
        if text[at : at + 1] == "{":
            children, at = _list(text, at + 1, depth=depth + 1)
            if text[at : at + 1] != "}":
                raise BadExpression("a brace is not closed")
            at += 1
        fields.append(Field(name[0], modifiers, children))
        if text[at : at + 1] != ",":
            return tuple(fields), at
        at += 1
