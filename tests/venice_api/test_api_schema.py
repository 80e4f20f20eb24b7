"""The API's answers match its schema: every field, no others, every status."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from drf_spectacular.views import SpectacularJSONAPIView
from jsonschema import Draft202012Validator

from entitlements.changes import Actor, set_override, set_plan
from entitlements.models import Plan
from paris_integration import public as paris
from paris_integration.errors import ProviderUnavailable
from paris_integration.public import BlockReason, Warning
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider, InlineBoard, media, video
from venice_api import embed_tokens
from venice_api.api import answers as shapes
from venice_api.api import throttles
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
API = "/v1/integrations/instagram/"
STAFF = Actor("test")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(Client().get("/api/schema/").content)


@pytest.fixture
def instance(make_instance: Any, provider: FakeProvider, logins: FakeLogins) -> WidgetInstance:
    child = {"id": "9", "media_type": "IMAGE", "media_url": "https://scontent.cdninstagram.com/c.jpg"}
    provider.accounts["acme.bakery"] = [
        media(1, alt_text="A loaf", username="acme.bakery"),
        video(2),
        media(3, media_type="CAROUSEL_ALBUM", children={"data": [child]}),
        video(4, media_url=None),
    ]
    made: WidgetInstance = make_instance()
    return made


@pytest.fixture
def conforms(schema: Any) -> Callable[..., Any]:
    """The answer's body, after validating it against the schema of this operation and status."""

    def check(response: Any, path: str, method: str, status: int) -> Any:
        assert response.status_code == status, response.content
        declared = schema["paths"][path][method]["responses"][str(status)]
        if "content" not in declared:
            assert not response.content
            return None
        kind = response["Content-Type"].split(";")[0]
        body = response.json()
        whole = declared["content"][kind]["schema"] | {"components": schema["components"]}
        problems = [error.message for error in Draft202012Validator(whole).iter_errors(body)]
        assert problems == []
        return body

    return check


def token_of(instance: WidgetInstance) -> str:
    return embed_tokens.issue(instance.pk, instance.token_version)


def post(client: Client, name: str, **body: Any) -> Any:
    return client.post(f"{API}{name}", json.dumps(body), content_type="application/json")


def test_the_schema_lists_every_code(schema: Any) -> None:
    assert schema["openapi"] == "3.1.0"
    described = schema["components"]["schemas"]
    assert described["FeedData"]["properties"]["warnings"]["items"]["enum"] == [w.value for w in Warning]
    assert described["Error"]["properties"]["reasonCode"]["enum"] == [r.value for r in BlockReason]
    assert set(schema["paths"]) == {
        "/healthz",
        "/readyz",
        *(
            f"{API}{name}"
            for name in (
                "feed", "explain", "refresh", "connect", "callback", "callback/facebook", "disconnect",
                "meta/{family}/deauthorize", "meta/{family}/data-deletion",
            )
        ),
    }  # fmt: skip


def test_feeds_of_all_kinds(
    people: Cast,
    instance: WidgetInstance,
    provider: FakeProvider,
    conforms: Any,
    clock: Any,
    board: InlineBoard,
    make_instance: Any,
) -> None:
    path, url = f"{API}feed", f"{API}feed?token={token_of(instance)}"

    def read(client: Client = people.anonymous, address: str = url) -> Any:
        cache.clear()
        return conforms(client.get(address), path, "get", 200)

    fresh = read()
    assert {post["mediaType"] for post in fresh["posts"]} == {"IMAGE", "VIDEO", "CAROUSEL_ALBUM"}
    etag = people.anonymous.get(url)["ETag"]
    conforms(people.anonymous.get(url, headers={"If-None-Match": etag}), path, "get", 304)
    assert "refresh" in read(people.viewer, f"{path}?instanceId={instance.pk}")
    clock.move_to(NOW + timedelta(hours=3), tick=False)
    assert read()["stale"]
    provider.raises(ProviderUnavailable(status=503))
    post(people.editor, "refresh", instanceId=instance.pk)
    assert read()["warnings"] == ["PROVIDER_UNAVAILABLE", "VIDEO_UNAVAILABLE"]
    tag = make_instance(source_type="hashtag", source_value="bread")
    assert read(people.anonymous, f"{path}?token={token_of(tag)}")["warnings"] == ["HASHTAG_REQUIRES_CONNECT"]
    board.wait = paris.read_feed.__globals__["Wait"].STILL_FLYING
    cold = make_instance(source_value="cold.account")
    warming = read(people.anonymous, f"{path}?token={token_of(cold)}")
    assert (warming["lastUpdated"], warming["warnings"]) == (None, ["FEED_WARMING"])


def test_refreshes_and_refusals(
    people: Cast, instance: WidgetInstance, conforms: Any, make_instance: Any
) -> None:
    path = f"{API}refresh"
    seen = set()

    def refused(row: WidgetInstance) -> None:
        body = conforms(post(people.editor, "refresh", instanceId=row.pk), path, "post", 409)
        seen.add(body["reasonCode"])

    conforms(post(people.editor, "refresh", instanceId=instance.pk), path, "post", 200)
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=STAFF)
    refused(instance)
    refused(make_instance(source_type="hashtag", source_value="bread"))
    set_override(people.workspace, "instagram.refresh.forcePerDay.max", 0, actor=STAFF)
    refused(instance)
    assert seen == {reason.value for reason in BlockReason}
    mismatch = post(people.editor, "refresh", instanceId=instance.pk, sourceValue="another.one")
    assert conforms(mismatch, path, "post", 409)["error"] == "SOURCE_MISMATCH"


