"""While many wait for Meta, everybody else is answered as ever."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest

from config import gunicorn
from paris_integration.waiting import FLIGHT_PLACES, ORDER_PLACES, WAITING_PLACES
from tests.marks import needs_postgres
from tests.processes.members import Member, ask, calling, join, read_as
from tests.processes.service import Answer, Service, running_service, wait_until
from tests.races.forced_refresh import REFRESH

pytestmark = [pytest.mark.processes, needs_postgres]

SEED = """
import json
from entitlements.models import Workspace
from venice_api.embed_tokens import issue
from venice_api.models import WidgetInstance
rows = [
    WidgetInstance.objects.create(
        workspace=Workspace.objects.get(pk="{workspace}"), source_type="profile", source_value=f"load.{name}{{n}}"
    )
    for n in range({count})
]
print(json.dumps({{row.pk: issue(row.pk, row.token_version) for row in rows}}))
"""


def widgets(service: Service, workspace: str, name: str, count: int) -> dict[str, str]:
    """New widgets, each of another account: their tokens by id."""
    script = SEED.format(workspace=workspace, name=name, count=count)
    made: dict[str, str] = service.manage("shell", "-v", "0", "-c", script)
    return made


def refresh(service: Service, member: Member, instance_id: str) -> Answer:
    headers = {**member.headers, "Content-Type": "application/json", "X-CSRFToken": member.cookies.csrf}
    with calling(service, timeout=60) as connection:
        return ask(connection, REFRESH, headers, method="POST", body=json.dumps({"instanceId": instance_id}))


def others(service: Service, member: Member) -> list[Answer]:
    """Session reads and editor pages of somebody who waits for nothing."""
    with ThreadPoolExecutor(max_workers=4) as callers:
        paths = [member.feed, member.editor] * 10
        return list(callers.map(lambda path: read_as(service, member, path), paths))


def assert_served(answers: list[Answer]) -> None:
    assert Counter(answer.status for answer in answers) == {200: len(answers)}
    # Those who wait do so for five seconds and more; half of these may meet a busy machine.
    assert median(answer.seconds for answer in answers) < 1.5


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    waits = {"FEED_COLD_WAIT_SECONDS": "5", "PROVIDER_TIMEOUT_SECONDS": "6"}
    with running_service(tmp_path_factory.mktemp("waiting"), DATABASE_POOL_SIZE="4", **waits) as running:
        yield running
        assert "Traceback" not in running.log()
        assert '"answered 503' not in running.log()


@pytest.fixture(scope="module")
def member(service: Service) -> Member:
    """Somebody who waits for nothing."""
    joined = join(service, "other")
    assert read_as(service, joined).status == 200
    return joined


@pytest.fixture(scope="module")
def ordering(service: Service) -> Member:
    """Somebody who orders refreshes of many widgets."""
    return join(service, "ordering", "acme.bakery")


@pytest.fixture
def hanging(service: Service) -> Iterator[int]:
    """Meta takes calls and says nothing; how many calls there were before."""
    service.standin.faults.add("hang", seconds=20)
    yield len(service.standin.calls)
    service.standin.faults.clear()


def test_cold_feeds_that_wait_for_a_hanging_provider(service: Service, member: Member, hanging: int) -> None:
    cold = widgets(service, service.workspace(), "cold", 80)
    with ThreadPoolExecutor(max_workers=len(cold)) as readers:
        waiting = [readers.submit(service.read, token) for token in cold.values()]
        wait_until(lambda: len(service.standin.calls) - hanging >= FLIGHT_PLACES, 10)
        served = others(service, member)
        assert any(not future.done() for future in waiting)
        told = [future.result() for future in waiting]

    assert_served(served)
    assert {answer.status for answer in told} == {200}


def test_forced_refreshes_that_wait_for_a_hanging_provider(
    service: Service, member: Member, ordering: Member, hanging: int
) -> None:
    ordered = widgets(service, ordering.workspace, "order", 30)
    with ThreadPoolExecutor(max_workers=60) as callers:
        # Two for each widget: one asks Meta, the other waits for its answer.
        waiting = [callers.submit(refresh, service, ordering, name) for name in [*ordered, *ordered]]
        wait_until(lambda: len(service.standin.calls) - hanging >= len(ordered), 20)
        served = others(service, member)
        assert any(not future.done() for future in waiting)
        told = [future.result() for future in waiting]

    assert_served(served)
    assert Counter(answer.status for answer in told) == {200: 60}


def test_a_burst_of_forced_refreshes_is_answered_whole(service: Service, ordering: Member) -> None:
    ordered = widgets(service, ordering.workspace, "burst", 100)
    with ThreadPoolExecutor(max_workers=len(ordered)) as callers:
        told = list(callers.map(lambda name: refresh(service, ordering, name), ordered))

    assert Counter(answer.status for answer in told) == {200: 100}


def test_more_threads_than_places_to_wait() -> None:
    assert gunicorn.threads >= WAITING_PLACES + ORDER_PLACES + 16
