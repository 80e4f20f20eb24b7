"""Business Discovery against the stand-in: paging, refused fields, and answers of other shapes."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
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
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.types import Login, Secret

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
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


def test_pages_are_followed_until_there_are_enough_posts(standin: StandIn) -> None:
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
def test_bodies_without_a_feed(standin: StandIn, kind: str, error: type[Exception]) -> None:
    standin.faults.add(kind)

    with pytest.raises(error):
        ask(provider_for(standin.facebook_graph_url), "tiny.studio")


def test_a_refused_field_is_omitted_from_then_on(standin: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    standin.faults.add("reject_field", field="profile_picture_url", node_type="IGUser")
    provider = provider_for(standin.facebook_graph_url)

    with caplog.at_level(logging.WARNING):
        assert len(ask(provider, "tiny.studio").media) == 3
        assert len(ask(provider, "tiny.studio").media) == 3

    assert len(standin.calls) == 3
    assert "profile_picture_url" in caplog.text


def test_every_call_carries_a_proof_of_the_app_secret() -> None:
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
    """Meta's answers at `url`, in order. The last one repeats. `.asked`: the parameters of every call."""

    def __init__(self, mock: responses.RequestsMock, url: str, *bodies: object) -> None:
        self._bodies = list(bodies)
        self.asked: list[dict[str, str]] = []
        mock.add_callback(responses.GET, url, callback=self._answer, content_type="application/json")

    def _answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        self.asked.append(request.params)
        body = self._bodies[0] if len(self._bodies) == 1 else self._bodies.pop(0)
        return 400 if isinstance(body, dict) and "error" in body else 200, {}, json.dumps(body)


def ask_pages(*bodies: object, posts: int = 100) -> tuple[RawFeed, int]:
    """The feed fetched with these answers to discovery, and the number of calls. The last answer repeats."""
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
        pytest.param([page(["1"], ["no", "text"])], ["1"], 1, id="a cursor that is not text"),
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
        pytest.param([page(["1"], "A){evil}", media_count=2)], 1, id="more posts, and a cursor that only begins well"),
        pytest.param([page(["1"], "C", media_count=2)], 2, id="more posts, and the same page again"),
        pytest.param([page([str(n)], "C", media_count=99) for n in range(30)], 20, id="too many pages"),
    ],
)  # fmt: skip
def test_paging_that_ends_too_early_is_reported(bodies: list[Any], calls: int) -> None:
    raw, made = ask_pages(*bodies)

    assert ids_of(raw)[0] in ("0", "1")
    assert isinstance(raw.later_page_error, UnexpectedPayload | RateLimited)
    assert made == calls


@pytest.mark.parametrize("fault", [RepeatCursor(), EmptyPages()])
def test_paging_without_progress_gives_no_complete_feed(standin: StandIn, fault: Fault) -> None:
    standin.faults.add(fault)

    raw = ask(provider_for(standin.facebook_graph_url), "northern.trails")

    assert len({item["id"] for item in raw.media}) < 100  # type: ignore[index]
    assert isinstance(raw.later_page_error, UnexpectedPayload)


def test_endless_pages_are_limited() -> None:
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
def test_own_media_and_tags_are_paged_while_there_is_a_next(
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
        pytest.param([edge(["1"], "A", has_next=True), edge([], "B", has_next=True)], 20, id="always empty"),
        pytest.param([edge([str(n)], "A", has_next=True) for n in range(30)], 20, id="too many pages"),
        pytest.param([edge(["1"], "a b", has_next=True)], 1, id="no cursor that can be used"),
        pytest.param([edge(["1"], has_next=True)], 1, id="no cursor"),
    ],
)
def test_own_media_report_unread_posts(bodies: list[Any], calls: int) -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(mock, IG_MEDIA, *bodies)
        raw = provider_for(BASE).fetch(own_media(Login.INSTAGRAM), max_posts=100)

    assert len(answers.asked) == calls
    assert isinstance(raw.later_page_error, UnexpectedPayload)


