"""Import rules that import-linter cannot express: it does not see submodules of external packages."""

from __future__ import annotations

import ast
import subprocess
import sys
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


SLOW_PACKAGES = ("boto3", "PIL", "social_core", "oauthlib", "qrcode")


@pytest.mark.parametrize("application", ["config.wsgi", "config.celery"])
def test_a_process_starts_without_the_packages_that_few_requests_need(
    application: str, tmp_path: Path
) -> None:
    script = (
        f"import sys, {application}; import django; django.setup()\n"
        f"print([name for name in {SLOW_PACKAGES} if name in sys.modules])"
    )
    environment = {"DEBUG": "true", "VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}

    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
