"""What people paste into the settings of a widget, and what the page says about it."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from entitlements.changes import Actor, set_plan
from entitlements.models import Plan
from tests.conftest import Cast
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_leg, pytest.mark.usefixtures("clock")]

SETTINGS = {
    "name": "",
    "source_type": "profile",
    "source_value": "acme.bakery",
    "max_posts": "12",
    "filter_type": "all",
    "allowed_origins": "",
}


def save(client: Client, instance: WidgetInstance, **typed: str) -> Any:
    return client.post(f"/editor/{instance.pk}/settings/", SETTINGS | typed, follow=True)


def words_of(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def saved_source(instance: WidgetInstance) -> tuple[str, str]:
    instance.refresh_from_db()
    return instance.source_type, instance.source_value


@pytest.mark.parametrize(
    ("chosen", "typed", "saved"),
    [
        ("hashtag", "https://www.instagram.com/Tiny.Studio/?igsh=abc", ("profile", "tiny.studio")),
        ("hashtag", "@tiny.studio", ("profile", "tiny.studio")),
        ("profile", "#Bread", ("hashtag", "bread")),
        ("profile", "instagram.com/explore/tags/bread/", ("hashtag", "bread")),
        ("hashtag", "bread", ("hashtag", "bread")),
        ("profile", f"instagram.com/tiny.studio?utm={'x' * 1_000}", ("profile", "tiny.studio")),
    ],
)
def test_what_was_pasted_decides_the_type_of_source(
    people: Cast, instance: WidgetInstance, chosen: str, typed: str, saved: tuple[str, str]
) -> None:
    answer = save(people.editor, instance, source_type=chosen, source_value=typed)
    assert "Saved." in words_of(answer)
    assert saved_source(instance) == saved


def test_a_refused_address_says_what_it_is_and_stays_in_the_field(
    people: Cast, instance: WidgetInstance
) -> None:
    typed = "https://www.instagram.com/tiny.studio/reel/AbC/?igsh=abc"
    answer = save(people.editor, instance, source_value=typed, allowed_origins="shop.example")
    assert answer.status_code == 400
    shown = words_of(answer)
    assert (
        f"“{typed}” is the address of a reel. To show the posts of that account, enter @tiny.studio." in shown
    )
    assert f'value="{typed}"' in answer.content.decode()
    assert "shop.example" in answer.content.decode()
    assert saved_source(instance) == ("profile", "acme.bakery")


@pytest.mark.parametrize("typed", ["#bread", "https://www.instagram.com/explore/tags/bread/"])
def test_a_hashtag_outside_the_plan_is_refused_with_the_sentence_of_its_lock(
    people: Cast, instance: WidgetInstance, typed: str
) -> None:
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
    answer = save(people.editor, instance, source_value=typed)
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["source_type"])
    assert (
        words_of(answer).count("Your Free plan doesn't include hashtags. Upgrade to Pro to unlock it.") == 1
    )
    assert f'value="{typed}"' in answer.content.decode()
    assert saved_source(instance) == ("profile", "acme.bakery")


def test_a_previewed_hashtag_is_shown_as_chosen(people: Cast, instance: WidgetInstance) -> None:
    page = save(people.editor, instance, source_value="#bread", preview="yes").content.decode()
    assert 'source-type="hashtag" source-value="bread"' in page
    assert '<input type="radio" name="source_type" value="hashtag" checked>' in page
    assert 'value="#bread"' in page


def test_sites_are_completed_and_a_page_is_noted(people: Cast, instance: WidgetInstance) -> None:
    answer = save(people.editor, instance, allowed_origins="shop.example/path, blog.example")
    instance.refresh_from_db()
    assert instance.allowed_origins == ["https://shop.example", "https://blog.example"]
    assert (
        "“shop.example/path” is a page's address, so its site was saved: https://shop.example."
        in words_of(answer)
    )


def test_a_wildcard_is_refused_in_a_sentence(people: Cast, instance: WidgetInstance) -> None:
    answer = save(people.editor, instance, allowed_origins="*.shop.example")
    assert answer.status_code == 400
    assert "“*.shop.example” contains a wildcard. Enter each site" in words_of(answer)
    assert "*.shop.example</textarea>" in answer.content.decode()


def test_at_most_fifty_sites_are_accepted(people: Cast, instance: WidgetInstance) -> None:
    many = " ".join(f"shop{number}.example" for number in range(51))
    assert "Enter at most 50 sites." in words_of(save(people.editor, instance, allowed_origins=many))


@pytest.mark.parametrize("typed", ["#bread", "https://www.instagram.com/acme.bakery/", "acme.bakery/reels/"])
def test_the_api_stays_strict(people: Cast, instance: WidgetInstance, typed: str) -> None:
    answer = people.editor.get(
        "/v1/integrations/instagram/feed",
        {"instanceId": instance.pk, "sourceType": "profile", "sourceValue": typed},
    )
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["sourceValue"])


@pytest.mark.parametrize(
    ("typed", "focused"),
    [
        ({"source_value": "two words", "max_posts": "0"}, "source_value"),
        ({"max_posts": "0"}, "max_posts"),
        ({"source_value": "#bread"}, "source_value"),
    ],
)
def test_the_first_wrong_field_gets_the_focus(
    people: Cast, instance: WidgetInstance, typed: dict[str, str], focused: str
) -> None:
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))
    page = save(people.editor, instance, **typed).content.decode()
    assert re.findall(r'name="(\w+)"[^>]* autofocus', page) == [focused]


def test_a_new_widget_is_refused_with_one_sentence(people: Cast) -> None:
    answer = people.editor.post(
        f"/editor/new/{people.workspace.pk}/", SETTINGS | {"source_value": "two words"}
    )
    assert answer.context["form"].errors["source_value"] == [
        "“two words” isn't an Instagram username. Usernames have 1 to 30 letters (a to z), digits, dots and "
        "underscores, without a dot at either end or two in a row."
    ]