def test_a_tag_whose_pages_repeat_has_been_read() -> None:
    with responses.RequestsMock() as mock:
        answers = Answers(
            mock, f"{TAG}/recent_media", edge(["1"], "S", has_next=True), edge(["2"], "S", has_next=True)
        )
        raw = provider_for(BASE).fetch(TAG_REQUEST, max_posts=100)

    assert len(answers.asked) == 3
    assert set(ids_of(raw)) == {"1", "2"}
    assert raw.later_page_error is None


def test_no_further_page_is_requested_when_there_are_enough_posts() -> None:
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
        pytest.param(100, 33, SourceNotFound, id="the object is missing, or hidden from this token"),
        pytest.param(3, None, ProviderError, id="the app lacks a capability"),
    ],
)
@pytest.mark.parametrize(
    ("url", "request_"),
    [(IG_MEDIA, own_media(Login.INSTAGRAM)), (FB_MEDIA, own_media(Login.FACEBOOK)), (URL, DISCOVERY)],
    ids=["Instagram's own media", "Facebook's own media", "discovery"],
)
def test_refusals_raise_the_error_of_their_code(
    code: int, subcode: int | None, error: type[Exception], url: str, request_: FeedRequest
) -> None:
    with responses.RequestsMock() as mock:
        mock.get(url, json={"error": {"code": code, "error_subcode": subcode}}, status=400)
        with pytest.raises(ProviderError) as refusal:
            provider_for(BASE).fetch(request_, max_posts=10)

    assert type(refusal.value) is error


class Refusing:
    """A Meta that refuses these fields of posts and of children, and returns empty pages.

    `.asked`: the fields of every call, of posts and of children.
    """

    def __init__(
        self, mock: responses.RequestsMock, *, post: tuple[str, ...] = (), child: tuple[str, ...] = ()
    ) -> None:
        self.post, self.child = post, child
        self.asked: list[tuple[set[str], set[str]]] = []
        for url in (IG_MEDIA, FB_MEDIA, URL, f"{TAG}/recent_media", f"{TAG}/top_media"):
            mock.add_callback(responses.GET, url, callback=self._answer)

    def _answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        of_media, _, rest = request.params["fields"].rpartition("media.limit")[2].partition("children{")
        of_children, _, _ = rest.partition("}")
        post, child = set(re.findall(r"[a-z_]+", of_media)), set(of_children.split(","))
        self.asked.append((post, child))
        refused = [*sorted(post & set(self.post)), *sorted(child & set(self.child))]
        if refused:
            return 400, {}, json.dumps(refusal_of(refused[0]))
        empty = page([]) if request.url.startswith(f"{URL}?") else {"data": []}
        return 200, {}, json.dumps(empty)

    def last_without(self, name: str) -> tuple[bool, bool]:
        """Whether the last call omitted the field from posts, and from children."""
        post, child = self.asked[-1]
        return name not in post, name not in child


def refusal_of(name: str) -> dict[str, Any]:
    message = f"(#100) Tried accessing nonexisting field ({name}) on node type (Media)"
    return {"error": {"code": 100, "message": message}}


@pytest.fixture
def meta() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


INSTAGRAM = own_media(Login.INSTAGRAM)
FACEBOOK = own_media(Login.FACEBOOK)


@pytest.mark.parametrize(
    ("post", "child", "calls"),
    [
        pytest.param((), ("alt_text",), 2, id="to children"),
        pytest.param(("alt_text",), (), 3, id="to posts"),
        pytest.param(("alt_text",), ("alt_text",), 4, id="to both"),
    ],
)
@pytest.mark.parametrize("request_", [INSTAGRAM, FACEBOOK, DISCOVERY])
def test_a_field_is_omitted_where_it_was_refused(
    meta: responses.RequestsMock,
    request_: FeedRequest,
    post: tuple[str, ...],
    child: tuple[str, ...],
    calls: int,
) -> None:
    refusing = Refusing(meta, post=post, child=child)
    provider = provider_for(BASE)

    for _ in range(2):
        provider.fetch(request_, max_posts=10)
        assert refusing.last_without("alt_text") == (bool(post), bool(child))
    assert len(refusing.asked) == calls + 1


