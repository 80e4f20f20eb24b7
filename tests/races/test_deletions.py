"""A short run of tests.races.deletions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marks import needs_postgres
from tests.races.deletions import race

pytestmark = [pytest.mark.processes, needs_postgres]


def test_deleted_widgets_stay_deleted_and_nothing_deadlocks(tmp_path: Path) -> None:
    result = race(tmp_path, rounds=20)
    assert result["faults"] == []
    assert not any(result["left"].values()), result["left"]
