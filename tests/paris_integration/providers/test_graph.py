"""Business Discovery against the stand-in: paging and its ends, fields that are refused, answers of other shapes."""

from __future__ import annotations

import hashlib
import hmac
import json
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
        media["paging"] = {"cursors": {"after": after}}
    return {"business_discovery": {"username": "acme.bakery", "media": media, **account}}


class Answers:
    """What Meta answers at `url`, in this order, the last one for ever. `.asked`: the parameters of every call."""

    def __init__(self, mock: responses.RequestsMock, url: str, *bodies: object) -> None:
        self._bodies = list(bodies)
        self.asked: list[dict[str, str]] = []
        mock.add_callback(responses.GET, url, callback=self._answer, content_type="application/json")

    def _answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        self.asked.append(request.params)
        body = self._bodies[0] if len(self._bodies) == 1 else self._bodies.pop(0)
        return 400 if isinstance(body, dict) and "error" in body else 200, {}, json.dumps(body)


def ask_pages(*bodies: object, posts: int = 100) -> tuple[RawFeed, int]:
    """The feed gathered from these answers to discovery, the last repeated for ever; and the calls it took."""
    with responses.RequestsMock() as mock:
        answers = Answers(mock, URL, *bodies)
        return ask(provider_for(BASE), "acme.bakery", posts=posts), len(answers.asked)


def ids_of(raw: RawFeed) -> list[str]:
    return [item["id"] for item in raw.media]  # type: ignore[index]


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

    assert ids_of(raw) == ids
    assert made == calls
    assert raw.later_page_error is None


@pytest.mark.parametrize(
    ("bodies", "calls"),
    [
        pytest.param([page(["1"], "A"), {"business_discovery": {"username": "x"}}], 2, id="a later page without media"),
        pytest.param([page(["1"], "A"), {"business_discovery": {"media": {}}}], 2, id="a later page without data"),
        pytest.param([page(["1"], "A"), {"error": {"code": 4}}], 2, id="a throttled page"),
        pytest.param([page(["1"], "){evil}", media_count=2)], 1, id="more posts, and no cursor that can be used"),
        pytest.param([page(["1"], "C", media_count=2)], 2, id="more posts, and the same page again"),
        pytest.param([page([str(n)], "C", media_count=99) for n in range(30)], 20, id="too many pages"),
    ],
)  # fmt: skip
def test_paging_that_ends_too_early_is_said(bodies: list[Any], calls: int) -> None:
    raw, made = ask_pages(*bodies)

    assert ids_of(raw)[0] in ("0", "1")
    assert isinstance(raw.later_page_error, UnexpectedPayload | RateLimited)
    assert made == calls


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
TAG_REQUEST = HashtagRequest("17841400000000001", "17843800000000001", Secret("token-1"))
DISCOVERY = DiscoveryRequest("17841400000000001", "acme.bakery", Secret("token-1"))


def own_media(login: Login) -> OwnMediaRequest:
    return OwnMediaRequest(login, "17841400000000001", "acme.bakery", Secret("token-1"))


@pytest.mark.parametrize(
    ("login", "url", "proves"), [(Login.INSTAGRAM, IG_MEDIA, False), (Login.FACEBOOK, FB_MEDIA, True)]
)
def test_own_media_on_both_hosts(login: Login, url: str, proves: bool) -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(mock, url, edge(["1"], "C1", has_next=True), edge(["2"], "C2"))
        raw = provider_for(BASE, app_secret=Secret("s")).fetch(own_media(login), max_posts=100)
        first, second = answers.asked

    assert ids_of(raw) == ["1", "2"]
    assert raw.profile == {"username": "acme.bakery"}
    assert ("appsecret_proof" in first) is proves
    assert (first["limit"], second["after"]) == ("50", "C1")


def edge(ids: list[str], after: object = None, *, has_next: bool = False) -> dict[str, Any]:
    """A page of own media or of a tag. Meta sends the cursor on the last page, too; `next` must not be followed."""
    paging: dict[str, Any] = {"cursors": {"before": "B", "after": after}}
    if has_next:
        paging["next"] = "https://evil.example/?access_token=x&after=EVIL"
    return {"data": [{"id": post_id} for post_id in ids], "paging": paging}


EDGES = [
    pytest.param(IG_MEDIA, own_media(Login.INSTAGRAM), id="Instagram"),
    pytest.param(FB_MEDIA, own_media(Login.FACEBOOK), id="Facebook"),
    pytest.param(f"{TAG}/recent_media", TAG_REQUEST, id="tag"),
]


