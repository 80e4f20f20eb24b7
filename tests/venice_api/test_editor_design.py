"""The Design page: who sees it, saving, previewing without saving, resetting and undoing, and refused values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from paris_integration.models import AuditEvent
from tests.conftest import Cast
from venice_api import appearance, embed_tokens
from venice_api.appearance import Appearance, Columns
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
FEED = "/v1/integrations/instagram/feed"
LOOKS = {
    "layout": "carousel",
    "columns": "3",
    "columns_narrow": "1",
    "page_size": "6",
    "tile_ratio": "4:5",
    "gap": "4",
    "radius": "0",
    "header": "on",
    "header_text": " Baked <daily> ",
    "follow_button": "on",
    "captions": "below",
    "caption_length": "90",
    "show_date": "on",
    "click": "instagram",
    "theme": "dark",
}
STORED = {
    "layout": "carousel",
    "columns": {"wide": 3, "narrow": 1},
    "gap": 4,
    "radius": 0,
    "tileRatio": "4:5",
    "header": True,
    "headerText": "Baked <daily>",
    "followButton": True,
    "captions": "below",
    "captionLength": 90,
    "showDate": True,
    "click": "instagram",
    "theme": "dark",
    "pageSize": 6,
}
SAVED = "Saved. Pages that show the widget update within two minutes."
UNDO = 'name="act" value="undo"'

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def address(instance: WidgetInstance) -> str:
    return f"/editor/{instance.pk}/design/"


def looks_of(instance: WidgetInstance) -> Any:
    instance.refresh_from_db()
    return instance.appearance


def preview_of(response: Any) -> dict[str, str]:
    """The attributes of the previewed widget."""
    tag = re.search(r"<instagram-feed ([^>]*)>", response.content.decode())
    assert tag is not None
    return {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag[1])}


def form_of(response: Any) -> dict[str, str]:
    """What the page's form would send unchanged."""
    form = response.context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in values.items() if value is not False}


def test_who_sees_and_who_changes_the_design(people: Cast, instance: WidgetInstance) -> None:
    url = address(instance)
    for client in (people.owner, people.editor):
        response = client.get(url)
        assert response.status_code == 200
        assert 'id="looks"' in response.content.decode()
        assert response["Cache-Control"] == "private, no-store"

    seen = people.viewer.get(url)
    assert seen.status_code == 200
    assert "<instagram-feed preview" in seen.content.decode()
    assert 'id="looks"' not in seen.content.decode()
    assert "Only editors and owners of the workspace can change the design." in seen.content.decode()
    for act in ("save", "preview", "reset", "undo"):
        assert people.viewer.post(url, LOOKS | {"act": act}).status_code == 403
        assert people.outsider.post(url, LOOKS | {"act": act}).status_code == 404
    assert people.outsider.get(url).status_code == 404
    assert people.editor.get("/editor/unknown/design/").status_code == 404
    assert people.anonymous.get(url)["Location"].startswith("/accounts/login/")
    assert people.editor.delete(url).status_code == 405
    assert looks_of(instance) == {}


def test_saved_looks_reach_the_feed(people: Cast, instance: WidgetInstance, act: Callable[..., Any]) -> None:
    response = act(people.editor.post, address(instance), LOOKS)
    assert (response.status_code, response["Location"]) == (302, address(instance))
    assert looks_of(instance) == STORED
    feed = people.anonymous.get(FEED, {"token": embed_tokens.issue(instance.pk, instance.token_version)})
    assert feed.json()["appearance"] == STORED

    shown = people.editor.get(address(instance))
    assert shown.content.decode().count(SAVED) == 1
    assert SAVED not in people.editor.get(address(instance)).content.decode()
    assert form_of(shown) == LOOKS | {
        "header": "True",
        "follow_button": "True",
        "show_date": "True",
        "header_text": "Baked <daily>",
    }


def test_saving_the_defaults_stores_them(people: Cast, instance: WidgetInstance) -> None:
    page = people.editor.get(address(instance))
    assert page.context["form"].looks() == Appearance()
    people.editor.post(address(instance), form_of(page))
    assert looks_of(instance) == appearance.stored(Appearance())


def test_unknown_fields_are_not_stored(people: Cast, instance: WidgetInstance) -> None:
    people.editor.post(address(instance), LOOKS | {"sparkle": "7", "name": "Taken over", "appearance": "{}"})
    assert looks_of(instance) == STORED
    assert instance.name == ""


def test_looks_that_cannot_be_read_are_replaced(people: Cast, instance: WidgetInstance) -> None:
    WidgetInstance.objects.filter(pk=instance.pk).update(appearance={"layout": "spiral"})
    page = people.editor.get(address(instance))
    assert page.context["form"].looks() == Appearance()
    people.editor.post(address(instance), LOOKS)
    assert looks_of(instance) == STORED


