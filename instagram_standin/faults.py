"""Switchable faults: rules that say which calls go wrong, how, and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Rule:
    """One fault. `kind` is what happens; the rest says to which calls.

    kinds: status (with code, subcode, is_transient, retry_after, usage_minutes), hang, slow, drip (each with
    `seconds`), html, truncated, empty, null, error200, reset, bomb, deep, redirect (`location`), reject_field
    (`field`). `times` None: until cleared. `with_cursor`: only pages after the first (True), only the first (False).
    """

    kind: str
    username: str | None = None
    path_prefix: str | None = None
    with_cursor: bool | None = None
    times: int | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def matches(self, path: str, username: str | None, after: str | None) -> bool:
        return (
            (self.username is None or self.username == username)
            and (self.path_prefix is None or path.startswith(self.path_prefix))
            and (self.with_cursor is None or self.with_cursor == (after is not None))
        )


class Faults:
    """The rules in force, in their order; the first that matches counts."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **options: Any) -> None:
        known = {"username", "path_prefix", "with_cursor", "times"}
        matching = {name: value for name, value in options.items() if name in known}
        parameters = {name: value for name, value in options.items() if name not in known}
        with self._lock:
            self._rules.append(Rule(kind, parameters=parameters, **matching))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, path: str, username: str | None, after: str | None) -> Rule | None:
        """The fault that befalls this call, counted as used."""
        with self._lock:
            for rule in self._rules:
                if rule.matches(path, username, after):
                    if rule.times is not None:
                        rule.times -= 1
                        if rule.times <= 0:
                            self._rules.remove(rule)
                    return rule
        return None
