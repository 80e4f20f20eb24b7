"""A short run of tests.races.metrics_load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.figures import figure, many
from tests.marks import needs_postgres
from tests.processes.service import running_service
from tests.races.metrics_load import ENVIRONMENT, run

pytestmark = [pytest.mark.processes, needs_postgres]


def test_one_scrape_matches_what_clients_and_provider_counted(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2, **ENVIRONMENT) as service:
        service.start_worker()
        service.start_worker()
        verdict = run(service, requests=many(300, 5_000), refreshes=many(40, 200))
        figure(
            "D2", "one scrape", is_met=not verdict.differences, reads=sum(verdict.reads.values()),
            refreshes=sum(verdict.posts.values()), provider_calls=verdict.provider_calls,
            comparisons=verdict.compared, differences=verdict.differences or "none",
        )  # fmt: skip
        assert verdict.differences == [], verdict
        assert verdict.compared == 19
        assert verdict.reads["warming"] >= 10
        assert {"hit", "stale", "filled", "not_modified", "invalid", "unauthenticated", "forbidden"} <= set(
            verdict.reads
        )
