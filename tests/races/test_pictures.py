"""A short run of tests.races.pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marks import needs_postgres
from tests.races.pictures import race

pytestmark = [pytest.mark.processes, needs_postgres]


def test_files_rows_and_copies_agree_whoever_purges_or_dies(tmp_path: Path) -> None:
    result = race(tmp_path, rounds=6, kills=3)
    assert result["faults"] == []
    assert not any(result["left"].values()), result["left"]
    assert not any(result["left after kills"].values()), result["left after kills"]
