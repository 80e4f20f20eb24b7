"""Threads that may use the database are started in one module, which returns their connections."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGES = ("config", "foundation", "entitlements", "paris_integration", "venice_api", "demo")
STARTERS = {
    "Thread",
    "ThreadPoolExecutor",
    "ThreadingHTTPServer",
    "ThreadingMixIn",
    "ThreadingWSGIServer",
    "Timer",
    "start_new_thread",
}
OURS = Path("foundation/threads.py")
# A library's server. `threads.run` calls the application that it serves.
ALLOWED = {Path("paris_integration/observing/metrics_page.py"): {"ThreadingWSGIServer"}}
WITHOUT_DATABASE = Path("paris_integration/providers")  # an import contract keeps Django out of it
MODULES = [
    path
    for package in PACKAGES
    for path in sorted(Path(package).rglob("*.py"))
    if path != OURS and WITHOUT_DATABASE not in path.parents
]


def starters_in(path: Path) -> set[str]:
    """The names that start threads and that the module imports, calls or inherits from. Annotations don't count."""
    used: list[ast.AST] = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call():
                used.append(node.func)
            case ast.ClassDef():
                used += node.bases
            case ast.ImportFrom():
                used += node.names
    return {
        str(getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))) for node in used
    } & STARTERS


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_threads_are_started_by_the_helper(path: Path) -> None:
    assert starters_in(path) == ALLOWED.get(path, set())
