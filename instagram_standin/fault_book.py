"""When things go wrong: rules that say which calls a fault strikes, and how often.

The first rule in force that fits a call strikes it. Rules come from tests (`add`) or as JSON from the control API.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_type_hints

from instagram_standin.calls import Call
from instagram_standin.faults import KINDS, Fault
from instagram_standin.links import MEDIA_PREFIX

Made = TypeVar("Made")


class InvalidRule(ValueError):
    """Why a rule cannot be understood, in a sentence."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls: None means any. `path` is a prefix; without one, pictures are spared. `after`: on a later page."""

    path: str | None = None
    username: str | None = None
    after: bool | None = None

    def fits(self, call: Call) -> bool:
        return (
            self._fits_path(call.request.path)
            and (self.username is None or self.username.lower() == call.username)
            and (self.after is None or self.after is (call.after is not None))
        )

    def _fits_path(self, path: str) -> bool:
        return not path.startswith(MEDIA_PREFIX) if self.path is None else path.startswith(self.path)


@dataclass(slots=True)
class Rule:
    """`times`: how often it still strikes, None until it is cleared. `hits`: how often it has struck."""

    fault: Fault
    match: Match
    times: int | None = None
    hits: int = 0

    def strikes(self, call: Call) -> bool:
        return self.times != 0 and self.match.fits(call) and self.fault.concerns(call)

    def as_json(self) -> dict[str, object]:
        match = {name: value for name, value in asdict(self.match).items() if value is not None}
        return {
            "match": match,
            "kind": self.fault.kind,
            "times": self.times,
            "parameters": asdict(self.fault),  # type: ignore[call-overload]  # every kind is a dataclass
            "hits": self.hits,
        }


class FaultBook:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(
        self,
        fault: Fault | str,
        *,
        times: int | None = None,
        path: str | None = None,
        username: str | None = None,
        after: bool | None = None,
        **parameters: object,
    ) -> Rule:
        """`add(Status(503), times=1)`, or by the fault's kind: `add("status", status=503, times=1)`.

        Raises InvalidRule for a kind or parameters that do not exist.
        """
        if isinstance(fault, str):
            fault = fault_named(fault, parameters)
        elif parameters:
            raise InvalidRule("parameters belong into the fault")
        rule = Rule(fault, Match(path, username, after), times)
        self.extend([rule])
        return rule

    def extend(self, rules: list[Rule]) -> None:
        with self._lock:
            self._rules += rules

    def clear(self) -> None:
        with self._lock:
            self._rules = []

    def take(self, call: Call) -> Fault | None:
        """The fault that strikes this call, counted against its rule."""
        with self._lock:
            for rule in self._rules:
                if rule.strikes(call):
                    rule.hits += 1
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.fault
        return None

    def as_json(self) -> list[dict[str, object]]:
        with self._lock:
            return [rule.as_json() for rule in self._rules]


def rule_from_json(given: object) -> Rule:
    """A rule as the control API takes it. Raises InvalidRule."""
    if not isinstance(given, dict):
        raise InvalidRule("a rule is an object")
    unknown = given.keys() - {"match", "kind", "times", "parameters"}
    if unknown:
        raise InvalidRule(f"a rule has no {', '.join(sorted(unknown))}")
    times = given.get("times")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise InvalidRule("times is a positive number, or null")
    fault = fault_named(given.get("kind"), given.get("parameters") or {})
    return Rule(fault, _made(Match, given.get("match") or {}, "match"), times)


def fault_named(name: object, parameters: object) -> Fault:
    """A fault by its kind, with its parameters as in JSON. Raises InvalidRule."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidRule(f"kind is one of {', '.join(sorted(KINDS))}")
    return _made(kind, parameters, "parameters")


def _made(kind: type[Made], given: object, what: str) -> Made:
    """A value of `kind`, a dataclass, from JSON: names and types must fit. Raises InvalidRule."""
    if not isinstance(given, dict):
        raise InvalidRule(f"{what} is an object")
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != "kind"}
    values = {}
    for name, value in given.items():
        if name not in hints:
            raise InvalidRule(f"{what} has no {name}; it has {', '.join(hints) or 'nothing'}")
        values[name] = fitted(value, hints[name], f"{what}.{name}")
    return kind(**values)


def fitted(value: object, hint: Any, what: str) -> object:
    """A value from JSON for a field with that hint. Raises InvalidRule."""
    try:
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return hint(str(value))
    except ValueError:
        raise InvalidRule(f"{what} is one of {', '.join(hint)}") from None
    allowed = set(get_args(hint)) or {hint}
    if float in allowed:
        allowed.add(int)
    if type(value) not in allowed:  # not isinstance: true is no number
        raise InvalidRule(f"{what} cannot be {value!r}")
    return value
