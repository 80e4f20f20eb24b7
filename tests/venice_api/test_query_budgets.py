"""The maximum number of queries of each request, counted over the whole request: session, rights and Paris.

The counts include the savepoints that a test's own transaction turns `atomic` into, and the database's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entitlements.metric_labels import labels
from entitlements.models import Membership, Workspace
from paris_integration import clock as database_clock
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api import embed_tokens

NOW = datetime(2026, 1, 20, 3, tzinfo=UTC)
FEED = "/v1/integrations/instagram/feed"
REFRESH = "/v1/integrations/instagram/refresh"
Budget = Callable[[int], AbstractContextManager[None]]
_real_clock, _real_moment = database_clock.database_now, database_clock.moment

pytestmark = pytest.mark.usefixtures("provider")


@pytest.fixture(autouse=True)
def _with_copies(settings: Any) -> None:
    settings.MEDIA_COPIES = True  # as in production


@pytest.fixture(autouse=True)
def _counted_clock(monkeypatch: pytest.MonkeyPatch, _database_clock: None) -> None:
    monkeypatch.setattr(database_clock, "database_now", _real_clock)
    monkeypatch.setattr(database_clock, "moment", _real_moment)


@pytest.fixture
def budget(record_property: Callable[[str, object], None]) -> Budget:
    """Count the queries of a block, note the number for benchmarks.structure, and bound it."""

    @contextmanager
    def counted(limit: int) -> Iterator[None]:
        with CaptureQueriesContext(connection) as queries:
            yield
        record_property("queries", f"{len(queries)} (at most {limit})")
        assert len(queries) <= limit, "\n".join(query["sql"] for query in queries.captured_queries)

    return counted


@pytest.fixture
def instance(make_instance: Callable[..., Any]) -> Any:
    made = make_instance()
    labels.label_of(made.workspace_id)  # asked for once per process
    return made


@pytest.fixture
def filled(people: Cast, instance: Any) -> Any:
    assert people.editor.get(FEED, {"instanceId": instance.pk}).json()["posts"]
    return instance


def token_of(instance: Any) -> str:
    return embed_tokens.issue(instance.pk, instance.token_version)


def refresh(people: Cast, instance: Any) -> Any:
    return people.editor.post(REFRESH, {"instanceId": instance.pk}, content_type="application/json")


def test_a_cold_read(people: Cast, instance: Any, budget: Budget) -> None:
    with budget(14):
        answer = people.anonymous.get(FEED, {"token": token_of(instance)})
    assert answer.json()["posts"]


def test_a_warm_read_by_token(people: Cast, filled: Any, budget: Budget) -> None:
    token = token_of(filled)
    people.anonymous.get(FEED, {"token": token})
    with budget(0):
        answer = people.anonymous.get(FEED, {"token": token})
    assert answer.json()["posts"]


def test_a_member_read(people: Cast, filled: Any, budget: Budget) -> None:
    with budget(6):
        answer = people.editor.get(FEED, {"instanceId": filled.pk})
    assert answer.json()["refresh"]["remainingToday"] == 24


def test_a_forced_refresh(people: Cast, filled: Any, provider: FakeProvider, budget: Budget) -> None:
    before = len(provider.calls)
    with budget(25):
        answer = refresh(people, filled)
    assert (answer.status_code, len(provider.calls)) == (200, before + 1)


def test_a_refused_refresh(people: Cast, filled: Any, budget: Budget) -> None:
    for _ in range(4):
        assert refresh(people, filled).status_code == 200
    with budget(8):
        answer = refresh(people, filled)
    assert (answer.status_code, answer.json()["reasonCode"]) == (409, "QUOTA_EXCEEDED")


def test_the_editor_page(people: Cast, filled: Any, budget: Budget) -> None:
    with budget(12):
        answer = people.editor.get(f"/editor/{filled.pk}/")
    assert b"Last updated" in answer.content


def test_the_design_page(people: Cast, filled: Any, budget: Budget) -> None:
    with budget(26):
        answer = people.editor.get(f"/editor/{filled.pk}/design/")
    assert b"instagram-feed preview" in answer.content


def test_a_checked_source_of_a_new_widget(people: Cast, budget: Budget, instance: Any) -> None:
    typed = {
        "source_type": "profile", "source_value": "@acme.bakery", "max_posts": "12", "filter_type": "all",
        "preview": "yes",
    }  # fmt: skip
    with budget(26):
        answer = people.editor.post(f"/editor/new/{people.workspace.pk}/", typed)
    assert b"Nothing is saved yet" in answer.content


@pytest.mark.parametrize("number", [1, 20])
def test_the_list_of_widgets_of_many_workspaces(
    people: Cast, instance: Any, make_instance: Any, budget: Budget, number: int
) -> None:
    plan, editor = people.workspace.plan, User.objects.get(username="editor")
    for place in range(1, number):
        workspace = Workspace.objects.create(name=f"Shop {place}", plan=plan)
        Membership.objects.create(workspace=workspace, user=editor, role="viewer")
        make_instance(workspace=workspace)
    with budget(10):
        answer = people.editor.get("/editor/")
    assert answer.content.count(b'class="card"') == number
    assert answer.content.count(b">New widget<") == 1
