"""The editor shows in words what the API says in codes: every warning and reason, the same time and plan."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from entitlements.changes import Actor, set_override, set_plan
from entitlements.models import Plan
from paris_integration import public
from paris_integration.models import Connection, ConnectionLink, Feed, ProviderWindow
from paris_integration.public import BlockReason, ConnectionState, Warning
from paris_integration.types import Mode
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider, InlineBoard
from venice_api import wording as words
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
API = "/v1/integrations/instagram/"
STAFF = Actor("test")

# The words for each state, whatever the store.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_leg, pytest.mark.usefixtures("clock")]


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
        """A fresh feed row, with `values` changed."""
        key = from_row(self.instance).feed_key()
        Feed.objects.create(
            **key.columns,
            mode=mode.value,
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
def test_the_page_shows_every_warning_of_the_api(scene: Scene, warning: Warning) -> None:
    SCENES[warning](scene)
    cache.clear()
    shown = scene.people.editor.get(f"{API}feed?instanceId={scene.instance.pk}").json()["warnings"]
    assert warning.value in shown

    page = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()

    notes = html.unescape(page.partition('<ul class="notes">')[2].partition("</ul>")[0])
    sentences = [line.removeprefix("<li>") for line in notes.split("</li>")][:-1]
    meanings = words.all_warning_words()
    meanings["PLAN_RESTRICTED"] = (
        "Your Free plan doesn't include hashtags, so nothing is refreshed. To refresh again, upgrade to Pro."
    )
    assert sentences == [meanings[name] for name in shown]


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
def test_the_page_shows_every_refusal_of_the_api(
    scene: Scene, arrange: Callable[[Scene], None], reason: BlockReason, hint: str | None
) -> None:
    arrange(scene)
    cache.clear()
    refusal = refresh(scene).json()
    assert (refusal["reasonCode"], refusal.get("upgradeHint")) == (reason.value, hint)

    page = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()
    tried = scene.people.editor.post(f"/editor/{scene.instance.pk}/refresh/", follow=True).content.decode()

    assert "<button disabled" in page
    note = (
        "Your Free plan doesn't include hashtags, so nothing is refreshed. To refresh again, upgrade to Pro."
    )
    is_plan = reason is BlockReason.PLAN_RESTRICTED
    for shown in (page, tried):
        assert words_of(shown).count(note if is_plan else words.blocked_words(reason)) == 1
    assert words.NOT_REFRESHED in words_of(tried)
    if "nextRefreshAllowedAt" in refusal:
        moment = datetime.fromisoformat(refusal["nextRefreshAllowedAt"])
        for shown in (page, tried):
            assert words_of(shown).count("Next refresh available") == 1
            assert (
                f'<time datetime="{moment.isoformat()}" data-countdown>{moment:%Y-%m-%d %H:%M:%S} UTC'
                in shown
            )
    else:
        assert "Next refresh available" not in page + tried
    for shown in (page, tried):
        assert ("Upgrade to Pro to refresh now." in shown) == (hint == "Pro" and not is_plan)
    scene.clock.move_to(timezone.now() + timedelta(days=2), tick=False)
    if reason is not BlockReason.PLAN_RESTRICTED:
        again = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()
        assert "<button disabled" not in again.partition(">Updates<")[2].partition("</section>")[0]


def paused(scene: Scene) -> None:
    scene.feed()
    key = from_row(scene.instance).feed_key()
    until = NOW + timedelta(hours=2)
    public.pause(key, until=until, actor=public.Actor(1, "staff"), now=NOW, note="legal")


def paused_and_never_loaded(scene: Scene) -> None:
    key = from_row(scene.instance).feed_key()
    until = NOW + timedelta(hours=2)
    public.pause(key, until=until, actor=public.Actor(1, "staff"), now=NOW, note="legal")


def parked(scene: Scene) -> None:
    scene.feed()
    ProviderWindow.objects.create(credential="public", parked_until=NOW + timedelta(minutes=40), throttles=1)


def backed_off(scene: Scene) -> None:
    scene.failed(Warning.PROVIDER_UNAVAILABLE)


def backed_off_and_spent(scene: Scene) -> None:
    spent(scene)
    Feed.objects.update(blocked_until=NOW + timedelta(minutes=50), fault="PROVIDER_UNAVAILABLE")


def dead(scene: Scene) -> None:
    scene.connected(state=ConnectionState.RECONNECT_REQUIRED)
    scene.feed(Mode.CONNECTED, blocked_until=NOW + timedelta(minutes=5), fault="RECONNECT_REQUIRED")


def withdrawn(scene: Scene) -> None:
    scene.connected(state=ConnectionState.DEAUTHORISED)


def downgraded(scene: Scene) -> None:
    scene.connected()
    scene.feed(Mode.CONNECTED, fetched_at=NOW - timedelta(days=2))
    scene.plan("free")


def downgraded_without_public_mode(scene: Scene) -> None:
    downgraded(scene)
    scene.no_public_mode()


def downgraded_tag(scene: Scene) -> None:
    scene.tag()
    downgraded(scene)


def of_another_account_in_public_mode(scene: Scene) -> None:
    scene.connected(login="instagram", username="somebody.else")


def button_is_on(page: str) -> bool:
    return "<button disabled" not in page.partition(">Updates<")[2].partition("</section>")[0]


def words_of(page: str) -> str:
    """The page's visible text."""
    text = re.sub(r"<script.*?</script>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.mark.parametrize(
    ("arrange", "until"),
    [
        (lambda scene: None, None),
        (Scene.feed, None),
        (of_another_account_in_public_mode, None),
        (spent, datetime(2026, 11, 23, 13, tzinfo=UTC)),
        (too_fresh, NOW + timedelta(hours=1, minutes=6)),
        (paused, NOW + timedelta(hours=2)),
        (paused_and_never_loaded, NOW + timedelta(hours=2)),
        (parked, NOW + timedelta(minutes=40)),
        (backed_off, NOW + timedelta(minutes=5)),
        (backed_off_and_spent, NOW + timedelta(minutes=50)),
        (dead, None),
        (withdrawn, None),
        (Scene.no_public_mode, None),
        (of_another_account, None),
        (in_free_plan_with_a_tag, None),
        (tag_without_account, None),
        (downgraded, None),
        (downgraded_without_public_mode, None),
        (downgraded_tag, None),
    ],
)
def test_a_refresh_is_offered_only_when_it_would_call_instagram(
    scene: Scene,
    provider: FakeProvider,
    admin_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    arrange: Callable[[Scene], Any],
    until: datetime | None,
) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    arrange(scene)
    cache.clear()

    def look() -> tuple[str, str]:
        desk = admin_client.get(f"/admin/venice_api/widgetinstance/{quote(scene.instance.pk)}/change/")
        page = scene.people.editor.get(f"/editor/{scene.instance.pk}/")
        return page.content.decode(), words_of(desk.content.decode())

    def click() -> tuple[bool, str]:
        calls = len(provider.calls)
        tried = scene.people.editor.post(f"/editor/{scene.instance.pk}/refresh/", follow=True)
        return len(provider.calls) > calls, words_of(tried.content.decode())

    page, desk = look()
    called, shown = click()
    assert button_is_on(page) is called
    assert ("Can be refreshed now." in desk) is called
    assert ("The posts are up to date." in shown) is called
    if until is None:
        assert "data-countdown" not in page
        return
    assert not called
    assert f'<time datetime="{until.isoformat()}" data-countdown>' in page
    assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in desk
    scene.clock.move_to(until - timedelta(seconds=1), tick=False)
    assert not button_is_on(look()[0])
    scene.clock.move_to(until, tick=False)
    page, desk = look()
    assert button_is_on(page)
    assert "Can be refreshed now." in desk
    assert click()[0]


