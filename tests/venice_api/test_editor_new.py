"""Checking the source of a new widget: its newest posts are shown before anything is saved."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from entitlements.changes import Actor, set_plan
from entitlements.models import Plan
from paris_integration import public
from paris_integration.errors import ProviderUnavailable
from paris_integration.feeds import refreshing
from paris_integration.models import Feed, PreviewWindow
from paris_integration.retention import expiry
from paris_integration.waiting import Wait
from tests.conftest import Cast
from tests.fakes import FakeProvider, InlineBoard, media, video
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

TYPED = {
    "name": "Front page",
    "source_type": "profile",
    "source_value": "https://www.instagram.com/Acme.Bakery/?igsh=1",
    "max_posts": "30",
    "filter_type": "all",
    "allowed_origins": "shop.example",
    "video_notice": "on",
}


def check(client: Client, people: Cast, **typed: str) -> Any:
    return client.post(f"/editor/new/{people.workspace.pk}/", TYPED | typed | {"preview": "yes"})


def words_of(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def pictures(answer: Any) -> list[str]:
    return re.findall(r'class="post"><img src="([^"]+)"', answer.content.decode())


def test_checking_shows_the_newest_posts_and_saves_nothing(people: Cast, provider: FakeProvider) -> None:
    provider.accounts["acme.bakery"] = [media(number) for number in range(20)]
    answer = check(people.editor, people)

    assert answer.status_code == 200
    assert "@acme.bakery : the newest 12 posts. Nothing is saved yet." in words_of(answer)
    assert pictures(answer) == [media(number)["media_url"] for number in range(12)]
    page = answer.content.decode()
    for typed in (
        'value="Front page"',
        f'value="{TYPED["source_value"]}"',
        'value="30"',
        "shop.example</textarea>",
    ):
        assert typed in page
    assert not WidgetInstance.objects.exists()
    assert provider.calls == ["acme.bakery"]


def test_checking_again_makes_no_second_call(people: Cast, provider: FakeProvider) -> None:
    check(people.editor, people)
    assert len(pictures(check(people.editor, people, max_posts="2"))) == 2
    assert provider.calls == ["acme.bakery"]
    assert PreviewWindow.objects.get().used == 1


def test_checking_applies_the_kind_of_posts(people: Cast, provider: FakeProvider) -> None:
    provider.accounts["acme.bakery"] = [media(0), video(1), media(2)]
    assert pictures(check(people.editor, people, filter_type="video")) == [video(1)["thumbnail_url"]]


def test_creating_after_checking(people: Cast, provider: FakeProvider) -> None:
    check(people.editor, people)
    assert people.editor.post(f"/editor/new/{people.workspace.pk}/", TYPED).status_code == 302
    made = WidgetInstance.objects.get()
    assert (made.source_value, made.max_posts, made.allowed_origins) == (
        "acme.bakery",
        30,
        ["https://shop.example"],
    )


def test_an_unknown_account_is_explained(people: Cast, provider: FakeProvider) -> None:
    answer = check(people.editor, people, source_value="no.such.account")
    assert answer.status_code == 200
    assert "Instagram has no public business or creator account, or no hashtag, with this name." in words_of(
        answer
    )
    assert pictures(answer) == []


def test_an_account_without_posts_is_explained(people: Cast, provider: FakeProvider) -> None:
    provider.accounts["acme.bakery"] = []
    assert "There are no posts to show yet." in words_of(check(people.editor, people))


def test_a_spent_budget_is_explained_with_its_end(
    people: Cast, provider: FakeProvider, settings: Any
) -> None:
    settings.PREVIEW_FETCHES_PER_HOUR = 1
    provider.accounts["tiny.studio"] = [media(1)]
    check(people.editor, people)
    answer = check(people.editor, people, source_value="tiny.studio")
    assert answer.status_code == 200
    assert (
        "All previews of your workspace for this hour are used up. Check again at 13:00:00 on 2026-11-23 UTC , "
        "or create the widget without a preview." in words_of(answer)
    )
    assert '<time datetime="2026-11-23T13:00:00+00:00">' in answer.content.decode()
    assert provider.calls == ["acme.bakery"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("acme.bakery", "Create the widget and connect an Instagram account: then the posts appear."),
        (
            "#bread",
            "Hashtags need an Instagram account connected through Facebook login. Create the widget and",
        ),
    ],
)
def test_without_a_connection_the_page_says_when_posts_appear(
    people: Cast, provider: FakeProvider, settings: Any, typed: str, sentence: str
) -> None:
    settings.PUBLIC_MODE_ACCESS_TOKEN = ""
    answer = check(people.editor, people, source_value=typed)
    assert answer.status_code == 200
    assert sentence in words_of(answer)
    assert provider.calls == []
    assert not PreviewWindow.objects.exists()


def test_a_failure_of_instagram_is_explained(people: Cast, provider: FakeProvider) -> None:
    provider.raises(ProviderUnavailable(status=503))
    assert "We couldn't reach Instagram. Check again in a minute." in words_of(check(people.editor, people))


def test_a_slow_answer_is_explained(people: Cast, provider: FakeProvider, board: InlineBoard) -> None:
    board.wait = Wait.STILL_FLYING
    assert "The posts are still loading. Check again in a moment." in words_of(check(people.editor, people))


def test_an_invalid_source_is_not_read(people: Cast, provider: FakeProvider) -> None:
    answer = check(people.editor, people, source_value="https://shop.example/")
    assert answer.status_code == 400
    assert "“shop.example” isn't Instagram." in words_of(answer)
    assert 'value="https://shop.example/"' in answer.content.decode()
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
    answer = check(people.editor, people, source_value="#bread")
    assert answer.status_code == 400
    assert "Your Free plan doesn't include hashtags." in words_of(answer)
    assert provider.calls == []


def test_only_editors_and_owners_can_check(people: Cast, provider: FakeProvider) -> None:
    assert check(people.owner, people).status_code == 200
    provider.calls.clear()
    assert check(people.viewer, people).status_code == 403
    assert check(people.outsider, people).status_code == 404
    assert check(people.anonymous, people).status_code == 302
    assert provider.calls == []


def test_a_checked_feed_is_not_refreshed_and_expires(people: Cast, provider: FakeProvider) -> None:
    check(people.editor, people)
    feed = Feed.objects.get()
    assert (feed.workspace_id, feed.last_read_at) == (people.workspace.pk, None)
    assert refreshing.claim_due(now=NOW + timedelta(days=1), limit=10) == []
    assert expiry.remove_unread_feeds(now=NOW + timedelta(days=89)) == 0
    Feed.objects.update(created_at=NOW)
    assert expiry.remove_unread_feeds(now=NOW + timedelta(days=91)) == 1


def test_a_workspace_does_not_see_the_feed_that_another_checked(people: Cast, provider: FakeProvider) -> None:
    check(people.editor, people)
    elsewhere = people.outsider.get("/editor/").context["shelves"][0]["workspace"]
    source = public.Source(public.SourceType.PROFILE, "acme.bakery")
    view = public.preview_source(elsewhere.pk, source, public.Selection(2), now=timezone.now())
    assert len(view.posts) == 2
    assert provider.calls == ["acme.bakery", "acme.bakery"]


def test_a_deleted_workspace_leaves_nothing_of_what_was_checked(
    people: Cast, provider: FakeProvider, act: Callable[..., Any]
) -> None:
    act(check, people.editor, people)
    key = Feed.objects.get().copy_key
    assert cache.get(key) is not None
    act(people.workspace.delete)
    assert not Feed.objects.exists()
    assert cache.get(key) is None
