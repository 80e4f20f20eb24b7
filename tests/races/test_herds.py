"""A short run of tests.races.herds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marks import needs_postgres
from tests.processes.service import running_service
from tests.races.herds import run

pytestmark = [pytest.mark.processes, needs_postgres]


def test_simultaneous_first_reads_over_three_processes_cost_one_call(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=3, LOG_LEVEL="ERROR") as service:
        verdict = run(service, herds=10, readers=24)

    assert verdict.is_right, verdict