@pytest.mark.parametrize(
    ("arrange", "shown"),
    [
        (
            downgraded,
            "Your Free plan doesn't include connected accounts, so nothing is refreshed. Earlier posts stay "
            "visible. To refresh again, upgrade to Pro, or disconnect the account to continue without it.",
        ),
        (
            downgraded_without_public_mode,
            "Your Free plan doesn't include connected accounts, so nothing is refreshed. Earlier posts stay "
            "visible. To refresh again, upgrade to Pro.",
        ),
        (
            downgraded_tag,
            "Your Free plan doesn't include hashtags, so nothing is refreshed. Earlier posts stay visible. "
            "To refresh again, upgrade to Pro.",
        ),
    ],
)
def test_after_a_downgrade_the_page_says_once_how_to_refresh_again(
    scene: Scene, provider: FakeProvider, arrange: Callable[[Scene], Any], shown: str
) -> None:
    arrange(scene)
    address = f"/editor/{scene.instance.pk}/"
    page = words_of(scene.people.editor.get(address).content.decode())
    assert page.count(shown) == 1
    assert "Reconnect with" not in page

    tried = words_of(scene.people.editor.post(f"{address}refresh/", follow=True).content.decode())
    assert provider.calls == []
    assert "up to date" not in tried


def test_disconnecting_after_a_downgrade_allows_refreshing_again(
    scene: Scene, provider: FakeProvider
) -> None:
    downgraded(scene)
    scene.people.editor.post(f"/editor/{scene.instance.pk}/disconnect/")
    shown = scene.people.editor.post(f"/editor/{scene.instance.pk}/refresh/", follow=True).content.decode()
    assert "The posts are up to date." in shown
    assert len(provider.calls) == 1


