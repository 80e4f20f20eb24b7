"""The version is in pyproject.toml alone, and CHANGELOG.md describes it."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_newest_release_in_the_changelog_is_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    newest, day = re.fullmatch(r"(\S+) \((\S+)\)", headings[headings[0] == "Unreleased"]).groups()  # type: ignore[union-attr]

    assert newest == version
    assert date.fromisoformat(day)
