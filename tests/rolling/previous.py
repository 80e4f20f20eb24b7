"""The release before this one: which revision it is, and its code with its own packages.

deploy/previous-release.json names its revision and, for each app, its last migration. After a release:

    python -m tests.rolling.previous --record v0.2.0

The revision that is used is the last tag `v*` before HEAD, else the recorded one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = ROOT / "deploy" / "previous-release.json"

_LAST_MIGRATIONS = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.db.migrations.loader import MigrationLoader
print(json.dumps(dict(sorted(MigrationLoader(None).graph.leaf_nodes()))))
"""


@dataclass(frozen=True)
class Recorded:
    """`migrations`: the last one of each app."""

    revision: str
    migrations: dict[str, str]


def recorded() -> Recorded:
    return Recorded(**json.loads(RECORD.read_text()))


def revision() -> str:
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD~1")
    return tag.stdout.strip() if tag.returncode == 0 else recorded().revision


def install(revision: str, folder: Path) -> None:
    """Unpack the revision, and install its packages. Does nothing if that has been done in this folder."""
    done = folder / ".installed-revision"
    commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}")
    if commit.returncode:
        sys.exit(f"{revision} is not in this repository: {commit.stderr.strip()}")
    if done.exists() and done.read_text() == commit.stdout:
        return
    folder.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(
        ["git", "archive", commit.stdout.strip()], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    subprocess.run(
        ["make", "--silent", "install", f"PYTHON={sys.executable}"],
        cwd=folder,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    )
    done.write_text(commit.stdout)


def last_migrations(folder: Path) -> dict[str, str]:
    """The last migration of each app, as the code in the folder knows them."""
    with tempfile.TemporaryDirectory() as var:
        said = subprocess.run(
            [folder / ".venv/bin/python", "-c", _LAST_MIGRATIONS],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "SECRET_KEY": "k" * 50,
                "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
                "VAR_DIR": var,
            },
        )
    found: dict[str, str] = json.loads(said.stdout)
    return found


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", metavar="REVISION", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(options.record, folder)
        migrations = last_migrations(folder)
    # A commit is recorded by its id, a tag by its name.
    is_tag = _git("show-ref", "--verify", "--quiet", f"refs/tags/{options.record}").returncode == 0
    named = options.record if is_tag else _git("rev-parse", options.record).stdout.strip()
    RECORD.write_text(json.dumps({"revision": named, "migrations": migrations}, indent=2) + "\n")


if __name__ == "__main__":
    main()
