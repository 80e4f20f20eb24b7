"""A change shows within two seconds in every web process, also while readers get repeated answers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.marks import needs_postgres
from tests.processes.service import Answer, Service, get, running_service

pytestmark = [pytest.mark.processes, pytest.mark.both_legs]

WITHIN_SECONDS = 2.0
_SAVE = """
from venice_api.models import WidgetInstance
row = WidgetInstance.objects.get(pk="{instance}")
{change}
row.save()
"""
_REFRESH = """
from datetime import timedelta
from paris_integration.models import Feed
from paris_integration.tasks import refresh_feed
row = Feed.objects.get(source_value="load.changes")
row.fetched_at -= timedelta(days=10)
row.save()
refresh_feed(str(row.pk))
"""
_PLAN = """
from entitlements.changes import Actor, set_plan
from entitlements.models import Plan, Workspace
set_plan(Workspace.objects.get(pk="{workspace}"), Plan.objects.get(key="{plan}"), actor=Actor("test"))
"""
_PURGE = """
from paris_integration.models import Feed
Feed.objects.filter(instance_id="{instance}").purge()
"""


@contextmanager
def busy_readers(service: Service, token: str) -> Iterator[None]:
    """Readers of all web processes, so that every answer is a repeated one whenever it may be."""
    ends = threading.Event()

    def read_on(web: int) -> None:
        while not ends.wait(0.02):
            service.read(token, web=web)

    readers = [threading.Thread(target=read_on, args=(web,)) for web in range(len(service.web_ports))]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        ends.set()
        for reader in readers:
            reader.join()


def check_changes(service: Service) -> None:
    workspace = service.workspace()
    made = service.instance(workspace, "load.changes")
    token, instance = made["embedToken"], made["instanceId"]
    names = {"instance": instance, "workspace": workspace}

    def shows(what: Callable[[Answer], Any], script: str, **values: str) -> None:
        service.manage("shell", "-v", "0", "-c", script.format(**names, **values))
        changed_at = time.monotonic()
        left = set(range(len(service.web_ports)))
        while left:
            began_at = time.monotonic()  # a slow machine may take long to answer; the answer must not be old
            left -= {web for web in left if what(service.read(token, web=web))}
            assert began_at - changed_at < WITHIN_SECONDS or not left, f"web processes {left}"

    def ids(answer: Answer) -> list[str]:
        return [post["id"] for post in answer.json["posts"]]

    first, second, *_ = ids(service.read(token))
    with busy_readers(service, token):
        shows(lambda answer: first not in ids(answer), _SAVE, change=f'row.hidden_post_ids = ["{first}"]')
        shows(lambda answer: ids(answer)[0] == first, _SAVE, change="row.hidden_post_ids = []")
        shows(lambda answer: ids(answer)[0] == second, _SAVE, change=f'row.pinned_post_ids = ["{second}"]')
        before = service.read(token).json["lastUpdated"]
        time.sleep(1)  # times have whole seconds
        shows(lambda answer: answer.json["lastUpdated"] > before, _REFRESH)
        shows(lambda answer: _hours_until_refresh(answer) > 20, _PLAN, plan="free")
        shows(lambda answer: _hours_until_refresh(answer) < 20, _PLAN, plan="pro")
        service.standin.faults.add("status", status=503, username="load.changes")
        shows(lambda answer: not answer.json["posts"], _PURGE)
        service.standin.faults.clear()
        service.manage("rotate_embed_token", instance)
        time.sleep(WITHIN_SECONDS)
        for web in range(len(service.web_ports)):
            assert service.read(token, web=web).status == 401
    assert "Traceback" not in service.log()


def _hours_until_refresh(answer: Answer) -> float:
    allowed = answer.json.get("nextRefreshAllowedAt")
    updated = answer.json["lastUpdated"]
    return (datetime.fromisoformat(allowed) - datetime.fromisoformat(updated)).total_seconds() / 3_600


def test_changes_show_within_two_seconds(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2) as service:
        check_changes(service)


@needs_postgres
def test_changes_show_within_two_seconds_without_redis(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2, REDIS_URL="redis://127.0.0.1:1/0", BROKER_URL="") as service:
        check_changes(service)


@needs_postgres
def test_repeated_answers_are_counted_exactly(tmp_path: Path) -> None:
    """In the log, the metrics and the daily usage, by two processes."""
    reads = 400
    with running_service(tmp_path, webs=2, THROTTLE_READS_PER_INSTANCE="100000") as service:
        made = service.instance(service.workspace(), "load.counted")
        answers = [service.read(made["embedToken"], web=number % 2) for number in range(reads)]
        assert {answer.status for answer in answers} == {200}
        ids = {answer.headers["X-Request-ID"] for answer in answers}
        assert len(ids) == reads
        time.sleep(1)  # repeated answers are counted and logged every half second
        logged = re.findall(r'"request_id": "([0-9a-f]{32})".*"route": "feed", "status": 200', service.log())
        assert sorted(logged) == sorted(ids)
        page = get(f"http://127.0.0.1:{service.web_ports[0]}/metrics").body.decode()
        counted = re.findall(r"^instagram_feed_requests_total\{.*\} ([0-9.]+)$", page, re.MULTILINE)
        assert sum(map(float, counted)) == reads
        for web in service.webs:
            web.end()
        script = (
            "from paris_integration.models import DailyUsage as U\n"
            "from venice_api.models import DailyReads as R\n"
            "print(sum(u.feed_requests for u in U.objects.all()), sum(r.reads for r in R.objects.all()))"
        )
        assert service.manage("shell", "-v", "0", "-c", script).split() == [str(reads), str(reads)]
