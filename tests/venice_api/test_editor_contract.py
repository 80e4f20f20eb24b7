"""What the API says by code, the editor says in words: every warning, every reason, the same time, the same plan."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from entitlements.changes import Actor, set_override, set_plan
from entitlements.models import Plan
from paris_integration import feed_cache, public
from paris_integration.models import Connection, ConnectionLink, Feed
from paris_integration.public import BlockReason, ConnectionState, Warning
from paris_integration.types import Mode
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider, InlineBoard
from venice_api.editor import words
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
API = "/v1/integrations/instagram/"
STAFF = Actor("test")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


class Scene:
    """A widget and what can happen to it."""

    def __init__(
        self, people: Cast, make_instance: Any, settings: Any, clock: Any, board: InlineBoard
    ) -> None:
        self.people, self.settings, self.clock, self.board = people, settings, clock, board
        self._make = make_instance
        self.instance: WidgetInstance = make_instance()

    def tag(self) -> None:
        self.instance = self._make(source_type="hashtag", source_value="bread")

    def plan(self, key: str) -> None:
        set_plan(self.people.workspace, Plan.objects.get(key=key), actor=STAFF)

    def no_public_mode(self) -> None:
        self.settings.PUBLIC_MODE_ACCESS_TOKEN = ""

    def connected(
        self,
        login: str = "facebook",
        username: str = "acme.bakery",
        state: ConnectionState = ConnectionState.ACTIVE,
        lasts: timedelta = timedelta(days=50),
    ) -> None:
        row = Connection.objects.create(
            workspace=self.people.workspace,
            login=login,
            account_id="17841400000000009",
            username=username,
            obtained_at=NOW - timedelta(days=2),
            expires_at=NOW + lasts,
            state=state.value,
            state_changed_at=NOW,
        )
        ConnectionLink.objects.create(instance_id=self.instance.pk, connection=row, linked_at=NOW)

    def feed(self, mode: Mode = Mode.PUBLIC, **values: Any) -> None:
        """A copy that is fresh, with whatever happened to it."""
        key = from_row(self.instance).feed_key()
        Feed.objects.create(
            **feed_cache.row_lookup(key, mode),
            **{"fetched_at": NOW, "attempted_at": NOW, "last_read_at": NOW} | values,
        )

    def failed(self, warning: Warning, mode: Mode = Mode.PUBLIC) -> None:
        self.feed(mode, fault=warning.value, outcome="failed", blocked_until=NOW + timedelta(minutes=5))

    def warming(self) -> None:
        self.board.wait = public.read_feed.__globals__["Wait"].STILL_FLYING
        self.feed(fetched_at=None, attempted_at=None)

    def links_expired(self) -> None:
        self.people.editor.post(f"/editor/{self.instance.pk}/refresh/")
        self.clock.move_to(NOW + timedelta(days=5), tick=False)


@pytest.fixture
def scene(
    people: Cast,
    make_instance: Any,
    provider: FakeProvider,
    logins: FakeLogins,
    settings: Any,
    clock: Any,
    board: InlineBoard,
) -> Scene:
    return Scene(people, make_instance, settings, clock, board)


def in_free_plan_with_a_tag(scene: Scene) -> None:
    scene.tag()
    scene.plan("free")


def tag_without_account(scene: Scene) -> None:
    scene.tag()


def of_another_account(scene: Scene) -> None:
    scene.no_public_mode()
    scene.connected(login="instagram", username="somebody.else")


def searched_too_many_tags(scene: Scene) -> None:
    scene.tag()
    scene.connected()
    scene.failed(Warning.HASHTAG_QUOTA_EXHAUSTED, Mode.CONNECTED)


def recent_posts_of_a_tag(scene: Scene) -> None:
    scene.tag()
    scene.connected()
    scene.feed(Mode.CONNECTED, data_warnings=["HASHTAG_RECENT_ONLY"])


SCENES: dict[Warning, Callable[[Scene], None]] = {
    Warning.PLAN_RESTRICTED: in_free_plan_with_a_tag,
    Warning.HASHTAG_REQUIRES_CONNECT: tag_without_account,
    Warning.CONNECT_REQUIRED: Scene.no_public_mode,
    Warning.WRONG_ACCOUNT: of_another_account,
    Warning.RECONNECT_REQUIRED: lambda scene: scene.connected(state=ConnectionState.RECONNECT_REQUIRED),
    Warning.PERMISSION_MISSING: lambda scene: scene.connected(state=ConnectionState.PERMISSION_MISSING),
    Warning.TOKEN_EXPIRING: lambda scene: (
        scene.connected(lasts=timedelta(days=3)),
        scene.feed(Mode.CONNECTED),
    )[1],
    Warning.SOURCE_NOT_FOUND: lambda scene: scene.failed(Warning.SOURCE_NOT_FOUND),
    Warning.PROVIDER_RATE_LIMITED: lambda scene: scene.failed(Warning.PROVIDER_RATE_LIMITED),
    Warning.PROVIDER_UNAVAILABLE: lambda scene: scene.failed(Warning.PROVIDER_UNAVAILABLE),
    Warning.PROVIDER_ERROR: lambda scene: scene.failed(Warning.PROVIDER_ERROR),
    Warning.FEED_WARMING: Scene.warming,
    Warning.VIDEO_UNAVAILABLE: lambda scene: scene.feed(data_warnings=["VIDEO_UNAVAILABLE"]),
    Warning.POSTS_SKIPPED: lambda scene: scene.feed(data_warnings=["POSTS_SKIPPED"]),
    Warning.PARTIAL_DATA: lambda scene: scene.feed(data_warnings=["PARTIAL_DATA"]),
    Warning.MEDIA_LINKS_EXPIRED: Scene.links_expired,
    Warning.HASHTAG_QUOTA_EXHAUSTED: searched_too_many_tags,
    Warning.HASHTAG_RECENT_ONLY: recent_posts_of_a_tag,
}


@pytest.mark.parametrize("warning", list(Warning))
def test_every_warning_of_the_api_stands_on_the_page(scene: Scene, warning: Warning) -> None:
    SCENES[warning](scene)
    cache.clear()
    told = scene.people.editor.get(f"{API}feed?instanceId={scene.instance.pk}").json()["warnings"]
    assert warning.value in told

    page = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()

    notes = html.unescape(page.partition('<ul class="notes">')[2].partition("</ul>")[0])
    sentences = [line.removeprefix("<li>") for line in notes.split("</li>")][:-1]
    meanings = words.all_warning_words()
    assert sentences == [meanings[name] for name in told]


def spent(scene: Scene) -> None:
    scene.plan("starter")
    refresh(scene)


def spent_in_the_highest_plan(scene: Scene) -> None:
    scene.plan("business")
    set_override(scene.people.workspace, "instagram.refresh.forcePerDay.max", 1, actor=STAFF)
    refresh(scene)


def too_fresh(scene: Scene) -> None:
    set_override(scene.people.workspace, "instagram.refresh.forcePerDay.max", 0, actor=STAFF)
    refresh(scene)


def refresh(scene: Scene) -> Any:
    return scene.people.editor.post(
        f"{API}refresh", json.dumps({"instanceId": scene.instance.pk}), content_type="application/json"
    )


@pytest.mark.parametrize(
    ("arrange", "reason", "hint"),
    [
        (in_free_plan_with_a_tag, BlockReason.PLAN_RESTRICTED, "Pro"),
        (spent, BlockReason.QUOTA_EXCEEDED, "Pro"),
        (spent_in_the_highest_plan, BlockReason.QUOTA_EXCEEDED, None),
        (too_fresh, BlockReason.TTL_NOT_ELAPSED, None),
    ],
)
def test_every_refusal_of_the_api_stands_on_the_page(
    scene: Scene, arrange: Callable[[Scene], None], reason: BlockReason, hint: str | None
) -> None:
    arrange(scene)
    cache.clear()
    refusal = refresh(scene).json()
    assert (refusal["reasonCode"], refusal.get("upgradeHint")) == (reason.value, hint)

    page = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()
    tried = scene.people.editor.post(f"/editor/{scene.instance.pk}/refresh/", follow=True).content.decode()

    assert "<button disabled" in page
    assert words.blocked_words(reason) in html.unescape(page)
    assert words.blocked_words(reason) in html.unescape(tried)
    if "nextRefreshAllowedAt" in refusal:
        moment = datetime.fromisoformat(refusal["nextRefreshAllowedAt"])
        assert "Next refresh available" in page
        assert f'<time datetime="{moment.isoformat()}" data-countdown>{moment:%Y-%m-%d %H:%M:%S} UTC' in page
        assert f"Next refresh available at {moment:%H:%M:%S} on {moment:%Y-%m-%d} UTC" in tried
    else:
        assert "Next refresh available" not in page + tried
    for shown in (page, tried):
        assert ("Upgrade to Pro to refresh now." in shown) == (hint == "Pro")
    scene.clock.move_to(timezone.now() + timedelta(days=2), tick=False)
    if reason is not BlockReason.PLAN_RESTRICTED:
        again = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()
        assert "<button disabled" not in again.partition("Freshness")[2].partition("</section>")[0]
