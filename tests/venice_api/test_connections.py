"""A request returns its database connection with the answer, before the client reads it, even after an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import DataError, OperationalError, connection
from django.test import Client

from paris_integration.public import explain_instance
from tests.conftest import Cast
from tests.fakes import FakeProvider
from tests.marks import needs_postgres
from venice_api.api import views
from venice_api.editor import panel

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True)]
plans: Any = import_module("entitlements.migrations.0002_plans")
FEED = "/v1/integrations/instagram/feed"


@pytest.fixture(autouse=True)
def _pool(transactional_db: None) -> Iterator[None]:
    plans.create_plans(apps, None)  # a test before this one may have emptied the tables
    yield
    connection.close()


def in_use() -> int:
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    return int(stats["pool_size"] - stats["pool_available"])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 200),
        (ValueError, 500),
        (OperationalError, 503),
        (DataError, 400),
        (SystemExit, None),
        (KeyError, 500),
    ],
)
@pytest.mark.parametrize("path", [f"{FEED}?instanceId={{}}", "/editor/{}/"])
def test_the_database_connection_is_returned_with_the_answer(
    people: Cast,
    make_instance: Callable[..., Any],
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    error: type[BaseException] | None,
    status: int | None,
) -> None:
    row = make_instance()
    client: Client = people.editor
    client.raise_request_exception = False

    def fails(*_: object, **__: object) -> None:
        connection.cursor().execute("SELECT 1")
        assert in_use() == 1
        if error is not None:
            raise error

    def looks(*arguments: Any, **options: Any) -> Any:
        fails()
        return explain_instance(*arguments, **options)

    monkeypatch.setattr(views.throttles, "check_read", fails)
    monkeypatch.setattr(panel.paris, "explain_instance", looks)
    connection.close()

    if status is None:
        with pytest.raises(SystemExit):
            client.get(path.format(row.pk))
    else:
        assert client.get(path.format(row.pk)).status_code == status
    assert in_use() == 0