@pytest.mark.parametrize(("url", "request_"), EDGES)
@pytest.mark.parametrize(
    ("bodies", "ids", "cursors"),
    [
        pytest.param([edge(["1", "2"], "C")], ["1", "2"], [None], id="one page with a cursor"),
        pytest.param([edge(["1"], "C"), {"error": {"code": 4}}], ["1"], [None], id="no surplus call to be throttled"),
        pytest.param(
            [edge(["1"], "A", has_next=True), edge(["2"], "B")], ["1", "2"], [None, "A"], id="two pages",
        ),
        pytest.param(
            [edge(["1"], "S", has_next=True), edge(["2"], "S", has_next=True), edge(["3"], "S")],
            ["1", "2", "3"], [None, "S", "S"], id="one cursor for all pages",
        ),
        pytest.param(
            [edge(["1"], "A", has_next=True), *(edge([], "B", has_next=True),) * 3, edge(["2"])],
            ["1", "2"], [None, "A", "B", "B", "B"], id="empty pages in between",
        ),
        pytest.param([edge(["1"], "A") | {"paging": None}], ["1"], [None], id="no paging"),
        pytest.param([{"data": [{"id": "1"}], "paging": {"next": "", "cursors": {"after": "A"}}}], ["1"], [None],
                     id="an empty next"),
    ],
)  # fmt: skip
def test_own_media_and_tags_go_on_while_there_is_a_next(
    url: str, request_: FeedRequest, bodies: list[Any], ids: list[str], cursors: list[str | None]
) -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(mock, url, *bodies)
        raw = provider_for(BASE).fetch(request_, max_posts=100)

    assert ids_of(raw) == ids
    assert [asked.get("after") for asked in answers.asked] == cursors
    assert raw.later_page_error is None


@pytest.mark.parametrize(
    ("bodies", "calls"),
    [
        pytest.param([edge(["1"], "A", has_next=True)], 2, id="the same page again"),
        pytest.param(
            [edge(["1"], "A", has_next=True), edge([], "B", has_next=True)], 20, id="empty for ever"
        ),
        pytest.param([edge([str(n)], "A", has_next=True) for n in range(30)], 20, id="too many pages"),
        pytest.param([edge(["1"], "a b", has_next=True)], 1, id="no cursor that can be used"),
        pytest.param([edge(["1"], has_next=True)], 1, id="no cursor"),
    ],
)
def test_own_media_that_have_more_to_show_than_was_read_say_so(bodies: list[Any], calls: int) -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(mock, IG_MEDIA, *bodies)
        raw = provider_for(BASE).fetch(own_media(Login.INSTAGRAM), max_posts=100)

    assert len(answers.asked) == calls
    assert isinstance(raw.later_page_error, UnexpectedPayload)


def test_a_tag_whose_pages_go_round_has_been_read() -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(
            mock, f"{TAG}/recent_media", edge(["1"], "S", has_next=True), edge(["2"], "S", has_next=True)
        )
        raw = provider_for(BASE).fetch(TAG_REQUEST, max_posts=100)

    assert len(answers.asked) == 3
    assert set(ids_of(raw)) == {"1", "2"}
    assert raw.later_page_error is None


def test_no_further_page_is_asked_for_when_there_are_enough_posts() -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(mock, IG_MEDIA, edge(["1", "2"], "A", has_next=True))
        raw = provider_for(BASE).fetch(own_media(Login.INSTAGRAM), max_posts=2)

    assert (len(answers.asked), raw.later_page_error) == (1, None)


def test_a_tag_shows_its_last_day_and_its_top_posts_when_that_is_empty() -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{TAG}/recent_media", json=edge(["1"], "ALWAYS"))
        recent = provider_for(BASE).fetch(TAG_REQUEST, max_posts=100)
        asked = mock.calls[0].request.params  # type: ignore[attr-defined]
    with responses.RequestsMock() as mock:
        mock.get(f"{TAG}/recent_media", json={"data": []})
        mock.get(f"{TAG}/top_media", json={"data": [{"id": "9"}]})
        top = provider_for(BASE).fetch(TAG_REQUEST, max_posts=100)

    assert asked["user_id"] == "17841400000000001"
    assert not {"username", "thumbnail_url", "alt_text"} & set(asked["fields"].replace("{", ",").split(","))
    assert ids_of(recent) == ["1"]
    assert ids_of(top) == ["9"]
    assert (recent.is_recent_only, top.is_recent_only) == (True, False)


def test_a_tag_whose_last_day_was_not_read_to_the_end_does_not_show_its_top_posts() -> None:
    with responses.RequestsMock() as mock:
        Answers(mock, f"{TAG}/recent_media", edge([], "A", has_next=True), {"error": {"code": 4}})
        with pytest.raises(RateLimited):
            provider_for(BASE).fetch(TAG_REQUEST, max_posts=100)


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