@pytest.mark.parametrize("arrange", [*SCENES.values(), spent, too_fresh, paused, parked, dead, downgraded])
def test_no_sentence_appears_twice_on_a_page_or_in_its_preview(
    scene: Scene, arrange: Callable[[Scene], Any]
) -> None:
    arrange(scene)
    cache.clear()
    page = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()

    text = words_of(page)
    known = [*words.all_warning_words().values(), *(words.blocked_words(reason) for reason in BlockReason)]
    assert [sentence for sentence in known if text.count(sentence) > 1] == []
    assert text.count("Your Free plan doesn't include connected accounts") <= 1
    assert text.count("Your Free plan doesn't include hashtags") <= 1
    listed = scene.people.editor.get(f"{API}feed?instanceId={scene.instance.pk}").json()["warnings"]
    previewed = json.loads(page.partition('id="warning-words" type="application/json">')[2].partition("<")[0])
    notes = page.partition('<ul class="notes">')[2].partition("</ul>")[0]
    assert [name for name in listed if notes and name in previewed] == []


@pytest.mark.parametrize("arrange", [*SCENES.values(), spent, too_fresh, paused, parked, dead, downgraded])
def test_no_sentence_appears_twice_after_a_refresh(scene: Scene, arrange: Callable[[Scene], Any]) -> None:
    arrange(scene)
    cache.clear()
    tried = scene.people.editor.post(f"/editor/{scene.instance.pk}/refresh/", follow=True)

    text = words_of(tried.content.decode())
    known = [*words.all_warning_words().values(), *(words.blocked_words(reason) for reason in BlockReason)]
    assert [sentence for sentence in known if text.count(sentence) > 1] == []
    assert text.count("nothing is refreshed") <= 1
    assert text.count("paused this widget") <= 1
    assert text.count("Next refresh available") <= 1


def spent_and_paused(scene: Scene) -> None:
    spent(scene)
    key = from_row(scene.instance).feed_key()
    until = NOW + timedelta(minutes=5)
    public.pause(key, until=until, actor=public.Actor(1, "staff"), now=NOW, note="legal")


def used_up_the_rate_limit(scene: Scene) -> None:
    parked(scene)
    refresh(scene)


@pytest.mark.parametrize(
    ("arrange", "cause", "shown"),
    [
        (paused, "PAUSED", "Our support team paused this widget"),
        (spent_and_paused, "PAUSED", "Our support team paused this widget"),
        (parked, "RATE_LIMITED", "Instagram's rate limit was reached"),
        (used_up_the_rate_limit, "RATE_LIMITED", "Instagram's rate limit was reached"),
        (backed_off, "PROVIDER_UNAVAILABLE", "We couldn't reach Instagram"),
        (downgraded, "PLAN_CONNECTION", "Your Free plan doesn't include connected accounts"),
        (dead, "CONNECTION_REFUSED", "Instagram no longer lets us read this account"),
    ],
)
def test_the_first_cause_is_shown_once_and_describes_the_button(
    scene: Scene, arrange: Callable[[Scene], Any], cause: str, shown: str
) -> None:
    arrange(scene)
    cache.clear()
    page = scene.people.editor.get(f"/editor/{scene.instance.pk}/").content.decode()
    assert f'id="why" data-cause="{cause}"' in page
    assert words_of(page).count(shown) == 1
    (ids,) = re.findall(r'<button disabled aria-describedby="([^"]+)" id="refresh-now"', page)
    assert ids
    for name in ids.split():
        assert f'id="{name}"' in page


def test_a_draft_is_previewed_with_all_its_warnings(scene: Scene) -> None:
    scene.feed(data_warnings=["POSTS_SKIPPED"])
    typed = {
        "source_type": "profile",
        "source_value": "tiny.studio",
        "max_posts": "6",
        "filter_type": "all",
        "preview": "yes",
    }
    page = scene.people.editor.post(f"/editor/{scene.instance.pk}/settings/", typed).content.decode()
    assert '"POSTS_SKIPPED"' in page


def test_a_failure_is_explained_by_its_warning(scene: Scene) -> None:
    scene.connected(lasts=timedelta(days=3))
    scene.failed(Warning.PROVIDER_UNAVAILABLE, Mode.CONNECTED)
    tried = scene.people.editor.post(f"/editor/{scene.instance.pk}/refresh/", follow=True)
    (message,) = [str(message) for message in tried.context["messages"]]
    assert message == words.NOT_REFRESHED
    shown = words_of(tried.content.decode())
    assert shown.count(words.all_warning_words()["PROVIDER_UNAVAILABLE"]) == 1
