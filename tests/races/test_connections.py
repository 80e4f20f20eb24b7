"""A short run of tests.races.connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marks import needs_postgres
from tests.races.connections import race_all

pytestmark = [pytest.mark.processes, needs_postgres]


def test_concurrent_changes_of_connections_leave_no_errors(tmp_path: Path) -> None:
    results = race_all(tmp_path, rounds=25, logins=25, renewals=20, states=20, rows=60, kills=2, refusals=40)
    assert [result for result in results if not result["ok"]] == []
