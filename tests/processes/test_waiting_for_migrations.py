"""`wait_for_migrations`, which starts a release only when its database is ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.processes import forking
from tests.processes.service import ROOT, free_port, running_service, wait_until

pytestmark = pytest.mark.processes

RECORD = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
MigrationRecorder(connection).{act}("venice_api", "0001_initial")
"""


def test_it_ends_when_another_process_has_migrated(tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "waiting"
    with running_service(tmp_path, webs=0) as service:
        service.manage("shell", "-v", "0", "-c", RECORD.format(act="record_unapplied"))
        arguments = ("manage.py", "wait_for_migrations")
        waiting = forking.start(arguments, service.environment, stdout=out, stderr=log, cwd=ROOT)
        try:
            wait_until(lambda: log.exists() and "1 migrations are not applied" in log.read_text(), 60)
            assert waiting.poll() is None
            service.manage("shell", "-v", "0", "-c", RECORD.format(act="record_applied"))
            assert waiting.wait(60) == 0
        finally:
            waiting.end()
        assert json.loads(out.read_text())["waitedSeconds"] > 0


def test_it_gives_up_on_a_database_that_stays_away(tmp_path: Path) -> None:
    away = f"postgres://feeds:canary@127.0.0.1:{free_port()}/feeds"
    with running_service(tmp_path, webs=0) as service:
        env = {**service.environment, "DATABASE_URL": away}
        done = forking.run("manage.py", "wait_for_migrations", "--seconds", "0", env=env)
        assert done.returncode != 0
        assert "the database can't be read (OperationalError)" in done.stderr
        assert "canary" not in done.stderr
