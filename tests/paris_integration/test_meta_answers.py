"""The effect of Meta's answers on a feed: the real provider, called by Paris's public functions.

Meta's answers are the files of tests/data/instagram, or come from the stand-in if they depend on the call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from django.utils import timezone

from entitlements.models import Plan, Workspace
from instagram_standin.server import StandIn
from instagram_standin.tokens import Family
from paris_integration import registry
from paris_integration.connections import lifecycle
from paris_integration.connections.lifecycle import Grant
from paris_integration.feeds import refreshing
from paris_integration.models import Connection, Feed, Incident
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.public import FeedKey, Selection, Source, SourceType, Warning, read_feed
from paris_integration.types import Actor, FeedView, Login, Secret
from tests.recorded import ACCOUNT_ID, GRAPH, TAG_ID, Recorded, recorded, serve

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVERYTHING = Selection(max_posts=48)
OWN = Source(SourceType.PROFILE, "acme.bakery")
OTHER = Source(SourceType.PROFILE, "corner.cafe")
TAG = Source(SourceType.HASHTAG, "bread")
IMAGE = {"media_type": "IMAGE"}
ONE_OF_EACH_ERROR = {case.values[0].expected["error"]: case for case in recorded("error_codes")}.values()
STANDIN_IDS = ("17841400000000990", "17841400000000991")


@pytest.fixture
def workspace(db: None, clock: Any) -> Workspace:
    return Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))


def ask_at(monkeypatch: pytest.MonkeyPatch, facebook_url: str, instagram_url: str) -> None:
    provider = GraphProvider(
        HttpClient(),
        facebook_graph_url=facebook_url,
        instagram_graph_url=instagram_url,
        version="v26.0",
        timeout_seconds=5,
    )
    monkeypatch.setattr(registry, "provider", lambda: provider)


def connected(workspace: Workspace, login: Login, source: Source, account_id: str = ACCOUNT_ID) -> FeedKey:
    """A widget of the account `acme.bakery`, with the token that `token_of` names."""
    key = FeedKey(workspace.pk, f"wgt_{account_id}", source)
    token = Secret(token_of(login, account_id))
    grant = Grant(login, account_id, "28970000000000001", "acme.bakery", (), token, NOW + 1_440 * HOUR)
    lifecycle.store_grant(key, grant, actor=Actor(None, "test"), now=NOW)
    return key


def token_of(login: Login, account_id: str) -> str:
    return f"token-{login}-{account_id}"


def read(key: FeedKey) -> FeedView:
    return read_feed(key, EVERYTHING, now=timezone.now())


def shown(view: FeedView) -> list[dict[str, Any]]:
    return [json.loads(post.json) for post in view.posts]


# The files

in_one_leg = pytest.mark.sqlite_leg  # normalising doesn't depend on the store


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[responses.RequestsMock]:
    ask_at(monkeypatch, GRAPH, GRAPH)
    with responses.RequestsMock() as mock:
        yield mock


def check(view: FeedView, case: Recorded, *more: str) -> None:
    """Check the posts and warnings expected by the file, and the warning for links that expired before NOW."""
    expiries = [at for at in case.expected.get("links_expire_at", ()) if at is not None]
    is_expired = any(datetime.fromisoformat(at) <= NOW for at in expiries)
    warnings = {*case.expected["warnings"], *more, *(["MEDIA_LINKS_EXPIRED"] if is_expired else [])}

    assert shown(view) == case.expected["posts"]
    assert view.profile == case.expected["profile"]
    assert {str(warning) for warning in view.warnings} == warnings


@in_one_leg
@pytest.mark.parametrize("case", recorded("own_media"))
def test_reads_of_own_media(workspace: Workspace, meta: responses.RequestsMock, case: Recorded) -> None:
    serve(meta, f"{ACCOUNT_ID}/media", case.payload)

    check(read(connected(workspace, Login.INSTAGRAM, OWN)), case)


@in_one_leg
@pytest.mark.parametrize("case", recorded("business_discovery"))
def test_reads_of_another_account(workspace: Workspace, meta: responses.RequestsMock, case: Recorded) -> None:
    serve(meta, ACCOUNT_ID, case.payload)

    check(read(connected(workspace, Login.FACEBOOK, OTHER)), case)


@in_one_leg
@pytest.mark.parametrize("case", recorded("hashtags"))
def test_reads_of_a_tag(workspace: Workspace, meta: responses.RequestsMock, case: Recorded) -> None:
    serve(meta, "ig_hashtag_search", {"data": [{"id": TAG_ID}]})
    for edge, payload in case.payload.items():
        serve(meta, f"{TAG_ID}/{edge}", payload)

    view = read(connected(workspace, Login.FACEBOOK, TAG))

    check(view, case, *([] if "top_media" in case.payload else ["HASHTAG_RECENT_ONLY"]))


@in_one_leg
@pytest.mark.parametrize("case", ONE_OF_EACH_ERROR)
def test_reads_when_meta_returns_an_error(
    workspace: Workspace, meta: responses.RequestsMock, case: Recorded
) -> None:
    meta.get(
        f"{GRAPH}/v26.0/{ACCOUNT_ID}/media", body=case.body, headers=case.header_texts, status=case.status
    )

    view = read(connected(workspace, Login.INSTAGRAM, OWN))

    assert (shown(view), view.warnings) == ([], {Warning(case.expected["warning"])})


# The stand-in


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def standin(running: StandIn, monkeypatch: pytest.MonkeyPatch, settings: Any) -> StandIn:
    running.reset()
    ask_at(monkeypatch, running.facebook_graph_url, running.url("/ig-graph"))
    settings.MEDIA_HOSTS = ["127.0.0.1"]
    for login in Login:
        for account_id in STANDIN_IDS:
            running.tokens.add(token_of(login, account_id), account_id, Family(login.value))
    return running


def plant(standin: StandIn, *media: dict[str, Any]) -> None:
    standin.profiles.plant("acme.bakery", {"id": STANDIN_IDS[0], "media": list(media)})


def test_a_page_with_all_posts_is_complete_without_a_further_call(
    workspace: Workspace, standin: StandIn, clock: Any
) -> None:
    plant(standin, *[IMAGE] * 6)
    key = connected(workspace, Login.INSTAGRAM, OWN, STANDIN_IDS[0])
    assert len(read(key).posts) == 6

    plant(standin, *[IMAGE] * 5)
    standin.faults.add("status", status=400, code=4, after=True)
    clock.move_to(NOW + 3 * HOUR, tick=False)
    refreshing.refresh_feed(Feed.objects.get().pk, now=timezone.now())

    view = read(key)
    assert (len(view.posts), view.warnings) == (5, frozenset())
    assert len(standin.calls) == 2


def test_refused_fields_affect_neither_the_posts_nor_the_other_fields(
    workspace: Workspace, standin: StandIn
) -> None:
    plant(standin, {"media_type": "VIDEO", "caption": "Words", "alt_text": "A film"})
    for name in ("caption", "is_shared_to_feed"):
        standin.faults.add("reject_field", field=name)

    (post,) = shown(read(connected(workspace, Login.INSTAGRAM, OWN, STANDIN_IDS[0])))

    assert "caption" not in post
    assert post["altText"] == "A film"


def test_a_tag_refused_to_one_account_is_found_by_another(workspace: Workspace, standin: StandIn) -> None:
    plant(standin, {"caption": "Fresh #bread", **IMAGE})
    standin.faults.add("status", status=400, code=100, path="/fb-graph/v26.0/ig_hashtag_search", times=1)
    refused = connected(workspace, Login.FACEBOOK, TAG, STANDIN_IDS[0])
    other = Workspace.objects.create(name="Other", plan=Plan.objects.get(key="pro"))
    served = connected(other, Login.FACEBOOK, TAG, STANDIN_IDS[1])

    assert read(refused).warnings == {Warning.SOURCE_NOT_FOUND}
    assert len(read(served).posts) == 1


# Incidents


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"fault": "reset"}, "unreachable"),
        ({"fault": "html"}, "unreachable"),
        ({"fault": "status", "status": 429}, "throttled"),
        ({"fault": "status", "status": 403, "code": 4, "subcode": 1349210}, "throttled"),
        ({"fault": "status", "status": 400, "code": 190}, "refused"),
        ({"fault": "status", "status": 403, "code": 200}, "refused"),
        ({"fault": "null"}, "rejected"),
    ],
)
def test_one_of_metas_hosts_begins_the_incident_of_its_login_only(
    workspace: Workspace, standin: StandIn, settings: Any, fault: dict[str, Any], cause: str
) -> None:
    settings.INCIDENT_CONNECTIONS = 1
    plant(standin, *[IMAGE] * 3)
    kept = connected(workspace, Login.FACEBOOK, OWN, STANDIN_IDS[0])
    other = Workspace.objects.create(name="Other", plan=workspace.plan)
    failing = connected(other, Login.INSTAGRAM, OWN, STANDIN_IDS[1])
    standin.faults.add(path="/ig-graph", **fault)

    read(failing)

    assert list(Incident.objects.values_list("login", "cause")) == [("instagram", cause)]
    assert len(read(kept).posts) == 3


def test_a_wrong_app_secret_begins_an_incident_and_ends_no_connection(
    workspace: Workspace, standin: StandIn, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INCIDENT_CONNECTIONS = 1
    plant(standin, *[IMAGE] * 3)
    provider = GraphProvider(
        HttpClient(),
        facebook_graph_url=standin.facebook_graph_url,
        instagram_graph_url=standin.url("/ig-graph"),
        version="v26.0",
        timeout_seconds=5,
        app_secret=Secret("changed at Meta"),
    )
    monkeypatch.setattr(registry, "provider", lambda: provider)
    key = connected(workspace, Login.FACEBOOK, OWN, STANDIN_IDS[0])

    assert read(key).warnings == {Warning.PROVIDER_UNAVAILABLE}

    assert list(Incident.objects.values_list("login", "cause")) == [("facebook", "rejected")]
    assert Connection.objects.get().state == "active"
