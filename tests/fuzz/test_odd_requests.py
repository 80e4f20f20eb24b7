"""A short run of tests.fuzz.odd_requests, with PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.odd_requests import POOL_SIZE, Report, bombard
from tests.fuzz.schema import NO_LIMITS
from tests.marks import needs_postgres
from tests.processes.service import running_service

pytestmark = [pytest.mark.processes, needs_postgres]


def test_odd_requests_do_no_harm(tmp_path: Path) -> None:
    with running_service(
        tmp_path, DEBUG="false", DATABASE_POOL_SIZE=str(POOL_SIZE), LOG_LEVEL="WARNING", **NO_LIMITS
    ) as service:
        report = bombard(service, requests=500)

        assert report.failures == []
        assert report.complaints == [], service.log()[-5_000:]


def test_growth_is_judged_over_the_second_half() -> None:
    report = Report(requests=20_000, memory_kib=[100_000, 200_000, 210_000, 220_000])
    assert "memory has grown" not in report.complaints
    report.memory_kib[-1] = 300_000
    assert "memory has grown" in report.complaints
