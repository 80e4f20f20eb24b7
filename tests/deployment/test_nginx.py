"""The reverse proxy example, by a real nginx in front of a real web process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.deployment.proxy import NGINX, check, prepare, running_proxy
from tests.processes.service import FEED_PATH, Answer, free_port, get, running_service, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.storeless]


@pytest.fixture(autouse=True)
def _nginx() -> None:
    needs("nginx", NGINX is not None)


def test_nginx_takes_the_files(tmp_path: Path) -> None:
    ports = {"web_port": free_port(), "port": free_port(), "tls_port": free_port()}
    done = check(prepare(tmp_path / "nginx", **ports))

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_feeds_are_cached_by_token_and_origin_and_outlive_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    with running_service(tmp_path) as service:
        origins = ("--allowed-origin", "https://a.example", "https://b.example")
        token = service.instance(service.workspace(), "load.proxied", *origins)["embedToken"]
        other = service.instance(service.workspace(), "load.other")["embedToken"]
        service.read(token)
        with running_proxy(folder, web_port=service.web_ports[0]) as base:

            def read(query: str = f"?token={token}", **headers: str) -> Answer:
                return get(f"{base}{FEED_PATH}{query}", headers=headers)

            first, second = read(Origin="https://a.example"), read(Origin="https://a.example")
            assert [first.headers["X-Cache"], second.headers["X-Cache"]] == ["MISS", "HIT"]
            assert second.json == first.json
            assert len(second.json["posts"]) == 12
            assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]

            elsewhere = read(Origin="https://b.example")
            assert elsewhere.headers["X-Cache"] == "MISS"
            assert elsewhere.headers["Access-Control-Allow-Origin"] == "https://b.example"
            assert read(Origin="https://foreign.example").status == 403

            known = read(Origin="https://a.example", **{"If-None-Match": first.headers["ETag"]})
            assert (known.status, known.headers["X-Cache"]) == (304, "HIT")

            in_header = [read("", Authorization=f"Bearer {token}") for _ in range(2)]
            assert [answer.status for answer in in_header] == [200, 200]
            assert {answer.headers["X-Cache"] for answer in in_header} == {"BYPASS"}
            assert [get(f"{base}/{name}").status for name in ("metrics", "readyz")] == [404, 404]
            assert get(f"{base}/healthz").status == 200

            os.killpg(service.webs[0].pid, signal.SIGKILL)
            service.webs[0].wait()
            kept = read(Origin="https://a.example")
            assert (kept.status, kept.json) == (200, first.json)
            assert read(f"?token={other}").status == 502

        log = (folder / "access.log").read_text() + (folder / "error.log").read_text()
        assert FEED_PATH in log
        assert token not in log


def test_what_has_run_out_is_served_while_nobody_answers(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    with running_service(tmp_path) as service:
        token = service.instance(service.workspace(), "load.proxied")["embedToken"]
        service.read(token)
        with running_proxy(folder, web_port=service.web_ports[0]) as base:
            url = f"{base}{FEED_PATH}?token={token}"
            fresh = get(url)
            os.killpg(service.webs[0].pid, signal.SIGKILL)
            service.webs[0].wait()
            # nginx has no clock to turn: an answer stops being fresh after its minute, and not before.
            wait_until(lambda: get(url).headers["X-Cache"] != "HIT", 75)
            stale = get(url)

    assert fresh.headers["X-Cache"] == "MISS"
    assert stale.headers["X-Cache"] in {"STALE", "UPDATING"}
    assert (stale.status, stale.json) == (200, fresh.json)
