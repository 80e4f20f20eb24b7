"""Numbers and ids across real processes: one scrape for all of a host, one request id from web to worker."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.metrics import Page, parse
from tests.processes.service import Service, free_port, get, running_service, wait_until

pytestmark = pytest.mark.processes


def scrape(service: Service, *, web: int = 0) -> Page:
    return parse(get(f"http://127.0.0.1:{service.web_ports[web]}/metrics").body.decode())


def total(page: Page, name: str, **labels: str) -> float:
    return sum(
        value
        for (found, pairs), value in page.items()
        if found == name and labels.items() <= dict(pairs).items()
    )


def lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]


def test_counts_of_all_processes_and_of_the_dead_are_on_one_page(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2) as service:
        token = service.instance(service.workspace(), "acme.bakery")["embedToken"]
        for place in range(6):
            assert service.read(token, web=place % 2).status == 200
        time.sleep(1)  # repeated answers are counted every half second
        os.killpg(service.webs[1].pid, signal.SIGKILL)
        service.webs[1].wait()
        service.restart_web(1)
        assert service.read(token, web=1).status == 200
        for web in (0, 1):
            page = scrape(service, web=web)
            assert total(page, "instagram_feed_requests_total") == 7
            assert total(page, "instagram_refresh_attempts_total", kind="cold", outcome="succeeded") == 1
            assert total(page, "instagram_provider_calls_total") == len(service.standin.calls)
            by_django = total(page, "django_http_responses_total_by_status_view_method_total", view="feed")
            assert by_django + total(page, "instagram_feed_answers_repeated_total") == 7


def test_a_request_id_is_found_in_the_workers_lines(tmp_path: Path) -> None:
    with running_service(tmp_path, LOG_LEVEL="INFO") as service:
        service.start_worker()
        made = service.instance(service.workspace(), "acme.bakery")
        service.read(made["embedToken"])
        service.age("acme.bakery")
        wait_until(lambda: "metrics are served on /metrics" in service.log(), 20)
        assert get(service.feed_url(made["embedToken"]), headers={"X-Request-ID": "reader-42"}).json["stale"]

        def workers_lines() -> list[dict[str, Any]]:
            return [line for line in lines(service) if line["message"] == "refresh succeeded"]

        wait_until(workers_lines, 20)
        (line,) = workers_lines()
        assert line["request_id"] == "reader-42"
        assert line["task"] == "refresh_feed"
        loggers = {found["logger"] for found in lines(service) if found.get("request_id") == "reader-42"}
        assert "access" in loggers
        assert "gunicorn.access" not in service.log()  # it would repeat each line, with the URL
        assert len(line["task_id"]) == 36
        assert total(scrape(service), "instagram_refresh_attempts_total", kind="automatic") == 1
        assert total(scrape(service), "instagram_worker_last_seen_timestamp_seconds") > 0


def test_a_worker_that_shares_no_directory_says_where_its_page_is(tmp_path: Path) -> None:
    port = free_port()
    with running_service(tmp_path, METRICS_TOKEN="a-token-for-the-page") as service:
        service.environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "another-host")
        service.environment["WORKER_METRICS_PORT"] = str(port)
        service.start_worker()
        url = f"http://127.0.0.1:{port}/metrics"
        wait_until(lambda: f"metrics are served at {url}" in service.log(), 20)
        page = parse(get(url).body.decode())
        assert total(page, "instagram_worker_last_seen_timestamp_seconds") > 0
        assert get(url, headers={"Authorization": "Bearer wrong"}).status == 401
        assert get(url, headers={"Authorization": "Bearer a-token-for-the-page"}).status == 200
        assert get(url, headers={"X-Forwarded-For": "127.0.0.1"}).status == 401
        assert get(f"http://127.0.0.1:{port}/").status == 404


def test_an_orderly_end_writes_the_days_usage(tmp_path: Path) -> None:
    with running_service(tmp_path, webs=2) as service:
        token = service.instance(service.workspace(), "acme.bakery")["embedToken"]
        for _ in range(3):
            service.read(token, web=0)
        os.killpg(service.webs[0].pid, signal.SIGTERM)
        service.webs[0].wait(timeout=40)
        show = "from paris_integration.models import DailyUsage as D; print(D.objects.get().feed_requests)"
        assert str(service.manage("shell", "-v", "0", "-c", show)).strip() == "3"