def test_a_field_refused_to_one_login_or_kind_of_call_is_still_requested_by_others(
    meta: responses.RequestsMock,
) -> None:
    refusing = Refusing(meta, post=("caption",))
    provider = provider_for(BASE)
    provider.fetch(INSTAGRAM, max_posts=10)
    refusing.post = ()

    for request_, is_left_out in (
        (FACEBOOK, False),
        (DISCOVERY, False),
        (TAG_REQUEST, False),
        (INSTAGRAM, True),
    ):
        provider.fetch(request_, max_posts=10)
        assert refusing.last_without("caption")[0] is is_left_out


def test_several_fields_may_be_refused_in_one_fetch(meta: responses.RequestsMock) -> None:
    refusing = Refusing(
        meta, post=("caption", "is_shared_to_feed", "username"), child=("alt_text", "thumbnail_url")
    )
    provider = provider_for(BASE)

    provider.fetch(INSTAGRAM, max_posts=10)

    post, child = refusing.asked[-1]
    assert not post & set(refusing.post)
    assert {"id", "media_url", "permalink", "alt_text", "thumbnail_url"} <= post
    assert child == {"id", "media_type", "media_url"}


def test_a_refused_field_is_requested_again_after_a_day(
    meta: responses.RequestsMock, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    refusing = Refusing(meta, post=("caption",))
    provider = provider_for(BASE)
    provider.fetch(INSTAGRAM, max_posts=10)
    refusing.post = ()

    for moment, is_left_out in (
        (NOW + timedelta(hours=23, minutes=59), True),
        (NOW - timedelta(hours=1), False),  # the clock was wrong when the field was refused
        (NOW + timedelta(hours=24), False),
    ):
        time_machine.move_to(moment, tick=False)
        provider.fetch(INSTAGRAM, max_posts=10)
        assert refusing.last_without("caption")[0] is is_left_out


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        pytest.param("id", 1, id="no post is shown without it"),
        pytest.param("permalink", 1, id="nor without this"),
        pytest.param("media_url", 2, id="nor without this; children are tried first"),
        pytest.param("no_field_of_ours", 1, id="a field that is not asked for"),
        pytest.param("alt_text", 4, id="a field that is refused wherever it is left out"),
    ],
)
def test_a_refusal_that_no_omission_solves_fails_the_fetch(
    meta: responses.RequestsMock, name: str, calls: int
) -> None:
    """Without a media URL no post can be shown, and an empty feed would replace a good one."""
    answers = Answers(meta, IG_MEDIA, refusal_of(name))

    with pytest.raises(ProviderError):
        provider_for(BASE).fetch(INSTAGRAM, max_posts=10)

    assert len(answers.asked) == calls


# Too much data at once


class Overloaded:
    """A Meta that answers code 1 to calls for more than `most` posts."""

    def __init__(self, mock: responses.RequestsMock, url: str, most: int, **error: Any) -> None:
        self.limits: list[int] = []
        self._most = most
        self._error = {"code": 1, "message": "Please reduce the amount of data you're asking for"} | error
        mock.add_callback(responses.GET, url, callback=self._answer)

    def _answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        limit = request.params.get("limit") or re.findall(r"limit\((\d+)\)", request.params["fields"])[0]
        self.limits.append(int(limit))
        if self.limits[-1] > self._most:
            return 500, {}, json.dumps({"error": self._error})
        return 200, {}, json.dumps(page(["1"]) if request.url.startswith(f"{URL}?") else edge(["1"]))


@pytest.mark.parametrize(
    ("most", "limits"),
    [(50, [50]), (25, [50, 25]), (24, [50, 25, 12]), (11, [50, 25, 12, 10]), (9, [50, 25, 12, 10])],
)
@pytest.mark.parametrize(
    ("url", "request_"),
    [(IG_MEDIA, INSTAGRAM), (FB_MEDIA, FACEBOOK), (URL, DISCOVERY), (f"{TAG}/recent_media", TAG_REQUEST)],
    ids=["Instagram", "Facebook", "discovery", "tag"],
)
def test_too_much_data_is_requested_in_halves_down_to_ten(
    meta: responses.RequestsMock, url: str, request_: FeedRequest, most: int, limits: list[int]
) -> None:
    overloaded = Overloaded(meta, url, most)
    provider = provider_for(BASE)

    if most < 10:
        with pytest.raises(ProviderUnavailable):
            provider.fetch(request_, max_posts=100)
    else:
        assert ids_of(provider.fetch(request_, max_posts=100)) == ["1"]
    assert overloaded.limits == limits