def test_errors(
    people: Cast, instance: WidgetInstance, conforms: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    seen: set[str] = set()

    def failed(response: Any, name: str, method: str, status: int) -> None:
        seen.add(conforms(response, f"{API}{name}", method, status)["error"])

    named = {"instanceId": instance.pk}
    get = people.editor.get
    failed(get(f"{API}feed", named | {"maxPosts": "0"}), "feed", "get", 400)
    failed(people.anonymous.get(f"{API}feed"), "feed", "get", 401)
    failed(get(f"{API}feed", named, headers={"Origin": "https://evil.example"}), "feed", "get", 403)
    failed(people.outsider.get(f"{API}feed", named), "feed", "get", 404)
    failed(
        people.anonymous.get(f"{API}feed?token={token_of(instance)}&sourceValue=other"), "feed", "get", 409
    )
    failed(post(people.viewer, "refresh", **named), "refresh", "post", 403)
    failed(post(people.editor, "refresh", note="x" * 70_000), "refresh", "post", 413)
    failed(people.editor.post(f"{API}refresh", named), "refresh", "post", 415)
    failed(get(f"{API}connect", named | {"redirectUri": "https://evil.example"}), "connect", "get", 400)
    failed(post(people.editor, "disconnect"), "disconnect", "post", 400)
    deletion = "meta/{family}/data-deletion"
    failed(people.anonymous.post(f"{API}meta/facebook/data-deletion"), deletion, "post", 400)
    settings.THROTTLE_READS_PER_ADDRESS = 1
    monkeypatch.setattr(throttles.counters, "count", lambda keys: [2 for _ in keys])
    failed(people.anonymous.get(f"{API}feed?token={token_of(instance)}"), "feed", "get", 429)
    monkeypatch.undo()

    def away(*_: Any, **__: Any) -> Any:
        raise paris.StoreUnavailable("away")

    monkeypatch.setattr(paris, "force_refresh", away)
    failed(post(people.editor, "refresh", **named), "refresh", "post", 503)
    # The others belong to URLs and methods outside the schema, and to internal errors.
    assert set(shapes.ERRORS) - seen == {
        "NOT_FOUND",
        "METHOD_NOT_ALLOWED",
        "REFRESH_BLOCKED",
        "INTERNAL_ERROR",
    }


def test_explanations(
    people: Cast,
    instance: WidgetInstance,
    make_instance: Any,
    provider: FakeProvider,
    conforms: Any,
    schema: Any,
) -> None:
    path = f"{API}explain"
    explained = schema["components"]["schemas"]["CauseOfState"]["properties"]["code"]["enum"]
    assert explained == [code.value for code in paris.CauseCode]

    def explain(client: Client, status: int, row: WidgetInstance = instance) -> Any:
        return conforms(client.get(path, {"instanceId": row.pk}), path, "get", status)

    assert "until" not in explain(people.viewer, 200)
    provider.raises(ProviderUnavailable(status=503))
    post(people.editor, "refresh", instanceId=instance.pk)
    assert explain(people.viewer, 200)["until"] > explain(people.viewer, 200)["since"]
    assert explain(people.viewer, 200, make_instance(source_type="hashtag"))["state"] == "blocked"
    explain(people.outsider, 404)
    explain(people.anonymous, 401)
    conforms(people.viewer.get(path), path, "get", 400)


def test_connect_and_callback(people: Cast, instance: WidgetInstance, conforms: Any) -> None:
    assert people.editor.get(f"{API}connect", {"instanceId": instance.pk}).status_code == 302
    assert people.editor.get(f"{API}callback", {"state": "x"}).status_code == 302
    assert people.anonymous.get(f"{API}callback", {"state": "x"}).status_code == 400
    done = post(people.editor, "disconnect", instanceId=instance.pk)
    assert conforms(done, f"{API}disconnect", "post", 200) == {"status": "disconnected"}


def test_health(client: Client, conforms: Any) -> None:
    conforms(client.get("/healthz"), "/healthz", "get", 200)


def test_a_field_missing_from_the_schema_fails_the_check(schema: Any, instance: WidgetInstance) -> None:
    view = paris.read_feed(from_row(instance).feed_key(), from_row(instance).selection(), now=NOW)
    assert view.posts
    body = json.loads(view.posts[0].json) | {"likes": 3}
    post_schema = schema["components"]["schemas"]["Post"] | {"components": schema["components"]}
    assert not Draft202012Validator(post_schema).is_valid(body)


def test_the_docs_page_loads_only_our_own_files(client: Client) -> None:
    page = client.get(reverse("api-docs"))
    assert page.status_code == 200
    assert "https://" not in page.content.decode()
    assert "unsafe" not in page["Content-Security-Policy"]


def test_the_schema_is_made_for_one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """drf-spectacular's first use fails in several threads at once."""
    making, most = [0], [0]

    def get(self: object, request: object) -> HttpResponse:
        making[0] += 1
        most[0] = max(most[0], making[0])
        time.sleep(0.005)
        making[0] -= 1
        return HttpResponse("{}")

    monkeypatch.setattr(SpectacularJSONAPIView, "get", get)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: Client().get("/api/schema/").status_code, range(16)))
    assert (answers, most) == ([200] * 16, [1])