def test_a_preview_is_not_saved(people: Cast, instance: WidgetInstance, act: Callable[..., Any]) -> None:
    people.anonymous.get(FEED, {"token": embed_tokens.issue(instance.pk, instance.token_version)})
    response = act(people.editor.post, address(instance), LOOKS | {"act": "preview"})
    assert response.status_code == 200
    shown = preview_of(response)
    assert {name: shown[name] for name in shown if name not in {"token", "reserve"}} == {
        "layout": "carousel",
        "columns": "3",
        "columns-narrow": "1",
        "gap": "4",
        "radius": "0",
        "tile-ratio": "4:5",
        "header": "on",
        "header-text": "Baked <daily>",
        "follow-button": "on",
        "captions": "below",
        "caption-length": "90",
        "show-date": "on",
        "click": "instagram",
        "theme": "dark",
        "page-size": "6",
    }
    assert "data-unsaved" in response.content.decode()
    assert looks_of(instance) == {}
    feed = people.anonymous.get(FEED, {"token": shown["token"]})
    assert "appearance" not in feed.json()
    assert AuditEvent.objects.filter(instance_id=instance.pk).count() == 0


def test_a_preview_needs_no_script_and_keeps_what_was_typed(people: Cast, instance: WidgetInstance) -> None:
    page = people.editor.get(address(instance)).content.decode()
    assert page.index("<button>Save</button>") < page.index('value="preview"'), "Enter would not save"
    response = people.editor.post(address(instance), LOOKS | {"act": "preview"})
    assert response.context["form"]["gap"].value() == "4"
    assert "Not saved" in response.content.decode()


NUMBERS = {
    "columns": (1, 12),
    "columns_narrow": (1, 6),
    "page_size": (0, 48),
    "gap": (0, 60),
    "radius": (0, 60),
    "caption_length": (0, 2_200),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_range_is_refused(people: Cast, instance: WidgetInstance, name: str) -> None:
    least, most = NUMBERS[name]
    for typed in (str(least - 1), str(most + 1), "", "wide", "1.5", "9" * 5_000):
        response = people.editor.post(address(instance), LOOKS | {name: typed})
        assert response.status_code == 400
        form = response.context["form"]
        assert form.errors == {name: [f"Enter a whole number from {least} to {most}."]}
        assert form[name].value() == typed
        assert form["layout"].value() == "carousel"
        assert preview_of(response)["layout"] == "carousel"
        saved = {"columns": "4", "columns_narrow": "2", "gap": "10", "radius": "10"}
        shown = saved | {"page_size": "0", "caption_length": "150"}
        assert preview_of(response)[name.replace("_", "-")] == shown[name]
    content = response.content.decode()
    assert f'id="id_{name}_error"' in content
    assert f'<a href="#id_{name}">' in content
    for typed in (str(least), str(most)):
        assert people.editor.post(address(instance), LOOKS | {name: typed}).status_code == 302


@pytest.mark.parametrize("name", ["layout", "tile_ratio", "captions", "click", "theme"])
def test_an_unknown_choice_is_refused(people: Cast, instance: WidgetInstance, name: str) -> None:
    for typed in ("spiral", ""):
        response = people.editor.post(address(instance), LOOKS | {name: typed, "gap": "7"})
        assert response.status_code == 400
        assert response.context["form"].errors == {name: ["Choose one of these."]}
        content = response.content.decode()
        assert f'id="id_{name}_error"' in content
        assert f'id="id_{name}"' in content
        assert response.context["form"]["gap"].value() == "7"
    assert looks_of(instance) == {}


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("x" * 201, "Enter at most 200 characters."),
        ("a\x07b", "Must not contain control characters."),
    ],
)
def test_an_odd_header_text_is_refused(
    people: Cast, instance: WidgetInstance, typed: str, error: str
) -> None:
    response = people.editor.post(address(instance), LOOKS | {"header_text": typed})
    assert response.status_code == 400
    assert response.context["form"].errors == {"header_text": [error]}
    assert looks_of(instance) == {}


def test_a_reset_clears_the_looks_and_can_be_undone(
    people: Cast, instance: WidgetInstance, act: Callable[..., Any]
) -> None:
    people.editor.post(address(instance), LOOKS)
    people.editor.get(address(instance))
    act(people.editor.post, address(instance), {"act": "reset"})
    assert looks_of(instance) == {}
    feed = people.anonymous.get(FEED, {"token": embed_tokens.issue(instance.pk, instance.token_version)})
    assert "appearance" not in feed.json()

    page = people.editor.get(address(instance))
    assert "The design is back to the defaults." in page.content.decode()
    assert UNDO in page.content.decode()
    assert UNDO not in people.editor.get(address(instance)).content.decode()
    undone = people.editor.post(
        address(instance), {"act": "undo", "former": page.context["former"]}, follow=True
    )
    assert "Your former design is back." in undone.content.decode()
    assert looks_of(instance) == STORED


