"""Log lines: one per request, with the IDs that connect related lines, and without secrets."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from foundation import logs
from foundation.logs import JsonFormatter, RedactionFilter
from paris_integration.feeds import dispatch
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.embed_tokens import issue

FEED = "/v1/integrations/instagram/feed"
pytestmark = pytest.mark.django_db


class Lines(logging.Handler):
    """Log lines as the JSON handler writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(RedactionFilter())
        self.setFormatter(JsonFormatter())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.texts) if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def test_one_access_line_per_request_with_ids_and_no_token(
    make_instance: Callable[..., Any], provider: FakeProvider, lines: Lines
) -> None:
    row = make_instance()
    token = issue(row.pk, row.token_version)
    Client().get(FEED, {"token": token}, headers={"X-Request-ID": "reader-7"})
    (line,) = lines.of("access")
    assert line.pop("duration_ms") >= 0
    assert line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "access",
        "message": "GET feed 200",
        "request_id": "reader-7",
        "workspace": str(row.workspace_id),
        "instance": row.pk,
        "method": "GET",
        "route": "feed",
        "status": 200,
    }
    assert token not in "\n".join(lines.texts)


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/v1/x?token=secret", "unknown-api-address", 404),
        ("/no/way", "none", 404),
        ("/deletion/a-code-of-somebody", "deletion-status", 404),
    ],
)
def test_access_lines_name_routes_not_paths(lines: Lines, path: str, route: str, status: int) -> None:
    Client().get(path)
    (line,) = lines.of("access")
    assert (line["route"], line["status"]) == (route, status)
    assert path not in "\n".join(lines.texts)


def test_a_failed_refresh_logs_the_id_of_the_request_that_ran_it(
    make_instance: Callable[..., Any], people: Cast, provider: FakeProvider, lines: Lines
) -> None:
    provider.rate_limits(60)
    row = make_instance()
    Client().get(FEED, {"token": issue(row.pk, row.token_version)}, headers={"X-Request-ID": "reader-8"})
    (line,) = lines.of("paris_integration.feeds.refreshing")
    assert (line["request_id"], line["workspace"], line["instance"]) == (
        "reader-8",
        str(row.workspace_id),
        row.pk,
    )


def test_ids_do_not_leak_into_the_next_request(lines: Lines) -> None:
    with logs.bound(request_id="one", workspace="w"):
        logging.getLogger("t").warning("inside")
    logging.getLogger("t").warning("outside")
    inside, outside = lines.of("t")
    assert (inside["request_id"], inside["workspace"]) == ("one", "w")
    assert "request_id" not in outside


def test_the_message_to_the_worker_carries_the_request_id(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    arrived = threading.Event()

    class App:
        def send_task(self, name: str, **message: Any) -> None:
            sent.append(message)
            arrived.set()

    monkeypatch.setattr(dispatch, "current_app", App())
    with logs.bound(request_id="reader-9"):
        dispatch.Dispatcher().request_refresh(uuid4())
    assert arrived.wait(5)
    assert sent[0]["headers"] == {logs.REQUEST_ID_HEADER: "reader-9"}