@pytest.mark.parametrize(
    ("max_posts", "error", "kind"),
    [
        pytest.param(10, {}, ProviderUnavailable, id="ten are few enough"),
        pytest.param(100, {"code": 2}, ProviderUnavailable, id="another code"),
        pytest.param(100, {"is_transient": False}, ProviderError, id="an error caused by us"),
    ],
)
def test_other_errors_do_not_halve_the_request(
    meta: responses.RequestsMock, max_posts: int, error: dict[str, Any], kind: type[Exception]
) -> None:
    overloaded = Overloaded(meta, IG_MEDIA, 0, **error)

    with pytest.raises(ProviderError) as fault:
        provider_for(BASE).fetch(INSTAGRAM, max_posts=max_posts)

    assert type(fault.value) is kind
    assert len(overloaded.limits) == 1


def test_the_smaller_limit_applies_to_the_following_pages(meta: responses.RequestsMock) -> None:
    overload = {"error": {"code": 1}}
    answers = Answers(
        meta,
        IG_MEDIA,
        edge(["1"], "A", has_next=True),
        overload,
        edge(["2"], "B", has_next=True),
        edge(["3"]),
    )

    raw = provider_for(BASE).fetch(INSTAGRAM, max_posts=100)

    assert [(asked["limit"], asked.get("after")) for asked in answers.asked] == [
        ("50", None),
        ("50", "A"),
        ("25", "A"),
        ("25", "B"),
    ]
    assert (ids_of(raw), raw.later_page_error) == (["1", "2", "3"], None)


def test_retries_stay_within_the_deadline(
    meta: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(1_000))
    monkeypatch.setattr("paris_integration.providers.deadlines.time.monotonic", lambda: next(seconds))
    overloaded = Overloaded(meta, IG_MEDIA, 0)

    with pytest.raises(ProviderUnavailable, match="timed out"):
        provider_for(BASE).fetch(INSTAGRAM, max_posts=100)

    assert 0 < len(overloaded.limits) < 4


@pytest.mark.parametrize(
    "call",
    [
        lambda provider, deadline: provider.fetch(TAG_REQUEST, max_posts=10, deadline=deadline),
        lambda provider, deadline: provider.find_hashtag_id("1", "bread", Secret("t"), deadline=deadline),
    ],
    ids=["fetch", "search"],
)
@pytest.mark.usefixtures("meta")
def test_after_the_deadline_of_the_caller_nothing_is_requested(
    call: Callable[[GraphProvider, Deadline], object],
) -> None:
    with pytest.raises(ProviderUnavailable, match="timed out"):
        call(provider_for(BASE), Deadline(0))


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


def test_of_the_searched_tags_only_numbers_are_returned() -> None:
    odd: list[Any] = ["../x", "1\0", "1\ud800", "\u0661", "9" * 31, 10**400, -1, True, None, [], {}, ""]
    listed = [{"id": "17843"}, *({"id": each} for each in odd), {"name": "no id"}, 5, {"id": 17844}]
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/recently_searched_hashtags", json={"data": listed})
        found = provider_for(BASE).recently_searched("17841400000000001", Secret("token-1"))

    assert found == ("17843", "17844")


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
        pytest.param(200, {"data": [{"id": "../x"}]}, UnexpectedPayload, id="an invalid id"),
        pytest.param(
            200, {"data": [{"id": "\u0661\u0662"}]}, UnexpectedPayload, id="digits of another script"
        ),
        pytest.param(200, {"data": [{"id": "9" * 31}]}, UnexpectedPayload, id="a number without end"),
    ],
)
def test_looking_up_the_id_of_a_tag(status: int, body: Any, outcome: Any) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{BASE}/v26.0/ig_hashtag_search", json=body, status=status)
        provider = provider_for(BASE)
        if isinstance(outcome, str):
            assert provider.find_hashtag_id("17841400000000001", "bread", Secret("t")) == outcome
        else:
            with pytest.raises(outcome):
                provider.find_hashtag_id("17841400000000001", "bread", Secret("t"))
