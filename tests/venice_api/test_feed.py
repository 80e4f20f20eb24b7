"""`GET /v1/integrations/instagram/feed`: authentication, parameters and answers."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from foundation import cache as foundation_cache
from foundation.cache import RECHECK_AFTER_SECONDS
from paris_integration import public as paris
from tests.conftest import Cast
from tests.fakes import FakeProvider, InlineBoard, media, video
from venice_api import embed_tokens, instances
from venice_api.api import http_caching
from venice_api.models import WidgetInstance

FEED = "/v1/integrations/instagram/feed"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PUBLIC = "public, max-age=10, stale-while-revalidate=4, stale-if-error=86400"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def token(instance: WidgetInstance) -> str:
    return token_of(instance)


def token_of(instance: WidgetInstance) -> str:
    return embed_tokens.issue(instance.pk, instance.token_version)


def get(client: Client, query: str = "", **headers: str) -> Any:
    return client.get(f"{FEED}?{query}", headers=headers)


def error_of(response: Any) -> tuple[int, str]:
    body = response.json()
    assert set(body) <= {"error", "message", "fields", "requestId"}
    assert body["requestId"] == response["X-Request-ID"]
    assert response["Cache-Control"] == "no-store"
    return response.status_code, body["error"]


def test_an_answer_that_caches_store_is_the_same_with_any_cookie(client: Client, token: str) -> None:
    client.cookies["sessionid"] = "invalid"
    response = get(client, f"token={token}")
    assert response["Cache-Control"] == PUBLIC
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_the_answer_to_a_widget(client: Client, token: str) -> None:
    response = get(client, f"token={token}")

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == PUBLIC
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in response
    body = response.json()
    next_at = body.pop("nextRefreshAllowedAt")
    assert "2026-11-23T13:00:00Z" <= next_at <= "2026-11-23T13:06:01Z"
    first = body.pop("posts")[0]
    assert first == {
        "id": "17900000000000000",
        "mediaType": "IMAGE",
        "permalink": "https://www.instagram.com/p/A0/",
        "timestamp": "2026-11-20T23:00:00Z",
        "caption": "Post 0",
        "mediaUrl": "https://scontent.cdninstagram.com/v/0.jpg",
        "thumbnailUrl": "https://scontent.cdninstagram.com/v/0.jpg",
    }
    assert body == {
        "lastUpdated": "2026-11-23T12:00:00Z",
        "stale": False,
        "sourceEcho": {"type": "profile", "value": "acme.bakery"},
        "profile": {"username": "acme.bakery"},
        "warnings": [],
    }


def test_two_caches_in_a_row_drop_hidden_posts_within_a_minute() -> None:
    noticed_after = RECHECK_AFTER_SECONDS  # by the service itself, at worst
    kept = http_caching.FRESH_SECONDS + http_caching.REVALIDATE_SECONDS

    assert noticed_after + (kept + 1) + kept <= 60  # nginx counts in whole seconds


@pytest.mark.parametrize(
    ("seconds", "ending"), [(600, ", stale-if-error=600"), (0, "stale-while-revalidate=4")]
)
def test_a_setting_limits_how_long_caches_serve_during_an_outage(
    client: Client, token: str, settings: Any, seconds: int, ending: str
) -> None:
    settings.STALE_IF_ERROR_SECONDS = seconds

    assert get(client, f"token={token}")["Cache-Control"].endswith(ending)


def test_the_proxy_caches_only_public_answers(
    client: Client, token: str, instance: WidgetInstance, django_capture_on_commit_callbacks: Any
) -> None:
    """nginx replaces cached posts with an answer that has this header, and never serves that answer from cache."""
    forged = get(client, f"token={token[:-2]}")
    mismatch = get(client, f"token={token}&sourceType=profile&sourceValue=other")
    instance.hidden_post_ids = [post["id"] for post in get(client, f"token={token}").json()["posts"]]
    with django_capture_on_commit_callbacks(execute=True):
        instance.save()
    empty = get(client, f"token={token}")
    for refusal, status, lifetimes in (
        (forged, 401, "no-store"),
        (mismatch, 409, "no-store"),
        (empty, 200, "private, max-age=60"),
    ):
        assert (refusal.status_code, refusal["X-Accel-Expires"]) == (status, "@1")
        names = list(refusal.headers)
        assert names.index("X-Accel-Expires") < names.index("Cache-Control")
        assert refusal["Cache-Control"] == lifetimes


def test_answers_the_proxy_never_caches_carry_no_header_for_it(
    client: Client, people: Cast, token: str
) -> None:
    answers = [
        get(client, f"token={token}"),
        get(client, authorization=f"Bearer {token}"),
        get(people.editor, "instanceId=x"),
    ]

    assert ["X-Accel-Expires" in answer for answer in answers] == [False] * 3


def test_a_client_with_a_current_copy_gets_304(client: Client, token: str) -> None:
    first = get(client, f"token={token}")

    for named in (first["ETag"], f"W/{first['ETag']}", f'"x", {first["ETag"]}', "*"):
        again = get(client, f"token={token}", if_none_match=named)
        assert (again.status_code, again.content) == (304, b"")
        assert (again["ETag"], again["Cache-Control"]) == (first["ETag"], PUBLIC)
        assert "Content-Length" not in again
    assert get(client, f"token={token}", if_none_match='"other"').status_code == 200


def test_head_answers_like_get(client: Client, token: str) -> None:
    response = client.head(f"{FEED}?token={token}")

    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"] == get(client, f"token={token}")["ETag"]


def test_answers_to_a_token_in_the_header_are_private(client: Client, token: str) -> None:
    response = get(client, authorization=f"Bearer {token}")

    assert (response.status_code, response["Cache-Control"]) == (200, "private, max-age=60")
    assert response["Vary"] == "Authorization"


def test_a_warming_answer(client: Client, token: str, board: InlineBoard) -> None:
    board.wait = paris.read_feed.__globals__["Wait"].STILL_FLYING

    response = get(client, f"token={token}")

    assert response.status_code == 200
    assert (response["Cache-Control"], response["Retry-After"]) == ("no-store", "2")
    body = response.json()
    assert (body["posts"], body["lastUpdated"], body["warnings"]) == ([], None, ["FEED_WARMING"])


@pytest.mark.parametrize(
    ("who", "status", "error"),
    [
        ("owner", 200, None),
        ("editor", 200, None),
        ("viewer", 200, None),
        ("outsider", 404, "INSTANCE_NOT_FOUND"),
        ("anonymous", 401, "AUTHENTICATION_REQUIRED"),
    ],
)
def test_sessions(people: Cast, instance: WidgetInstance, who: str, status: int, error: str | None) -> None:
    response = get(getattr(people, who), f"instanceId={instance.pk}")

    assert response.status_code == status
    if error:
        assert error_of(response) == (status, error)
    else:
        assert response["Cache-Control"] == "private, no-store"


def test_another_workspaces_instance_and_an_unknown_one_get_the_same_answer(
    people: Cast, instance: WidgetInstance
) -> None:
    foreign = get(people.outsider, f"instanceId={instance.pk}").json()
    missing = get(people.outsider, "instanceId=wgt_instagramfeed_u_none").json()

    foreign.pop("requestId"), missing.pop("requestId")
    assert foreign == missing


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.split(".")[0],
        lambda token: "." + token.split(".")[1],
        lambda token: token.upper(),
        lambda token: token + "=",
        lambda token: token.replace(".", ":"),
        lambda token: "WyJ4IiwxXQ." + token.split(".")[1],
        lambda token: "eyJhbGciOiJub25lIn0.e30.",
        lambda token: "null",
        lambda token: "\x00",
        lambda token: "ａ" * 20,
        lambda token: "x" * 3_000,
    ],
)
@pytest.mark.parametrize("where", ["query", "header"])
def test_forged_tokens(client: Client, token: str, provider: FakeProvider, spoil: Any, where: str) -> None:
    forged = spoil(token)
    if where == "query":
        response = get(client, f"token={quote(forged)}")
    elif forged.isascii() and "\x00" not in forged:
        response = get(client, authorization=f"Bearer {forged}")
    else:
        return

    assert response.status_code in {400, 401}
    assert provider.calls == []


def test_a_token_with_another_purpose_or_key_is_refused(client: Client, instance: WidgetInstance) -> None:
    from django.core.signing import Signer

    payload = token_of(instance).split(".")[0]
    for signer in (
        Signer(salt="other", sep="."),
        Signer(key="k" * 50, salt="venice.embed-token.read.v1", sep="."),
    ):
        assert error_of(get(client, f"token={signer.sign(payload)}")) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize(
    "payload", ['["{id}", null]', '["{id}", Infinity]', '["{id}", "1"]', "[1, 1]", "[]", "{}"]
)
def test_a_token_is_refused_unless_it_holds_an_id_and_a_version(
    client: Client, instance: WidgetInstance, payload: str
) -> None:
    """Also if it is signed: the key may sign other things in the same way one day."""
    content = payload.replace("{id}", instance.pk).encode()
    encoded = base64.urlsafe_b64encode(content).decode().rstrip("=")
    signed = embed_tokens._signer().sign(encoded)

    assert error_of(get(client, f"token={signed}")) == (401, "AUTHENTICATION_REQUIRED")


def test_a_rotated_token_is_refused(client: Client, instance: WidgetInstance, token: str) -> None:
    assert get(client, f"token={token}").status_code == 200

    version = instances.rotate_embed_token(instance.pk)

    cache.clear()

    assert version == 2
    assert error_of(get(client, f"token={token}")) == (401, "AUTHENTICATION_REQUIRED")
    assert get(client, f"token={embed_tokens.issue(instance.pk, version)}").status_code == 200


def test_a_token_that_is_revoked_while_the_widget_is_being_cached_is_refused(
    client: Client, instance: WidgetInstance, token: str, act: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = foundation_cache.store

    def store_late(*args: Any, **kwargs: Any) -> str:
        monkeypatch.setattr(foundation_cache, "store", store)
        act(instances.rotate_embed_token, instance.pk)
        return store(*args, **kwargs)

    monkeypatch.setattr(foundation_cache, "store", store_late)
    get(client, f"token={token}")

    assert error_of(get(client, f"token={token}")) == (401, "AUTHENTICATION_REQUIRED")


def test_a_token_reads_only_its_own_instance(client: Client, token: str, make_instance: Any) -> None:
    other = make_instance(source_value="other.one")

    assert error_of(get(client, f"token={token}&instanceId={other.pk}")) == (403, "FORBIDDEN")


def test_a_token_in_url_and_header_is_refused(client: Client, token: str) -> None:
    assert error_of(get(client, f"token={token}", authorization=f"Bearer {token}")) == (
        400,
        "INVALID_REQUEST",
    )
    assert error_of(get(client, authorization=f"Basic {token}")) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("maxPosts=0", "maxPosts"),
        ("maxPosts=49", "maxPosts"),
        ("maxPosts=", "maxPosts"),
        ("maxPosts=12.0", "maxPosts"),
        ("maxPosts=-1", "maxPosts"),
        ("maxPosts=%2B5", "maxPosts"),
        ("maxPosts=1e1", "maxPosts"),
        ("maxPosts=%D9%A1", "maxPosts"),
        ("maxPosts=" + "9" * 5_000, "maxPosts"),
        ("maxPosts=%00", "maxPosts"),
        ("maxPosts=1&maxPosts=1", "maxPosts"),
        ("filterType=photos", "filterType"),
        ("filterType=", "filterType"),
        ("filterType=ALL", "filterType"),
        ("filterType=all&filterType=all", "filterType"),
        ("sourceType=user", "sourceType"),
        ("sourceType=Profile", "sourceType"),
        ("sourceType=profile&sourceType=profile", "sourceType"),
        ("sourceValue=", "sourceValue"),
        ("sourceValue=a%00b", "sourceValue"),
        ("sourceValue=%F0%9F%8D%9E", "sourceValue"),
        ("sourceValue=a..b", "sourceValue"),
        ("sourceValue=" + "a" * 4_000, "sourceValue"),
        ("sourceValue=" + "%5B" * 2_000, "sourceValue"),
        ("sourceType=hashtag&sourceValue=a.b", "sourceValue"),
        ("sourceValue=acme.bakery&sourceValue=acme.bakery", "sourceValue"),
        ("instanceId=", "instanceId"),
        ("instanceId=%00", "instanceId"),
        ("instanceId=a&instanceId=a", "instanceId"),
    ],
)
def test_malformed_parameters_are_named(
    client: Client, token: str, provider: FakeProvider, query: str, field: str
) -> None:
    response = get(client, f"token={token}&{query}")

    assert error_of(response) == (400, "INVALID_REQUEST")
    assert list(response.json()["fields"]) == [field]
    assert provider.calls == []


def test_all_malformed_parameters_are_named_at_once(client: Client, token: str) -> None:
    response = get(client, f"token={token}&maxPosts=0&filterType=none&sourceValue=a..b&sourceType=profile")

    assert error_of(response) == (400, "INVALID_REQUEST")
    assert set(response.json()["fields"]) == {"maxPosts", "filterType"}
    assert response.json()["message"].startswith("maxPosts: ")


def test_a_method_that_is_not_allowed_is_refused_before_authentication(client: Client) -> None:
    assert error_of(client.post(FEED)) == (405, "METHOD_NOT_ALLOWED")
    assert error_of(get(client)) == (401, "AUTHENTICATION_REQUIRED")


def test_a_repeated_token_is_named(client: Client, token: str) -> None:
    response = get(client, f"token={token}&token={token}")

    assert error_of(response) == (400, "INVALID_REQUEST")
    assert list(response.json()["fields"]) == ["token"]


def test_unknown_parameters_are_ignored(client: Client, token: str) -> None:
    assert get(client, f"token={token}&utm_source=x&utm_source=y&a[]=%00").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "sourceType=profile",
        "sourceValue=acme.bakery",
        "sourceValue=%40Acme.Bakery",
        "sourceValue=ACME.BAKERY%0A",
        "sourceType=profile&sourceValue=+acme.bakery+",
    ],
)
def test_every_spelling_of_the_saved_source_is_accepted(
    client: Client, token: str, provider: FakeProvider, query: str
) -> None:
    assert get(client, f"token={token}&{query}").json()["sourceEcho"] == {
        "type": "profile",
        "value": "acme.bakery",
    }
    assert len(provider.calls) == 1


@pytest.mark.parametrize(
    "query",
    ["sourceValue=other.one", "sourceType=profile&sourceValue=other", "sourceType=hashtag&sourceValue=bread"],
)
def test_a_token_cannot_choose_another_source(
    client: Client, token: str, provider: FakeProvider, query: str
) -> None:
    assert error_of(get(client, f"token={token}&{query}")) == (409, "SOURCE_MISMATCH")
    assert provider.calls == []


def test_members_can_preview_other_sources_within_a_budget(
    people: Cast, instance: WidgetInstance, provider: FakeProvider, settings: Any
) -> None:
    settings.PREVIEW_FETCHES_PER_HOUR = 1
    provider.accounts["other.one"] = [media(7)]

    preview = get(people.editor, f"instanceId={instance.pk}&sourceValue=other.one")
    assert [post["id"] for post in preview.json()["posts"]] == [media(7)["id"]]

    refused = get(people.editor, f"instanceId={instance.pk}&sourceValue=third.one")
    assert error_of(refused) == (429, "THROTTLED")
    assert refused["Retry-After"] == "3600"
    assert get(people.editor, f"instanceId={instance.pk}&sourceValue=other.one").status_code == 200
    assert get(people.editor, f"instanceId={instance.pk}").status_code == 200


def test_filter_hidden_posts_and_post_count(
    client: Client, make_instance: Any, provider: FakeProvider
) -> None:
    provider.accounts["acme.bakery"] = [media(0), video(1), media(2), video(3)]
    hiding = make_instance(hidden_post_ids=[media(0)["id"]], max_posts=2)
    token = token_of(hiding)

    def ids(query: str = "") -> list[str]:
        return [post["id"][-1] for post in get(client, f"token={token}{query}").json()["posts"]]

    assert ids() == ["1", "2"]
    assert ids("&maxPosts=48") == ["1", "2", "3"]
    assert ids("&filterType=video") == ["1", "3"]
    assert ids("&filterType=photo") == ids("&filterType=image") == ["2"]
    assert ids("&filterType=all&maxPosts=1") == ["1"]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("https://evilshop.example", False),
        ("http://shop.example", False),
        ("https://SHOP.example", False),
        ("https://shop.example/", False),
        ("null", False),
        ("", False),
        ("http://testserver", True),
    ],
)
def test_only_allowed_origins_can_read_the_feed(
    client: Client, make_instance: Any, provider: FakeProvider, origin: str, allowed: bool
) -> None:
    token = token_of(make_instance(allowed_origins=["https://shop.example"]))

    response = get(client, f"token={token}", origin=origin)

    assert "Origin" in response["Vary"]
    assert "Access-Control-Allow-Credentials" not in response
    if allowed:
        assert response.status_code == 200
        own = origin == "http://testserver"
        assert response.headers.get("Access-Control-Allow-Origin") == (None if own else origin)
    else:
        assert error_of(response) == (403, "ORIGIN_NOT_ALLOWED")
        assert "Access-Control-Allow-Origin" not in response


def test_a_session_read_from_another_site_is_refused(people: Cast, instance: WidgetInstance) -> None:
    response = get(people.editor, f"instanceId={instance.pk}", origin="https://evil.example")

    assert error_of(response) == (403, "ORIGIN_NOT_ALLOWED")
    assert "Access-Control-Allow-Origin" not in response


def test_the_preflight_needs_no_token(client: Client, make_instance: Any) -> None:
    open_to_all = client.options(FEED, headers={"origin": "https://any.example"})
    named = make_instance(allowed_origins=["https://shop.example"])
    url = f"{FEED}?instanceId={named.pk}"
    fitting = client.options(url, headers={"origin": "https://shop.example"})
    foreign = client.options(url, headers={"origin": "https://evil.example"})

    assert open_to_all.status_code == fitting.status_code == 204
    assert "Content-Length" not in open_to_all
    assert "Authorization" in open_to_all["Access-Control-Allow-Headers"]
    assert open_to_all["Access-Control-Allow-Origin"] == "*"
    assert fitting["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Origin" not in foreign


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
def test_other_methods(client: Client, token: str, provider: FakeProvider, method: str) -> None:
    response = getattr(client, method)(f"{FEED}?token={token}")

    assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in response["Allow"]
    assert provider.calls == []


def test_an_accept_header_for_something_else_changes_nothing(client: Client, token: str) -> None:
    assert get(client, f"token={token}", accept="text/html").status_code == 200


@pytest.mark.parametrize(
    ("sent", "echoed"), [("abc-123_x.y", True), ("a b", False), ("x" * 65, False), ("é", False)]
)
def test_a_valid_request_id_is_echoed(client: Client, token: str, sent: str, echoed: bool) -> None:
    response = get(client, f"token={token}", x_request_id=sent)

    assert (response["X-Request-ID"] == sent) is echoed
    assert len(response["X-Request-ID"]) > 0


def test_an_unavailable_store_gets_503_with_retry_after(client: Client, token: str, monkeypatch: Any) -> None:
    for error in (paris.StoreUnavailable("x"), OperationalError("secret dsn")):

        def fail(*_: Any, _error: Exception = error, **__: Any) -> None:
            raise _error

        monkeypatch.setattr(paris, "read_feed", fail)
        response = get(client, f"token={token}")
        assert error_of(response) == (503, "TEMPORARILY_UNAVAILABLE")
        assert response["Retry-After"] == "2"
        assert b"secret" not in response.content


def test_a_bug_gets_a_500_without_details(token: str, monkeypatch: Any) -> None:
    def break_down(*_: Any, **__: Any) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(paris, "read_feed", break_down)

    response = get(Client(raise_request_exception=False), f"token={token}")

    assert error_of(response) == (500, "INTERNAL_ERROR")
    assert "canary" not in response.content.decode()


def test_unusual_captions_are_valid_json(client: Client, token: str, provider: FakeProvider) -> None:
    provider.accounts["acme.bakery"] = [
        media(0, caption="</script><script>alert(1)</script> \u2028 \x00 \ud800 🍞"),
        "no object at all",
        media(2, media_type="HOLOGRAM"),
        media(3, timestamp="yesterday"),
        media(4),
    ]

    body = json.loads(get(client, f"token={token}").content)

    assert [post["id"][-1] for post in body["posts"]] == ["0", "4"]
    assert "\x00" not in body["posts"][0]["caption"]
    assert body["warnings"] == ["POSTS_SKIPPED"]


def test_unknown_api_urls(client: Client) -> None:
    assert error_of(client.get("/v1/nothing")) == (404, "NOT_FOUND")
    assert error_of(client.post("/v1/nothing")) == (404, "NOT_FOUND")


def test_every_answer_has_security_headers(client: Client, token: str) -> None:
    for response in (get(client, f"token={token}"), get(client), client.get("/v1/x"), client.get("/x")):
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
