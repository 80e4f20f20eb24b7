"""docs/operations.md, "First live feed": runs its commands unchanged, with the stand-in instead of Meta."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from instagram_standin.server import OPERATOR_ID, OPERATOR_TOKEN, StandIn
from tests.conftest import needs
from tests.databases import fresh_database
from tests.marks import needs_postgres
from tests.processes.service import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = ROOT / "docs" / "operations.md"


def commands(section: str) -> str:
    """The commands in the code blocks of one section, in order."""
    text = GUIDE.read_text()
    start = text.index(f"\n## {section}\n")
    end = text.find("\n## ", start + 1)
    return "\n".join(re.findall(r"```sh\n(.*?)```", text[start:end], flags=re.DOTALL))


@needs_postgres
@pytest.mark.processes
def test_the_first_live_feed(tmp_path: Path) -> None:
    needs("curl", shutil.which("curl") is not None)
    checkout = _checkout(tmp_path / "checkout")
    with StandIn() as standin, fresh_database(os.environ["DATABASE_URL"]) as database_url:
        port = free_port()
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **standin.meta_urls,
            "MEDIA_HOSTS": "127.0.0.1",
            "DATABASE_URL": database_url,
            "REDIS_URL": os.environ["REDIS_URL"],
            "PORT": str(port),
            "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
            "PUBLIC_MODE_IG_USER_ID": OPERATOR_ID,
            "PUBLIC_MODE_ACCESS_TOKEN": OPERATOR_TOKEN,
            "PROFILE": "acme.bakery",
            "VAR_DIR": str(tmp_path / "var"),
        }
        out, errors, status, logs = _run(commands("First live feed"), checkout, environment, tmp_path)

    assert status == 0, errors + str(logs)
    feed = json.loads(out[out.rindex('{"posts"') :])
    assert feed["posts"], feed
    assert feed["lastUpdated"]
    assert feed["stale"] is False
    assert len(standin.calls) >= 1
    assert set(logs) == {"web.log", "worker.log", "beat.log"}
    assert "Traceback" not in "".join(logs.values())


def _run(
    script: str, checkout: Path, environment: dict[str, str], tmp_path: Path
) -> tuple[str, str, int, dict[str, str]]:
    """Run the commands; stop what they left in the background. Returns output, errors, exit status and logs.

    The logs are read before stopping: make repeats the signal for its processes, and Celery's beat may log a traceback
    after the second one.
    """
    out, errors = tmp_path / "out", tmp_path / "errors"
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        shell = subprocess.Popen(
            ("bash", "-euo", "pipefail", "-c", script),
            cwd=checkout, env=environment, stdout=stdout, stderr=stderr, start_new_session=True,
        )  # fmt: skip
        try:
            status = shell.wait(timeout=300)
            logs = {log.name: log.read_text() for log in sorted(checkout.glob("*.log"))}
        finally:
            _end_group(shell.pid)
    return out.read_text(), errors.read_text(), status, logs


def _end_group(group: int) -> None:
    for number, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        give_up_at = time.monotonic() + patience
        try:
            os.killpg(group, number)
            while time.monotonic() < give_up_at:
                os.killpg(group, 0)
                time.sleep(0.2)
        except ProcessLookupError:
            return


def _checkout(folder: Path) -> Path:
    """A new folder with links to code and packages, so that logs aren't written to the repository."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name in {".venv", "Makefile", "requirements-dev.txt", "manage.py"} or (
            entry.is_dir() and not entry.name.startswith(".") and entry.name not in {"var", "staticfiles"}
        ):
            (folder / entry.name).symlink_to(entry)
    return folder
