"""Runs commands of Node and other languages in the folders of the clients."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import needs


def install(*folders: Path) -> str:
    """Install the locked packages of these folders. Returns npm's path. Skips the test if there is no npm."""
    path = shutil.which("npm")
    needs("npm", path is not None and shutil.which("node") is not None)
    assert path is not None
    for folder in folders:
        run_in(folder, path, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
    return path


def run_in(folder: Path, *command: str, text: str | None = None) -> str:
    """What the command prints. It must succeed. `text`: its standard input."""
    done = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
