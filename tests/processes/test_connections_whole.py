"""No request costs the next one a database connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marks import needs_postgres
from tests.processes.members import ask, calling, join, read_as, usable_connections
from tests.processes.service import running_service

pytestmark = [pytest.mark.processes, needs_postgres]


def test_a_hundred_readiness_checks_cost_no_connection(tmp_path: Path) -> None:
    with running_service(tmp_path, DATABASE_POOL_SIZE="3") as service:
        member = join(service, "ready")
        with calling(service) as connection:
            statuses = {ask(connection, "/readyz").status for _ in range(100)}

        assert statuses == {200}
        assert read_as(service, member).status == 200
        assert usable_connections(service, member, pool_size=3) == 3
        assert "Traceback" not in service.log()
