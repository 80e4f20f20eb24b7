"""Business Discovery against the stand-in: paging and its ends, fields that are refused, answers of other shapes."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from instagram_standin.faults import EmptyPages, Fault, RepeatCursor
from instagram_standin.server import StandIn
from paris_integration.errors import (
    HashtagQuotaExhausted,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    SourceNotFound,
    TokenRejected,
    UnexpectedPayload,
)
from paris_integration.providers.base import (
    DiscoveryRequest,
    FeedRequest,
    HashtagRequest,
    OwnMediaRequest,
    RawFeed,
)
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.secret import Secret
from paris_integration.types import Login

BASE = "https://graph.example/prefix"
IG_BASE = "https://graph.instagram.example"
URL = f"{BASE}/v26.0/17841400000000001"


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def standin(running: StandIn) -> StandIn:
    running.reset()
    return running


def provider_for(base_url: str, **options: Any) -> GraphProvider:
    return GraphProvider(
        HttpClient(),
        facebook_graph_url=base_url,
        instagram_graph_url=IG_BASE,
        version="v26.0",
        timeout_seconds=5,
        **options,
    )


def ask(
    provider: GraphProvider, username: str, token: str = "standin-operator-token", posts: int = 100
) -> RawFeed:
    request = DiscoveryRequest("17841400000000001", username, Secret(token))
    return provider.fetch(request, max_posts=posts)


def test_a_small_account_costs_one_call(standin: StandIn) -> None:
    raw = ask(provider_for(standin.facebook_graph_url), "tiny.studio")

    assert len(raw.media) == 3
    assert len(standin.calls) == 1
    assert raw.profile is not None
    assert raw.profile["username"] == "tiny.studio"
    assert raw.usage.percent == 3


def test_pages_are_followed_up_to_the_number_wanted(standin: StandIn) -> None:
    raw = ask(provider_for(standin.facebook_graph_url, page_posts=25), "northern.trails")

    assert len({item["id"] for item in raw.media}) == 100  # type: ignore[index]
    assert [call["after"] is not None for call in standin.calls] == [False, True, True, True]


def test_an_account_without_posts_is_empty_and_well_formed(standin: StandIn) -> None:
    assert ask(provider_for(standin.facebook_graph_url), "quiet.account").media == ()


def test_a_later_page_that_fails_ends_the_paging(standin: StandIn) -> None:
    standin.faults.add("status", status=500, after=True)

    raw = ask(provider_for(standin.facebook_graph_url), "northern.trails")

    assert len(raw.media) == 50
    assert isinstance(raw.later_page_error, ProviderUnavailable)


@pytest.mark.parametrize(
    ("username", "token", "error"),
    [
        ("nobody.here", "standin-operator-token", SourceNotFound),
        ("jane.private", "standin-operator-token", SourceNotFound),
        ("tiny.studio", "dead-token", TokenRejected),
    ],
)
def test_refusals(standin: StandIn, username: str, token: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(provider_for(standin.facebook_graph_url), username, token)


def test_a_throttle_under_403_with_its_minutes(standin: StandIn) -> None:
    standin.faults.add("status", status=403, code=4, regain_minutes=7)

    with pytest.raises(RateLimited) as refusal:
        ask(provider_for(standin.facebook_graph_url), "tiny.studio")
    assert refusal.value.retry_after_seconds == 420


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("html", ProviderUnavailable),
        ("truncated", ProviderUnavailable),
        ("empty", ProviderUnavailable),
        ("deep", ProviderUnavailable),
        ("null", UnexpectedPayload),
        ("error200", ProviderUnavailable),
        ("reset", ProviderUnavailable),
    ],
)
def test_bodies_that_are_no_feed(standin: StandIn, kind: str, error: type[Exception]) -> None:
    standin.faults.add(kind)

    with pytest.raises(error):
        ask(provider_for(standin.facebook_graph_url), "tiny.studio")


def test_a_refused_field_is_left_out_once_and_for_all(
    standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    standin.faults.add("reject_field", field="thumbnail_url")
    provider = provider_for(standin.facebook_graph_url)

    with caplog.at_level(logging.WARNING):
        assert len(ask(provider, "tiny.studio").media) == 3
        assert len(ask(provider, "tiny.studio").media) == 3

    assert len(standin.calls) == 3
    assert "thumbnail_url" in caplog.text


def test_every_call_proves_that_it_knows_the_apps_secret() -> None:
    with responses.RequestsMock() as mock:
        mock.get(URL, json=page([]))
        ask(provider_for(BASE, app_secret=Secret("app-secret")), "acme.bakery", token="token-1")
        sent = mock.calls[0].request

    expected = hmac.new(b"app-secret", b"token-1", hashlib.sha256).hexdigest()
    assert sent.params["appsecret_proof"] == expected  # type: ignore[attr-defined]
    assert sent.headers["Authorization"] == "Bearer token-1"
    assert "token-1" not in (sent.url or "")


def page(ids: list[Any], after: object = None, **account: Any) -> dict[str, Any]:
    media: dict[str, Any] = {"data": [{"id": post_id} for post_id in ids]}
    if after is not None:
        media["paging"] = {"cursors": {"after": after}, "next": "https://evil.example/?access_token=x"}
    return {"business_discovery": {"username": "acme.bakery", "media": media, **account}}


def ask_pages(*bodies: object, posts: int = 100) -> tuple[RawFeed, int]:
    """The feed gathered from these answers, the last repeated for ever; and the calls it took."""
    with responses.RequestsMock(registry=responses.registries.FirstMatchRegistry) as mock:
        answers = iter(bodies)
        last: list[object] = []

        def answer(_: Any) -> tuple[int, dict[str, str], str]:
            import json

            last[:] = [next(answers, last[0] if last else None)]
            return 200, {}, json.dumps(last[0])

        mock.add_callback(responses.GET, URL, callback=answer, content_type="application/json")
        return ask(provider_for(BASE), "acme.bakery", posts=posts), len(mock.calls)


@pytest.mark.parametrize(
    ("bodies", "ids", "calls"),
    [
        pytest.param([page(["1", "2"])], ["1", "2"], 1, id="no cursor"),
        pytest.param([page(["1"], "C1"), page(["2"])], ["1", "2"], 2, id="two pages"),
        pytest.param(
            [page(["1"], "SAME"), page(["2"], "SAME"), page(["3"])], ["1", "2", "3"], 3, id="constant cursor"
        ),
        pytest.param(
            [page(["1"], "C"), page(["1"], "C")], ["1", "1"], 2, id="a page of known posts is a loop"
        ),
        pytest.param(
            [page(["1"], "A"), page([], "B"), page(["2"])], ["1", "2"], 3, id="an empty page in between"
        ),
        pytest.param([page(["1"], "A"), page([], "B")], ["1"], 3, id="two empty pages are the end"),
        pytest.param([page(["1", "2"], "A", media_count=2)], ["1", "2"], 1, id="all there are"),
        pytest.param([page(["1"], "){evil}")], ["1"], 1, id="a cursor that would change the expression"),
        pytest.param([page(["1"], ["no", "text"])], ["1"], 1, id="a cursor that is no text"),
        pytest.param([{"business_discovery": {"username": "x"}}], [], 1, id="no media at all"),
    ],
)
def test_paging(bodies: list[Any], ids: list[str], calls: int) -> None:
    raw, made = ask_pages(*bodies)

    assert [item["id"] for item in raw.media] == ids  # type: ignore[index]
    assert made == calls
    assert raw.later_page_error is None


@pytest.mark.parametrize("fault", [RepeatCursor(), EmptyPages()])
def test_paging_that_leads_nowhere_is_no_whole_feed(standin: StandIn, fault: Fault) -> None:
    standin.faults.add(fault)

    raw = ask(provider_for(standin.facebook_graph_url), "northern.trails")

    assert len({item["id"] for item in raw.media}) < 100  # type: ignore[index]
    assert isinstance(raw.later_page_error, UnexpectedPayload)


def test_endless_pages_are_bounded() -> None:
    bodies = [page([str(number)], "C") for number in range(60)]

    raw, made = ask_pages(*bodies, posts=100)

    assert made == 20
    assert len(raw.media) == 20


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"business_discovery": None},
        {"business_discovery": {"media": None}},
        {"business_discovery": {"media": {"data": None}}},
        {"business_discovery": {"media": {"data": {"0": {}}}}},
        {"data": None},
    ],
)
def test_other_shapes_are_unexpected_and_never_empty(body: object) -> None:
    with pytest.raises(UnexpectedPayload):
        ask_pages(body)


@pytest.mark.parametrize("username", ["a){id}", "a,b", "A", "", "a b", "é"])
def test_a_name_that_would_change_the_expression_is_never_sent(username: str) -> None:
    with responses.RequestsMock(), pytest.raises(ValueError, match="username"):
        ask(provider_for(BASE), username)


IG_MEDIA = f"{IG_BASE}/v26.0/17841400000000001/media"
FB_MEDIA = f"{BASE}/v26.0/17841400000000001/media"
TAG = f"{BASE}/v26.0/17843800000000001"
DISCOVERY = DiscoveryRequest("17841400000000001", "acme.bakery", Secret("token-1"))


def own_media(login: Login) -> OwnMediaRequest:
    return OwnMediaRequest(login, "17841400000000001", "acme.bakery", Secret("token-1"))


@pytest.mark.parametrize(
    ("login", "url", "proves"), [(Login.INSTAGRAM, IG_MEDIA, False), (Login.FACEBOOK, FB_MEDIA, True)]
)
def test_own_media_on_both_hosts(login: Login, url: str, proves: bool) -> None:
    with responses.RequestsMock() as mock:
        mock.get(url, json={"data": [{"id": "1"}], "paging": {"cursors": {"after": "C1"}}})
        mock.get(url, json={"data": [{"id": "2"}]})
        raw = provider_for(BASE, app_secret=Secret("s")).fetch(own_media(login), max_posts=100)
        first, second = (call.request.params for call in mock.calls)  # type: ignore[attr-defined]

    assert [item["id"] for item in raw.media] == ["1", "2"]  # type: ignore[index]
    assert raw.profile == {"username": "acme.bakery"}
    assert ("appsecret_proof" in first) is proves
    assert (first["limit"], second["after"]) == ("50", "C1")


def test_a_field_refused_to_one_kind_of_request_is_still_asked_of_the_others() -> None:
    refusal = {"error": {"code": 100, "message": "(#100) Tried accessing nonexisting field (alt_text)"}}
    with responses.RequestsMock() as mock:
        mock.get(IG_MEDIA, json=refusal, status=400)
        mock.get(IG_MEDIA, json={"data": []})
        mock.get(URL, json=page([]))
        provider = provider_for(BASE)
        provider.fetch(own_media(Login.INSTAGRAM), max_posts=10)
        ask(provider, "acme.bakery")
        asked = [call.request.params["fields"] for call in mock.calls]  # type: ignore[attr-defined]

    assert ["alt_text" in fields for fields in asked] == [True, False, True]


def test_a_tag_shows_its_last_day_and_its_top_posts_when_that_is_empty() -> None:
    request = HashtagRequest("17841400000000001", "17843800000000001", Secret("token-1"))
    same = {"cursors": {"after": "ALWAYS"}}
    with responses.RequestsMock() as mock:
        mock.get(f"{TAG}/recent_media", json={"data": [{"id": "1"}], "paging": same})
        recent = provider_for(BASE).fetch(request, max_posts=100)
        assert len(mock.calls) == 2  # the constant cursor brings the same page once more, and is then left
        asked = mock.calls[0].request.params  # type: ignore[attr-defined]
    with responses.RequestsMock() as mock:
        mock.get(f"{TAG}/recent_media", json={"data": []})
        mock.get(f"{TAG}/top_media", json={"data": [{"id": "9"}]})
        top = provider_for(BASE).fetch(request, max_posts=100)

    assert asked["user_id"] == "17841400000000001"
    assert not {"username", "thumbnail_url", "alt_text"} & set(asked["fields"].replace("{", ",").split(","))
    assert {item["id"] for item in recent.media} == {"1"}  # type: ignore[index]
    assert [item["id"] for item in top.media] == ["9"]  # type: ignore[index]
    assert (recent.is_recent_only, top.is_recent_only) == (True, False)


TAG_REQUEST = HashtagRequest("17841400000000001", "17843800000000001", Secret("token-1"))


@pytest.mark.parametrize(
    ("code", "subcode", "error"),
    [
        pytest.param(100, 33, SourceNotFound, id="the object is gone, or not this token's to see"),
        pytest.param(3, None, ProviderError, id="the app lacks a capability"),
    ],
)
@pytest.mark.parametrize(
    ("url", "request_"),
    [(IG_MEDIA, own_media(Login.INSTAGRAM)), (FB_MEDIA, own_media(Login.FACEBOOK)), (URL, DISCOVERY)],
    ids=["Instagram's own media", "Facebook's own media", "discovery"],
)
def test_what_a_refusal_means(
    code: int, subcode: int | None, error: type[Exception], url: str, request_: FeedRequest
) -> None:
    with responses.RequestsMock() as mock:
        mock.get(url, json={"error": {"code": code, "error_subcode": subcode}}, status=400)
        with pytest.raises(ProviderError) as refusal:
            provider_for(BASE).fetch(request_, max_posts=10)

    assert type(refusal.value) is error


@pytest.mark.parametrize("edge", ["recent_media", "top_media"])
def test_the_thirty_tags_may_be_used_up_on_any_hashtag_call(edge: str) -> None:
    with responses.RequestsMock() as mock:
        if edge == "top_media":
            mock.get(f"{TAG}/recent_media", json={"data": []})
        mock.get(f"{TAG}/{edge}", json={"error": {"code": 18, "error_subcode": 2207034}}, status=400)
        with pytest.raises(HashtagQuotaExhausted):
            provider_for(BASE).fetch(TAG_REQUEST, max_posts=10)

    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/recently_searched_hashtags", json={"error": {"code": 18}}, status=400)
        with pytest.raises(HashtagQuotaExhausted):
            provider_for(BASE).recently_searched("17841400000000001", Secret("token-1"))


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        pytest.param(200, {"data": [{"id": "17843"}]}, "17843", id="wrapped"),
        pytest.param(200, {"id": 17843}, "17843", id="flat, a number"),
        pytest.param(200, {"data": []}, SourceNotFound, id="nothing found"),
        pytest.param(400, {"error": {"code": 24, "error_subcode": 2207024}}, SourceNotFound, id="blocked"),
        pytest.param(400, {"error": {"code": 100}}, SourceNotFound, id="no tag at all"),
        pytest.param(400, {"error": {"code": 18}}, HashtagQuotaExhausted, id="30 in 7 days"),
        pytest.param(400, {"error": {"code": 190}}, TokenRejected, id="dead token"),
        pytest.param(200, {"data": [{"id": "../x"}]}, UnexpectedPayload, id="an id that is none"),
    ],
)
def test_the_number_of_a_tag(status: int, body: Any, outcome: Any) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{BASE}/v26.0/ig_hashtag_search", json=body, status=status)
        provider = provider_for(BASE)
        if isinstance(outcome, str):
            assert provider.find_hashtag_id("17841400000000001", "bread", Secret("t")) == outcome
        else:
            with pytest.raises(outcome):
                provider.find_hashtag_id("17841400000000001", "bread", Secret("t"))
