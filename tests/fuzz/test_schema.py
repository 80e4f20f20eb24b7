"""A short run of tests.fuzz.schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.schema import NO_LIMITS, fuzz
from tests.processes.service import running_service

pytestmark = pytest.mark.processes


def test_the_service_answers_as_its_schema_says(tmp_path: Path) -> None:
    with running_service(tmp_path, DEBUG="false", **NO_LIMITS) as service:
        report = fuzz(service, examples=2)

        assert report.complaints == []
        assert min(report.cases.values()) > 80
