"""A short run of tests.races.failover."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.marks import needs_postgres
from tests.races.failover import run, service_with_sentinels

pytestmark = [pytest.mark.processes, needs_postgres]


def test_another_redis_takes_over_without_an_error_or_a_lost_unit(tmp_path: Path) -> None:
    needs("redis-server", shutil.which("redis-server") is not None)
    with service_with_sentinels(tmp_path, webs=2, workers=1, down_after_ms=1_000) as (service, servers):
        verdict = run(service, servers, workers=1, hang=False)
        tracebacks = service.tracebacks()

    assert verdict.is_right, verdict
    assert tracebacks == []
