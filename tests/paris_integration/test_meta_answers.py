"""What Meta's answers do to a feed: the real provider against the stand-in, through Paris's public functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from entitlements.models import Plan, Workspace
from instagram_standin.server import StandIn
from instagram_standin.tokens import Family
from paris_integration import connections, refresh, registry
from paris_integration.audit import Actor
from paris_integration.connections import Grant
from paris_integration.models import Feed
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.public import FeedKey, Selection, Source, SourceType, Warning, read_feed
from paris_integration.secret import Secret
from paris_integration.types import FeedView, Login

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNT_ID = "17841400000000990"
EVERYTHING = Selection(max_posts=48)


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def standin(running: StandIn, monkeypatch: pytest.MonkeyPatch, settings: Any) -> StandIn:
    running.reset()
    provider = GraphProvider(
        HttpClient(),
        facebook_graph_url=running.facebook_graph_url,
        instagram_graph_url=running.url("/ig-graph"),
        version="v26.0",
        timeout_seconds=5,
    )
    monkeypatch.setattr(registry, "provider", lambda: provider)
    settings.MEDIA_HOSTS = ["127.0.0.1"]
    return running


@pytest.fixture
def workspace(db: None, clock: Any) -> Workspace:
    return Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))


def connected(
    workspace: Workspace, standin: StandIn, login: Login, source: Source, account_id: str = ACCOUNT_ID
) -> FeedKey:
    """A widget of the account `corner.cafe`, with a token that the stand-in knows."""
    token = f"token-{login}-{account_id}"
    standin.tokens.add(token, account_id, Family(login.value))
    key = FeedKey(workspace.pk, f"wgt_{account_id}", source)
    grant = Grant(
        login, account_id, "28970000000000001", "corner.cafe", (), Secret(token), NOW + 1_440 * HOUR
    )
    connections.store_grant(key, grant, actor=Actor(None, "test"), now=NOW)
    return key


def plant(standin: StandIn, *media: dict[str, Any]) -> None:
    standin.profiles.plant("corner.cafe", {"id": ACCOUNT_ID, "media": list(media)})


def read(key: FeedKey) -> FeedView:
    return read_feed(key, EVERYTHING, now=timezone.now())


def shown(view: FeedView) -> list[dict[str, Any]]:
    return [json.loads(post.json) for post in view.posts]


OWN = Source(SourceType.PROFILE, "corner.cafe")
IMAGE = {"media_type": "IMAGE"}


def test_a_page_with_all_posts_is_complete_whatever_a_further_call_would_bring(
    workspace: Workspace, standin: StandIn, clock: Any
) -> None:
    plant(standin, *[IMAGE] * 6)
    key = connected(workspace, standin, Login.INSTAGRAM, OWN)
    assert len(read(key).posts) == 6

    plant(standin, *[IMAGE] * 5)
    standin.faults.add("status", status=400, code=4, after=True)
    clock.move_to(NOW + 3 * HOUR, tick=False)
    refresh.refresh_feed(Feed.objects.get().pk, now=timezone.now())

    view = read(key)
    assert (len(view.posts), view.warnings) == (5, frozenset())
    assert len(standin.calls) == 2


def test_the_pictures_of_an_album_have_their_own_alternative_text(
    workspace: Workspace, standin: StandIn
) -> None:
    children = [{"media_type": "IMAGE", "alt_text": "A loaf"}, {"media_type": "IMAGE"}]
    plant(standin, {"media_type": "CAROUSEL_ALBUM", "alt_text": "Breakfast", "children": children})

    (post,) = shown(read(connected(workspace, standin, Login.INSTAGRAM, OWN)))

    assert post["altText"] == "Breakfast"
    assert [child.get("altText") for child in post["children"]] == ["A loaf", None]


def test_fields_that_meta_refuses_cost_neither_the_posts_nor_the_other_fields(
    workspace: Workspace, standin: StandIn
) -> None:
    plant(standin, {"media_type": "VIDEO", "caption": "Words", "alt_text": "A film"})
    for name in ("caption", "is_shared_to_feed"):
        standin.faults.add("reject_field", field=name)

    (post,) = shown(read(connected(workspace, standin, Login.INSTAGRAM, OWN)))

    assert "caption" not in post
    assert post["altText"] == "A film"


def test_a_tag_refused_to_one_account_is_found_by_another(workspace: Workspace, standin: StandIn) -> None:
    tag = Source(SourceType.HASHTAG, "bread")
    plant(standin, {"caption": "Fresh #bread", **IMAGE})
    standin.faults.add("status", status=400, code=100, path="/fb-graph/v26.0/ig_hashtag_search", times=1)
    refused = connected(workspace, standin, Login.FACEBOOK, tag)
    other = Workspace.objects.create(name="Other", plan=Plan.objects.get(key="pro"))
    served = connected(other, standin, Login.FACEBOOK, tag, account_id="17841400000000991")

    assert read(refused).warnings == {Warning.SOURCE_NOT_FOUND}
    assert len(read(served).posts) == 1
