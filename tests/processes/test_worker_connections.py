"""A worker that waits for the provider holds no database connection meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marks import needs_postgres
from tests.processes.service import running_service, wait_until

pytestmark = [pytest.mark.processes, needs_postgres]

THREADS = 16
ANSWER_SECONDS = 6.0
MAKE_DUE = """
from django.utils import timezone
from paris_integration import tasks
from paris_integration.models import Feed
now = timezone.now()
Feed.objects.bulk_create(
    Feed(
        workspace_id="{workspace}", instance_id=f"wgt_{{n}}", source_type="profile", source_value=f"load.{{n}}",
        mode="public", last_read_at=now, next_refresh_at=now,
    )
    for n in range({count})
)
tasks.enqueue_due_refreshes()
"""
REFRESHED = """
import json
from paris_integration.models import Feed
print(json.dumps({"number": Feed.objects.filter(fetched_at__isnull=False).count()}))
"""


def test_all_threads_wait_for_the_provider_at_once_with_two_connections(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=0, DATABASE_POOL_SIZE="2", PROVIDER_TIMEOUT_SECONDS="20") as service:
        service.standin.faults.add("slow", seconds=ANSWER_SECONDS)
        service.start_worker(threads=THREADS)
        workspace = service.workspace("business")
        service.manage("shell", "-v", "0", "-c", MAKE_DUE.format(workspace=workspace, count=THREADS))

        # All are called before the first answer: a call that held a connection would keep fourteen others waiting.
        wait_until(lambda: len(service.standin.calls) > 0, 30)
        wait_until(lambda: len(service.standin.calls) == THREADS, ANSWER_SECONDS - 1)
        wait_until(lambda: service.manage("shell", "-v", "0", "-c", REFRESHED)["number"] == THREADS, 30)
        assert "Traceback" not in service.log()
