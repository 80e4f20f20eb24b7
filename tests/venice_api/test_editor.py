"""The editor's pages: state, refreshes and refusals in words, for editors and viewers."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from entitlements.changes import Actor, set_plan
from entitlements.models import Plan
from paris_integration.errors import ProviderUnavailable
from paris_integration.models import Feed, ForcedRefresh
from paris_integration.types import BlockReason, ConnectionState, Warning
from tests.conftest import Cast
from tests.fakes import FakeLogins, FakeProvider
from venice_api import embed_tokens
from venice_api import wording as words
from venice_api.appearance import Appearance, stored
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def page(client: Client, instance: WidgetInstance) -> str:
    return client.get(f"/editor/{instance.pk}/").content.decode()


def refresh(client: Client, instance: WidgetInstance) -> str:
    response = client.post(f"/editor/{instance.pk}/refresh/", follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_refreshing_until_the_plan_says_no(people: Cast, instance: WidgetInstance) -> None:
    set_plan(people.workspace, Plan.objects.get(key="starter"), actor=Actor("test"))
    assert "never" in page(people.editor, instance)

    first = refresh(people.editor, instance)
    assert "The posts are up to date." in first
    assert "2026-11-23 12:20 UTC" in first
    assert "5 left today, 0 left this hour" in first
    assert "<button disabled" in first
    assert "all the refreshes in your plan for now. Next refresh available <time" in first
    assert "<strong>Upgrade to Pro to refresh now.</strong>" in first

    refused = refresh(people.editor, instance)
    at = '<time datetime="2026-11-23T13:00:00+00:00" data-countdown>2026-11-23 13:00:00 UTC</time>'
    assert refused.count(f"Next refresh available {at}.") == 1
    assert words.NOT_REFRESHED in html.unescape(refused)
    assert ForcedRefresh.objects.count() == 1
    set_plan(people.workspace, Plan.objects.get(key="pro"), actor=Actor("test"))
    assert "The posts are up to date." in refresh(people.editor, instance)


def test_a_failure_is_explained_in_words(
    people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    provider.raises(ProviderUnavailable(status=503))
    shown = refresh(people.editor, instance)
    assert "reach Instagram on the last attempt." in shown
    assert "data-countdown" in shown


def test_who_can_refresh_on_the_page(people: Cast, instance: WidgetInstance, provider: FakeProvider) -> None:
    url = f"/editor/{instance.pk}/refresh/"
    assert people.viewer.post(url).status_code == 403
    assert people.outsider.post(url).status_code == 404
    assert people.anonymous.post(url).status_code == 302
    assert people.editor.get(url).status_code == 405
    assert provider.calls == []
    assert "Refresh now" not in page(people.viewer, instance)
    assert "24 left today" in page(people.viewer, instance)


def test_viewing_the_page_makes_no_provider_call(
    people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    page(people.editor, instance)
    assert provider.calls == []


SETTINGS = {
    "name": "Front page",
    "source_type": "profile",
    "source_value": " @Northern.Trails ",
    "max_posts": "6",
    "filter_type": "image",
    "allowed_origins": "https://Shop.example:443\r\nhttps://blog.example\r\nhttps://shop.example",
    "video_notice": "on",
}


def save(client: Client, instance: WidgetInstance, **changes: str) -> Any:
    return client.post(f"/editor/{instance.pk}/settings/", SETTINGS | changes)


def test_settings_are_normalised_and_saved(people: Cast, instance: WidgetInstance) -> None:
    assert save(people.editor, instance).status_code == 302

    instance.refresh_from_db()
    assert (instance.name, instance.source_value, instance.max_posts) == ("Front page", "northern.trails", 6)
    assert instance.allowed_origins == ["https://shop.example", "https://blog.example"]
    assert "Saved." in page(people.editor, instance)


def test_the_video_notice_can_be_switched_off(
    people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    def answered() -> Any:
        return people.editor.get(f"/v1/integrations/instagram/feed?instanceId={instance.pk}").json()

    assert "videoNotice" not in answered()
    people.editor.post(
        f"/editor/{instance.pk}/settings/",
        {name: value for name, value in SETTINGS.items() if name != "video_notice"},
    )
    assert answered()["videoNotice"] is False
    save(people.editor, instance)
    assert "videoNotice" not in answered()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source_value": "two words"}, "source_value"),
        ({"source_value": ""}, "source_value"),
        ({"source_value": "a\0b"}, "source_value"),
        ({"max_posts": "49"}, "max_posts"),
        ({"max_posts": "many"}, "max_posts"),
        ({"filter_type": "reels"}, "filter_type"),
        ({"source_type": "story"}, "source_type"),
        ({"allowed_origins": "*.shop.example"}, "allowed_origins"),
    ],
)
def test_errors_appear_at_their_field(
    people: Cast, instance: WidgetInstance, changes: dict[str, str], field: str
) -> None:
    response = save(people.editor, instance, **changes)

    assert (response.status_code, list(response.context["form"].errors)) == (400, [field])
    assert "Front page" in response.content.decode()
    instance.refresh_from_db()
    assert instance.source_value == "acme.bakery"


def test_a_tag_outside_the_plan_is_refused_with_its_reason(people: Cast, instance: WidgetInstance) -> None:
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
    response = save(people.editor, instance, source_type="hashtag", source_value="#bread")
    assert "Your Free plan doesn&#x27;t include hashtags." in response.content.decode()
    set_plan(people.workspace, Plan.objects.get(key="pro"), actor=Actor("test"))
    assert save(people.editor, instance, source_type="hashtag", source_value="#bread").status_code == 302


def test_replacing_the_embed_code_revokes_the_old_one(people: Cast, instance: WidgetInstance) -> None:
    old = embed_tokens.issue(instance.pk, instance.token_version)
    assert people.editor.post(f"/editor/{instance.pk}/new-token/").status_code == 302
    cache.clear()
    assert people.anonymous.get(f"/v1/integrations/instagram/feed?token={old}").status_code == 401
    instance.refresh_from_db()
    assert instance.token_version == 2


def test_the_embed_code_reserves_space_for_the_saved_look(people: Cast, instance: WidgetInstance) -> None:
    def publish_page() -> str:
        return people.editor.get(f"/editor/{instance.pk}/publish/").content.decode()

    assert "reserve=&quot;12 profile&quot;" in publish_page()
    instance.appearance = stored(Appearance(layout="carousel", header=False))
    instance.save()
    assert "reserve=&quot;12 layout:carousel&quot;" in publish_page()


def test_a_deleted_widget_leaves_nothing(people: Cast, instance: WidgetInstance) -> None:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    refresh(people.editor, instance)
    gone = people.owner.post(f"/editor/{instance.pk}/delete/", follow=True)

    assert "The widget was deleted." in gone.content.decode()
    assert not WidgetInstance.objects.exists()
    assert not Feed.objects.exists()
    assert people.anonymous.get(f"/v1/integrations/instagram/feed?token={token}").status_code == 401
    assert people.owner.post(f"/editor/{instance.pk}/delete/").status_code == 404


@pytest.mark.parametrize("act", ["settings", "new-token", "delete"])
def test_who_can_change_a_widget(people: Cast, instance: WidgetInstance, act: str) -> None:
    url = f"/editor/{instance.pk}/{act}/"
    assert people.viewer.post(url, SETTINGS).status_code == 403
    assert people.outsider.post(url, SETTINGS).status_code == 404
    assert people.anonymous.post(url, SETTINGS).status_code == 302
    instance.refresh_from_db()
    assert (instance.source_value, instance.token_version) == ("acme.bakery", 1)


def test_every_state_and_warning_has_a_text() -> None:
    assert all(words._WARNINGS[warning] for warning in Warning)
    assert all(words.blocked_words(reason) for reason in BlockReason)
    assert all(words.connection_words(state) for state in ConnectionState)


def test_a_draft_is_previewed_before_it_is_saved(people: Cast, instance: WidgetInstance) -> None:
    pasted = "https://www.instagram.com/Tiny.Studio/"
    response = save(people.editor, instance, source_value=pasted, preview="yes")

    shown = response.content.decode()
    assert response.status_code == 200
    assert f'instance-id="{instance.pk}" source-type="profile" source-value="tiny.studio"' in shown
    assert 'max-posts="6" filter="image"' in shown
    assert "not saved yet" in shown
    assert "Front page" in shown
    instance.refresh_from_db()
    assert (instance.source_value, instance.name) == ("acme.bakery", "")


def test_an_invalid_draft_is_refused_at_its_field(people: Cast, instance: WidgetInstance) -> None:
    response = save(people.editor, instance, source_value="two words", preview="yes")
    assert (response.status_code, list(response.context["form"].errors)) == (400, ["source_value"])
    assert "source-value=" not in response.content.decode()


def test_a_source_saved_under_a_higher_plan_can_stay(
    people: Cast, make_instance: Any, provider: FakeProvider
) -> None:
    tag = make_instance(source_type="hashtag", source_value="bread")
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))

    assert save(people.editor, tag, source_type="hashtag", source_value="bread").status_code == 302
    assert save(people.editor, tag, source_type="hashtag", source_value="cake").status_code == 400
    tag.refresh_from_db()
    assert (tag.source_value, tag.name) == ("bread", "Front page")


def test_a_new_widget(people: Cast) -> None:
    url = f"/editor/new/{people.workspace.pk}/"
    assert "New widget" in people.editor.get("/editor/").content.decode()
    assert "Create widget" in people.editor.get(url).content.decode()

    refused = people.editor.post(url, SETTINGS | {"source_value": "no such name"})
    assert (refused.status_code, list(refused.context["form"].errors)) == (400, ["source_value"])
    made = people.editor.post(url, SETTINGS, follow=True)
    widget = WidgetInstance.objects.get()
    assert made.redirect_chain == [(f"/editor/{widget.pk}/", 302)]
    assert "Your widget was created." in made.content.decode()
    assert (widget.workspace, widget.source_value, widget.max_posts) == (
        people.workspace,
        "northern.trails",
        6,
    )


def test_who_can_add_a_widget(people: Cast) -> None:
    url = f"/editor/new/{people.workspace.pk}/"
    assert people.viewer.post(url, SETTINGS).status_code == 403
    assert people.outsider.post(url, SETTINGS).status_code == 404
    assert people.anonymous.post(url, SETTINGS).status_code == 302
    assert "New widget" not in people.viewer.get("/editor/").content.decode()
    assert not WidgetInstance.objects.exists()


def test_the_list_shows_the_health_of_each_widget(
    people: Cast, make_instance: Any, provider: FakeProvider
) -> None:
    working, delayed, _ = (
        make_instance(name=name, source_type=kind, source_value=value)
        for name, kind, value in (
            ("One", "profile", "acme.bakery"),
            ("Two", "profile", "tiny.studio"),
            ("Three", "hashtag", "bread"),
        )
    )
    refresh(people.editor, working)
    provider.raises(ProviderUnavailable(status=503))
    refresh(people.editor, delayed)

    shelf = people.viewer.get("/editor/").context["shelves"][0]
    said = {row.name: (health.word, health.because) for row, health in shelf["widgets"]}
    assert said == {
        "One": ("Working", ""),
        "Two": ("Delayed", "We couldn't reach Instagram on the last attempt. We'll retry automatically."),
        "Three": ("Action needed", "Hashtags need an Instagram account connected through Facebook login."),
    }
    assert people.outsider.get("/editor/").context["shelves"][0]["widgets"] == []


def test_locked_features_are_shown_with_their_reason(
    people: Cast, instance: WidgetInstance, logins: FakeLogins, settings: Any
) -> None:
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
    shown = page(people.editor, instance)
    assert "t include hashtags. <strong>Upgrade to Pro</strong>" in shown
    assert "t include connected accounts. <strong>Upgrade to Pro</strong>" in shown
    assert '<input type="radio" name="source_type" value="hashtag" disabled>' in shown

    set_plan(people.workspace, Plan.objects.get(key="pro"), actor=Actor("test"))
    shown = page(people.editor, instance)
    assert "Upgrade to" not in shown
    assert "login=instagram" in shown


def test_a_hashtag_widget_asks_for_a_connection_first(
    people: Cast, make_instance: Any, provider: FakeProvider, logins: FakeLogins
) -> None:
    shown = page(people.editor, make_instance(source_type="hashtag", source_value="bread"))
    assert shown.count("Hashtags need an Instagram account connected through Facebook login.") == 1
    assert "t read hashtags. Use Facebook login." in shown
    assert "login=facebook" in shown
    assert "login=instagram" not in shown


def test_the_page_shows_the_last_attempt_and_why_it_failed(
    people: Cast, instance: WidgetInstance, provider: FakeProvider, time_machine: Any
) -> None:
    refresh(people.editor, instance)
    time_machine.move_to(NOW + timedelta(hours=2), tick=False)
    provider.raises(ProviderUnavailable(status=503))
    shown = refresh(people.editor, instance)
    assert "2026-11-23 12:20 UTC" in shown
    assert "2026-11-23 14:20 UTC" in shown
    assert "Last attempt" in shown
    assert "reach Instagram on the last attempt." in shown


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (1, "every minute"),
        (15, "every 15 minutes"),
        (60, "every hour"),
        (90, "every 90 minutes"),
        (360, "every 6 hours"),
    ],
)
def test_refresh_periods_in_words(minutes: int, text: str) -> None:
    assert words.period_words(minutes) == text
