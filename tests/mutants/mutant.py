"""A mutant: one small change of the code that takes a guard away, and the tests that must fail because of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class Misfit(Exception):
    """The mutant doesn't fit the code any more."""


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` is replaced by `new`. `old` occurs there exactly once.

    `killed_by`: the tests that must fail then, as `path::function`. `needs_postgres`: they run in the PostgreSQL leg.
    """

    name: str
    file: str
    old: str
    new: str
    killed_by: tuple[str, ...]
    needs_postgres: bool = False

    @property
    def is_migration(self) -> bool:
        """Whether the change is in a migration, which must be applied again before the tests."""
        return "/migrations/" in self.file

    def mutated(self, text: str) -> str:
        """The text of the file with the change. Raises Misfit."""
        times = text.count(self.old)
        if times != 1:
            raise Misfit(f"{self.name}: the text to replace occurs {times} times in {self.file}")
        changed = text.replace(self.old, self.new)
        if changed == text:
            raise Misfit(f"{self.name}: changes nothing")
        return changed

    @contextmanager
    def applied(self, root: Path) -> Iterator[None]:
        """The change is in the file below `root` until the block ends."""
        path = root / self.file
        text = path.read_text()
        path.write_text(self.mutated(text))
        try:
            yield
        finally:
            path.write_text(text)

    def check(self, root: Path) -> None:
        """Raise Misfit if the mutant can't be applied or parsed, or names a test that doesn't exist."""
        changed = self.mutated((root / self.file).read_text())
        try:
            ast.parse(changed)
        except SyntaxError as error:
            raise Misfit(f"{self.name}: the change is no Python: {error}") from None
        if not self.killed_by:
            raise Misfit(f"{self.name}: no test is named")
        for test in self.killed_by:
            path, _, function = test.partition("::")
            if function not in functions_of(root / path):
                raise Misfit(f"{self.name}: there is no {test}")


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the functions at the top of a module."""
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text()).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))
