"""Threads that might ask the database are started in one place, which gives their connections back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGES = ("config", "foundation", "entitlements", "paris_integration", "venice_api", "demo")
STARTERS = {"Thread", "Timer", "ThreadPoolExecutor", "ThreadingMixIn", "start_new_thread"}
OURS = Path("foundation/threads.py")
WITHOUT_DATABASE = Path("paris_integration/providers")  # an import contract keeps Django out of it
MODULES = [
    path
    for package in PACKAGES
    for path in sorted(Path(package).rglob("*.py"))
    if path != OURS and WITHOUT_DATABASE not in path.parents
]


def names_used(path: Path) -> set[str]:
    """What the module calls and derives from; a type may be named anywhere."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    used = [node.func for node in nodes if isinstance(node, ast.Call)]
    used += [base for node in nodes if isinstance(node, ast.ClassDef) for base in node.bases]
    return {ast.unparse(expression).rpartition(".")[2] for expression in used}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_threads_are_started_by_the_helper(path: Path) -> None:
    assert not names_used(path) & STARTERS
