"""A short run of tests.races.connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.figures import figure, many
from tests.marks import needs_postgres
from tests.races.connections import race_all

pytestmark = [pytest.mark.processes, needs_postgres]


FIGURES = {
    "states": ("O1", "callbacks with one state"),
    "renewals": ("O2", "renewals of one token"),
    "disconnect": ("O3", "disconnects against refreshes"),
    "logins": ("O3", "withdrawals against logins"),
    "rotation": ("O4", "rotations that are killed"),
}


def test_concurrent_changes_of_connections_leave_no_errors(tmp_path: Path) -> None:
    results = race_all(
        tmp_path,
        rounds=many(25, 1_000),
        logins=many(25, 300),
        renewals=many(20, 50),
        states=many(20, 100),
        rows=many(60, 1_000),
        kills=many(2, 20),
        refusals=many(40, 200),
        renewal_seconds=many(3, 80) / 10,
    )
    for result in results:
        if result["race"] in FIGURES:
            measured = {name: value for name, value in result.items() if name not in ("race", "ok")}
            figure(*FIGURES[result["race"]], is_met=result["ok"], **measured)
    assert [result for result in results if not result["ok"]] == []