def test_a_reset_without_saved_looks_changes_nothing(people: Cast, instance: WidgetInstance) -> None:
    page = people.editor.post(address(instance), {"act": "reset"}, follow=True).content.decode()
    assert "This widget has the default design already." in page
    assert UNDO not in page
    assert AuditEvent.objects.count() == 0


def test_undoing_leaves_looks_that_were_saved_since(people: Cast, instance: WidgetInstance) -> None:
    people.editor.post(address(instance), LOOKS)
    former = people.editor.post(address(instance), {"act": "reset"}, follow=True).context["former"]
    people.owner.post(address(instance), LOOKS | {"gap": "33"})
    late = people.editor.post(address(instance), {"act": "undo", "former": former}, follow=True)
    assert "Somebody has saved another design since the reset" in late.content.decode()
    assert looks_of(instance)["gap"] == 33


def test_only_what_the_page_sent_can_be_undone(
    people: Cast, instance: WidgetInstance, make_instance: Callable[..., Any]
) -> None:
    other = make_instance()
    people.editor.post(address(other), LOOKS)
    of_other = people.editor.post(address(other), {"act": "reset"}, follow=True).context["former"]
    foreign = signing.dumps({"instance": instance.pk, "looks": STORED}, salt="of something else")
    for former in ("", "x", foreign, of_other[:-1], of_other):
        response = people.editor.post(address(instance), {"act": "undo", "former": former})
        assert response.status_code == 400
    assert people.editor.post(address(instance), LOOKS | {"act": "explode"}).status_code == 400
    assert looks_of(instance) == {}


def test_changes_are_audited(people: Cast, instance: WidgetInstance) -> None:
    people.editor.post(address(instance), LOOKS)
    people.editor.post(address(instance), LOOKS)
    people.editor.post(address(instance), LOOKS | {"gap": "99"})
    former = people.owner.post(address(instance), {"act": "reset"}, follow=True).context["former"]
    people.owner.post(address(instance), {"act": "undo", "former": former})
    found = AuditEvent.objects.filter(instance_id=instance.pk).order_by("id")
    assert [(event.actor, event.action, event.note) for event in found] == [
        ("editor", "settings_changed", "looks"),
        ("owner", "settings_changed", "looks"),
        ("owner", "settings_changed", "looks"),
    ]


def test_saving_leaves_what_others_changed_meanwhile(
    people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from venice_api.editor import design

    store = design._store

    def late(*args: Any, **kwargs: Any) -> Any:
        WidgetInstance.objects.filter(pk=instance.pk).update(max_posts=3, hidden_post_ids=["1"])
        return store(*args, **kwargs)

    monkeypatch.setattr(design, "_store", late)
    people.editor.post(address(instance), LOOKS)
    assert looks_of(instance) == STORED
    assert (instance.max_posts, instance.hidden_post_ids) == (3, ["1"])
    assert instance.updated_at == NOW


def test_a_widget_deleted_meanwhile_is_not_found(
    people: Cast, instance: WidgetInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from venice_api.editor import design

    store = design._store

    def late(*args: Any, **kwargs: Any) -> Any:
        WidgetInstance.objects.filter(pk=instance.pk).delete()
        return store(*args, **kwargs)

    monkeypatch.setattr(design, "_store", late)
    assert people.editor.post(address(instance), LOOKS).status_code == 404


def test_a_save_needs_the_csrf_token(people: Cast, instance: WidgetInstance) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="editor"))
    assert client.post(address(instance), LOOKS).status_code == 403
    token = client.get(address(instance)).context["csrf_token"]
    assert client.post(address(instance), LOOKS | {"csrfmiddlewaretoken": str(token)}).status_code == 302
    assert looks_of(instance) == STORED


def test_a_hashtag_has_no_header_by_default_and_no_follow_button(
    people: Cast, make_instance: Callable[..., Any]
) -> None:
    saved = Appearance(follow_button=True, columns=Columns(wide=5))
    fresh = make_instance(source_type="hashtag", source_value="bread")
    was_profile = make_instance(
        source_type="hashtag", source_value="bread", appearance=appearance.stored(saved)
    )
    page = people.editor.get(address(fresh))
    assert preview_of(page)["header"] == "off"
    assert 'name="header"' in page.content.decode()
    assert 'name="follow_button"' not in page.content.decode()

    people.editor.post(address(was_profile), {n: v for n, v in LOOKS.items() if n != "follow_button"})
    assert looks_of(was_profile)["followButton"] is True, "lost when the source is a profile again"


def test_typed_text_is_escaped(people: Cast, instance: WidgetInstance) -> None:
    typed = LOOKS | {"header_text": '"><script>alert(1)</script>', "act": "preview"}
    response = people.editor.post(address(instance), typed)
    assert preview_of(response)["header-text"] == typed["header_text"]
    assert "<script>alert" not in response.content.decode()
