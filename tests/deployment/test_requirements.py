"""The processes need only the packages of the image, and none of those for tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROCESSES = """
import sys
from importlib import metadata

allowed = set(sys.argv[1].split())
owners = {
    module: {name.lower().replace("_", "-") for name in names}
    for module, names in metadata.packages_distributions().items()
}

class OnlyTheImage:
    def find_spec(self, name, path=None, target=None):
        owner = owners.get(name.partition(".")[0])
        if owner and not owner & allowed:
            raise ModuleNotFoundError(f"{name} is not in requirements.txt", name=name)

sys.meta_path.insert(0, OnlyTheImage())
sys.argv = ["celery"]
import config.wsgi
import celery.apps.beat, celery.apps.worker, celery.bin.celery, celery.concurrency.thread
import gunicorn.app.wsgiapp, gunicorn.workers.gthread
import kombu.transport.redis
import paris_integration.tasks
from django.core.management import call_command
call_command("check")
"""


def test_the_processes_start_with_only_the_packages_of_the_image(tmp_path: Path) -> None:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "s" * 40,
        "TOKEN_ENCRYPTION_KEYS": "A" * 43 + "=",
        "DATABASE_URL": "postgres://feeds@127.0.0.1:1/feeds",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "VAR_DIR": str(tmp_path),
    }
    # In a new interpreter: a process forked for tests has imported packages already.
    done = subprocess.run(
        (sys.executable, "-c", PROCESSES, " ".join(name.lower() for name in names)),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
