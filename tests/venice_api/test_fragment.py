"""`GET /embed/<instanceId>/fragment`: the feed as HTML for static pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import OperationalError
from django.test import Client

from paris_integration import public as paris
from tests.conftest import Cast
from tests.fakes import FakeProvider, media
from venice_api import embed_tokens, instances, moderation, sightings
from venice_api.models import WidgetInstance
from venice_api.moderation import Act

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PUBLIC = "public, max-age=10, stale-while-revalidate=4, stale-if-error=86400"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def token_of(instance: WidgetInstance) -> str:
    return embed_tokens.issue(instance.pk, instance.token_version)


def get(client: Client, instance: WidgetInstance, token: str | None = None, **headers: str) -> Any:
    query = {"token": token_of(instance) if token is None else token}
    return client.get(f"/embed/{instance.pk}/fragment", query, headers=headers)


def parsed(answer: Any) -> ElementTree.Element:
    """The fragment's elements. Boolean attributes and void elements are made well-formed first."""
    html = answer.content.decode().replace("itemscope", 'itemscope=""')
    for name in ("img", "source", "meta", "link"):
        parts = html.split(f"<{name} ")
        html = parts[0] + "".join(
            f"<{name} {part.partition('>')[0].rstrip('/')}/>{part.partition('>')[2]}" for part in parts[1:]
        )
    return ElementTree.fromstring(html)  # noqa: S314 - our own answer


def test_posts_are_marked_up_as_social_media_postings(
    people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    caption = '<script>alert(1)</script> & "bread"'
    provider.accounts["acme.bakery"] = [media(0, caption=caption), media(1)]

    answer = get(people.anonymous, instance)

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<script" not in answer.content.decode()
    assert "style=" not in answer.content.decode()
    first, second = parsed(answer).iter("li")
    assert first.get("itemtype") == "https://schema.org/SocialMediaPosting"
    values = {element.get("itemprop"): element for element in first.iter() if element.get("itemprop")}
    assert set(values) == {"url", "image", "articleBody", "datePublished", "headline", "author", "name"}
    assert values["articleBody"].text == caption
    assert values["image"].get("alt") == caption
    assert str(values["datePublished"].get("datetime")).startswith("2026-")
    assert values["name"].get("content") == "acme.bakery"
    assert second.get("class") == "instagram-feed-post"


def test_it_is_cached_like_the_feed(people: Cast, instance: WidgetInstance) -> None:
    answer = get(people.anonymous, instance)
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == PUBLIC
    again = get(people.anonymous, instance, **{"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("moderate", "left"),
    [
        (lambda pk, ids: moderation.moderate(pk, Act.HIDE, ids[:1]), [1, 2]),
        (lambda pk, ids: moderation.moderate(pk, Act.PIN, ids[2:]), [2, 0, 1]),
        (lambda pk, ids: moderation.set_words(pk, moderation.Words(excluded=["nothing"])), [0, 1, 2]),
    ],
)
def test_it_holds_what_visitors_see(
    people: Cast,
    instance: WidgetInstance,
    act: Any,
    moderate: Callable[[str, list[str]], object],
    left: list[int],
) -> None:
    shown = [link.get("href") for link in parsed(get(people.anonymous, instance)).iter("a")][1:]
    act(moderate, instance.pk, [media(number)["id"] for number in range(3)])
    after = [link.get("href") for link in parsed(get(people.anonymous, instance)).iter("a")][1:]
    assert after == [shown[number] for number in left]


def test_who_gets_it(people: Cast, instance: WidgetInstance, make_instance: Any, act: Any) -> None:
    other = make_instance()
    assert get(people.anonymous, instance, token_of(other)).status_code == 403
    for refused in ("", "wrong"):
        answer = get(people.anonymous, instance, refused)
        assert answer.status_code in (400, 401)
        assert answer["Cache-Control"] == "no-store"
        assert answer.content.decode().startswith("<p>This feed can't be shown.")
    assert people.owner.get(f"/embed/{instance.pk}/fragment").status_code == 401
    assert people.anonymous.post(f"/embed/{instance.pk}/fragment").status_code == 405
    before = token_of(instance)
    act(instances.rotate_embed_token, instance.pk)
    assert get(people.anonymous, instance, before).status_code == 401


def test_only_allowed_sites_may_read_it(people: Cast, instance: WidgetInstance, act: Any) -> None:
    instance.allowed_origins = ["https://shop.example"]
    act(instance.save)
    assert get(people.anonymous, instance, Origin="https://thief.example").status_code == 403
    allowed = get(people.anonymous, instance, Origin="https://shop.example")
    assert allowed["Access-Control-Allow-Origin"] == "https://shop.example"
    assert get(people.anonymous, instance).status_code == 200  # a static site's build sends no Origin


def test_an_empty_feed_says_so(people: Cast, make_instance: Any, provider: FakeProvider) -> None:
    provider.accounts["empty.account"] = []
    answer = get(people.anonymous, make_instance(source_value="empty.account"))
    assert answer.status_code == 200
    assert "There are no posts to show yet." in answer.content.decode()


def test_without_a_database_it_is_a_temporary_failure(
    people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(instances, "load_instance", away)
    answer = get(people.anonymous, instance)
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "X-Accel-Expires" not in answer


def test_it_counts_as_a_read(people: Cast, instance: WidgetInstance) -> None:
    sightings.reads.clear()
    get(people.anonymous, instance)
    sightings.reads.flush()
    assert sightings.sightings_of(instance.pk, now=NOW).reads[-1][1] == 1


def test_a_cookie_leaves_no_trace_in_an_answer_that_caches_store(
    people: Cast, instance: WidgetInstance
) -> None:
    people.anonymous.cookies["sessionid"] = "x"
    answer = get(people.anonymous, instance)
    assert answer["Cache-Control"] == PUBLIC
    assert "Cookie" not in answer.get("Vary", "")
    assert not answer.cookies


def test_pages_may_ask_whether_it_has_changed(people: Cast, instance: WidgetInstance, act: Any) -> None:
    """A browser asks first, with OPTIONS, because If-None-Match isn't a header that every page may send."""
    instance.allowed_origins = ["https://shop.example"]
    act(instance.save)
    address = f"/embed/{instance.pk}/fragment"
    answer = people.anonymous.options(address, headers={"Origin": "https://shop.example"})
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (204, "https://shop.example")
    assert "If-None-Match" in answer["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in people.anonymous.options(
        address, headers={"Origin": "https://thief.example"}
    )
    assert people.anonymous.options("/embed/nothing/fragment").status_code == 204


def test_preflights_count_as_reads(people: Cast, instance: WidgetInstance, settings: Any) -> None:
    settings.THROTTLE_READS_PER_INSTANCE = 1
    address = f"/embed/{instance.pk}/fragment"
    assert [people.anonymous.options(address).status_code for _ in range(2)] == [204, 429]
    assert get(people.anonymous, instance).status_code == 429


def test_it_counts_as_a_feed_request(
    people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[object, str]] = []
    monkeypatch.setattr(paris, "count_feed_request", lambda *call: counted.append(call))
    etag = get(people.anonymous, instance)["ETag"]
    get(people.anonymous, instance)
    get(people.anonymous, instance, **{"If-None-Match": etag})
    get(people.anonymous, instance, "wrong")
    people.anonymous.options(f"/embed/{instance.pk}/fragment")

    workspace_id = str(instance.workspace_id)
    assert counted == [
        (workspace_id, "filled"),
        (workspace_id, "hit"),
        (workspace_id, "not_modified"),
        (None, "unauthenticated"),
    ]
