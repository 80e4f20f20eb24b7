"""Runs pytest in one copy of the project, again and again. Started by `tests.mutants` with the copy as its folder.

Each line of standard input is a run as JSON, each line of output its result. A run is a fork of a server that has the
third-party packages imported (tests/processes/forking.py), and imports the copy's own modules anew.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.processes import forking

# Beside what forking imports already. No plugins of pytest: it imports those itself.
PACKAGES = (
    "asyncio",
    "celery.app.task",
    "cryptography.fernet",
    "django.contrib.auth.hashers",
    "django.db.models",
    "django.forms",
    "django.test",
    "django.test.runner",
    "jsonschema",
    "msgspec",
    "pygments.formatters.terminal",
    "unittest.mock",
    "xml.etree.ElementTree",
)


def main() -> None:
    forking.CONTEXT.set_forkserver_preload([*forking.PACKAGES, *PACKAGES])
    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps(_run(**wanted)), flush=True)


def _run(arguments: list[str], environment: dict[str, str], seconds: float) -> dict[str, object]:
    try:
        done = forking.run("-m", "pytest", *arguments, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"status": None, "output": ""}
    return {"status": done.returncode, "output": done.stdout + done.stderr}


if __name__ == "__main__":
    main()
