"""Import rules that import-linter cannot express: it does not see submodules of external packages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PARIS = sorted(Path("paris_integration").rglob("*.py"))
ALLOWED = {Path("paris_integration/admin.py")}  # the admin passes requests to its classes


@pytest.mark.parametrize("path", PARIS, ids=str)
def test_paris_imports_no_http_layer(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    forbidden = {
        name for name in imported if name.startswith(("django.http", "rest_framework", "django.views"))
    }

    assert not forbidden or path in ALLOWED
