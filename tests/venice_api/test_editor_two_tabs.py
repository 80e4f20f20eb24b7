"""Two people, or two tabs, change settings or design of a widget: neither takes back what the other one saved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from django.test import Client

from tests.conftest import Cast
from tests.pages import sent_from
from venice_api import appearance, embed_tokens, moderation
from venice_api.editor import acts
from venice_api.instances import rotate_embed_token
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def page_of(instance: WidgetInstance) -> str:
    return f"/editor/{instance.pk}/"


def sent_again(answer: Any, instance: WidgetInstance) -> dict[str, str]:
    return sent_from(answer.content.decode(), f"{page_of(instance)}settings/")


def shown(client: Client, instance: WidgetInstance) -> dict[str, str]:
    return sent_again(client.get(page_of(instance)), instance)


def typed_in(sent: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in sent.items() if not name.startswith("initial-")}


def save(client: Client, instance: WidgetInstance, typed: dict[str, str]) -> Any:
    return client.post(f"{page_of(instance)}settings/", typed)


def change(instance: WidgetInstance, **values: object) -> None:
    WidgetInstance.objects.filter(pk=instance.pk).update(**values)


CHANGED_MEANWHILE: list[dict[str, object]] = [
    {"source_type": "hashtag", "source_value": "bread"},
    {"source_value": "", "alt_texts": {}, "pinned_post_ids": []},  # as Meta's deletion leaves it
    {"max_posts": 7, "filter_type": "video"},
    {"allowed_origins": ["https://a.example", "https://b.example"]},
    {"video_notice": False},
    {"hidden_post_ids": ["1"], "token_version": 5, "appearance": {"layout": "grid"}},
]


@pytest.mark.parametrize("theirs", CHANGED_MEANWHILE, ids=lambda theirs: ", ".join(theirs))
def test_what_was_not_changed_here_is_not_written(
    people: Cast, make_instance: Any, theirs: dict[str, object]
) -> None:
    instance = make_instance(
        allowed_origins=["https://old.example", "https://shop.example"], alt_texts={"1": "Bread"}
    )
    typed = shown(people.editor, instance) | {"name": "Front page"}
    change(instance, **theirs)

    assert save(people.editor, instance, typed).status_code == 302

    instance.refresh_from_db()
    assert instance.name == "Front page"
    assert {name: getattr(instance, name) for name in theirs} == theirs


def test_an_unchanged_page_writes_nothing(people: Cast, make_instance: Any) -> None:
    instance = make_instance(allowed_origins=["https://old.example", "https://shop.example"])
    assert save(people.editor, instance, shown(people.editor, instance)).status_code == 302
    assert WidgetInstance.objects.get(pk=instance.pk).updated_at == instance.updated_at


BOTH: list[tuple[dict[str, object], dict[str, str], dict[str, str]]] = [
    ({"name": "Theirs"}, {"name": "Mine"}, {"name": "Theirs"}),
    ({"max_posts": 7}, {"max_posts": "9"}, {"max_posts": "7"}),
    ({"filter_type": "video"}, {"filter_type": "image"}, {"filter_type": "Videos"}),
    (
        {"allowed_origins": ["https://a.example", "https://b.example"]},
        {"allowed_origins": "https://mine.example"},
        {"allowed_origins": "https://a.example, https://b.example"},
    ),
    ({"source_value": "theirs"}, {"source_value": "mine"}, {"source_value": "theirs"}),
    (
        {"source_type": "hashtag", "source_value": "bread"},
        {"source_value": "mine"},
        {"source_type": "Hashtag", "source_value": "bread"},
    ),
    ({"source_type": "hashtag"}, {"source_value": "mine"}, {"source_type": "Hashtag"}),
]


@pytest.mark.parametrize(("theirs", "mine", "words"), BOTH, ids=[", ".join(words) for _, _, words in BOTH])
def test_a_field_that_both_changed_is_reported_and_replaced_by_saving_again(
    people: Cast,
    instance: WidgetInstance,
    theirs: dict[str, object],
    mine: dict[str, str],
    words: dict[str, str],
) -> None:
    typed = shown(people.editor, instance) | mine
    change(instance, **theirs)

    refused = save(people.editor, instance, typed)

    assert refused.status_code == 400
    assert refused.context["form"].errors == {
        name: [f"Somebody else has saved “{saved}” meanwhile. Save again to replace it with yours."]
        for name, saved in words.items()
    }
    for saved in words.values():
        assert f"Somebody else has saved “{saved}” meanwhile." in refused.content.decode()
    instance.refresh_from_db()
    assert {name: getattr(instance, name) for name in theirs} == theirs
    again = sent_again(refused, instance)
    assert typed_in(again) == typed_in(typed)

    assert save(people.editor, instance, again).status_code == 302
    assert {name: shown(people.editor, instance)[name] for name in mine} == mine
    assert shown(people.editor, instance)["source_type"] == "profile"


def test_an_emptied_field_is_reported(people: Cast, make_instance: Any) -> None:
    instance = make_instance(name="Old")
    typed = shown(people.editor, instance) | {"name": "Mine"}
    change(instance, name="")
    assert save(people.editor, instance, typed).context["form"].errors["name"] == [
        "Somebody else has emptied this meanwhile. Save again to replace it with yours."
    ]


def test_both_may_save_the_same(people: Cast, instance: WidgetInstance) -> None:
    typed = shown(people.editor, instance) | {"name": "Ours"}
    change(instance, name="Ours")
    assert save(people.editor, instance, typed).status_code == 302


def design_again(answer: Any, instance: WidgetInstance) -> dict[str, str]:
    return sent_from(answer.content.decode(), f"{page_of(instance)}design/")


def looks_of(instance: WidgetInstance) -> appearance.Appearance:
    instance.refresh_from_db()
    return appearance.parse(instance.appearance)


LOOKS = appearance.Appearance(header_text="Fresh", follow_button=True)
THEIR_LOOKS = appearance.Appearance(
    theme="dark", layout="carousel", columns=appearance.Columns(wide=6), header=False, gap=20
)


@pytest.mark.parametrize("is_default", [False, True])
def test_looks_that_were_not_changed_here_are_not_written(
    people: Cast, make_instance: Any, is_default: bool
) -> None:
    instance = make_instance(appearance={} if is_default else appearance.stored(LOOKS))
    url = f"{page_of(instance)}design/"
    typed = design_again(people.editor.get(url), instance) | {"click": "none", "radius": "3"}
    change(instance, appearance=appearance.stored(THEIR_LOOKS))

    assert people.editor.post(url, typed).status_code == 302

    assert looks_of(instance) == msgspec.structs.replace(THEIR_LOOKS, click="none", radius=3)


def test_looks_that_both_changed_are_reported_and_replaced_by_saving_again(
    people: Cast, make_instance: Any
) -> None:
    instance = make_instance(appearance=appearance.stored(LOOKS))
    url = f"{page_of(instance)}design/"
    typed = design_again(people.editor.get(url), instance) | {"gap": "9", "theme": "light", "click": "none"}
    change(instance, appearance=appearance.stored(THEIR_LOOKS))

    refused = people.editor.post(url, typed)

    assert (refused.status_code, refused.context["form"].errors) == (
        400,
        {
            name: [f"Somebody else has saved “{saved}” meanwhile. Save again to replace it with yours."]
            for name, saved in (("gap", "20"), ("theme", "Dark"))
        },
    )
    assert looks_of(instance) == THEIR_LOOKS
    again = design_again(refused, instance)
    assert typed_in(again) == typed_in(typed)
    assert people.editor.post(url, again).status_code == 302
    assert looks_of(instance) == msgspec.structs.replace(THEIR_LOOKS, gap=9, theme="light", click="none")


def rotate(instance: WidgetInstance) -> None:
    rotate_embed_token(instance.pk)


def hide(instance: WidgetInstance) -> None:
    moderation.moderate(instance.pk, moderation.Act.HIDE, ["1"])


@pytest.mark.parametrize("act", [rotate, hide])
def test_an_act_during_the_request_is_kept(
    people: Cast,
    instance: WidgetInstance,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[WidgetInstance], None],
) -> None:
    typed = shown(people.editor, instance) | {"name": "Front page"}
    old = embed_tokens.issue(instance.pk, instance.token_version)
    limits_for = acts.fresh_limits_for

    def after_the_act(*args: Any, **kwargs: Any) -> Any:
        act(instance)
        return limits_for(*args, **kwargs)

    monkeypatch.setattr(acts, "fresh_limits_for", after_the_act)
    assert save(people.editor, instance, typed).status_code == 302

    instance.refresh_from_db()
    assert instance.name == "Front page"
    if act is rotate:
        assert people.anonymous.get(f"/v1/integrations/instagram/feed?token={old}").status_code == 401
    else:
        assert instance.hidden_post_ids == ["1"]


def test_a_page_without_what_it_showed_can_be_saved(people: Cast, instance: WidgetInstance) -> None:
    """Such as one that was opened before an upgrade."""
    typed = typed_in(shown(people.editor, instance)) | {"max_posts": "3"}
    assert save(people.editor, instance, typed).status_code == 302
    instance.refresh_from_db()
    assert instance.max_posts == 3


def test_a_deleted_widget_is_gone(people: Cast, instance: WidgetInstance) -> None:
    typed = shown(people.editor, instance)
    instance.delete()
    assert save(people.editor, instance, typed).status_code == 404
    assert not WidgetInstance.objects.exists()
