"""The page with the steps and codes for each kind of site, and the embed code's replacement."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Cast
from venice_api import embed_tokens
from venice_api.frame_code import frame_code
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_leg, pytest.mark.usefixtures("clock")]


def publish_page(client: Client, instance: WidgetInstance) -> str:
    answer = client.get(f"/editor/{instance.pk}/publish/")
    assert answer.status_code == 200
    return answer.content.decode()


def codes(page: str) -> dict[str, str]:
    found = re.findall(r'id="([a-z]+-code-\d)"><code>(.*?)</code></pre>', page, flags=re.DOTALL)
    return {key: html.unescape(code) for key, code in found}


@pytest.mark.parametrize(("address", "us"), [("", "us"), ("help@feeds.example", "us (help@feeds.example)")])
def test_customers_ask_support_for_plugin_and_component(
    people: Cast, instance: WidgetInstance, settings: Any, address: str, us: str
) -> None:
    settings.SUPPORT_EMAIL = address
    page = html.unescape(publish_page(people.editor, instance))
    assert f"Ask {us} for the plugin's zip file." in page
    assert f"Ask {us} for instagram-feed.ts, and put the file into your project." in page


def test_every_kind_of_site_has_steps_and_a_code_with_its_own_button(
    people: Cast, instance: WidgetInstance, settings: Any
) -> None:
    page = publish_page(people.editor, instance)
    token = embed_tokens.issue(instance.pk, instance.token_version)
    found = codes(page)
    assert list(found) == [
        "html-code-1", "wordpress-code-1", "wordpress-code-2", "shopify-code-1", "wix-code-1", "wix-code-2",
        "squarespace-code-1", "webflow-code-1", "react-code-1", "iframe-code-1",
    ]  # fmt: skip
    assert all(token in code for code in found.values())
    assert re.findall(r'data-copy="([^"]+)"', page) == list(found)
    assert page.count('<ol class="steps">') == len(found)
    assert (
        found["html-code-1"].splitlines()[0]
        == f'<script src="{settings.PUBLIC_BASE_URL}/embed/widget.js" async></script>'
    )
    assert (
        found["html-code-1"].splitlines()[-1]
        == f'<instagram-feed token="{token}" reserve="12 profile"></instagram-feed>'
    )
    for key in ("wordpress-code-2", "shopify-code-1", "wix-code-1", "squarespace-code-1", "webflow-code-1"):
        assert found[key] == found["html-code-1"]
    shortcode = f'[instagram_feed token="{token}" url="{settings.PUBLIC_BASE_URL}"]'
    assert found["wordpress-code-1"] == shortcode
    assert f'<InstagramFeed token="{token}" baseUrl="{settings.PUBLIC_BASE_URL}" />' in found["react-code-1"]
    assert found["iframe-code-1"] == frame_code(settings.PUBLIC_BASE_URL, instance.pk, token)
    assert "{{" not in found["shopify-code-1"]  # Liquid would replace it
    assert "{%" not in found["shopify-code-1"]


def test_the_code_of_the_frame_is_text_on_the_page(people: Cast, instance: WidgetInstance) -> None:
    assert "<iframe" not in publish_page(people.editor, instance)


def test_members_see_the_page_and_only_those_who_may_edit_can_replace_the_code(
    people: Cast, instance: WidgetInstance
) -> None:
    for client in (people.owner, people.editor):
        assert "Replace embed code" in publish_page(client, instance)
    assert "Replace embed code" not in publish_page(people.viewer, instance)
    assert codes(publish_page(people.viewer, instance)) == codes(publish_page(people.owner, instance))
    url = f"/editor/{instance.pk}/publish/"
    assert people.outsider.get(url).status_code == 404
    assert people.anonymous.get(url).status_code == 302
    assert people.editor.post(url).status_code == 405


def test_replacing_the_code_shows_the_new_one(people: Cast, instance: WidgetInstance) -> None:
    old = codes(publish_page(people.editor, instance))
    answer = people.editor.post(f"/editor/{instance.pk}/new-token/", follow=True)
    assert answer.redirect_chain == [(f"/editor/{instance.pk}/publish/", 302)]
    assert "The old embed code no longer works." in answer.content.decode()
    new = codes(answer.content.decode())
    assert all(new[key] != code for key, code in old.items())


def test_the_page_names_the_allowed_sites(people: Cast, make_instance: Callable[..., Any]) -> None:
    assert "The widget can appear on any site." in publish_page(people.editor, make_instance())
    limited = make_instance(allowed_origins=["https://shop.example"])
    assert "The widget appears only on https://shop.example." in publish_page(people.editor, limited)


@pytest.mark.parametrize(("path", "label"), [("", "Overview"), ("publish/", "Publish")])
def test_the_tabs_name_the_current_page(
    people: Cast, instance: WidgetInstance, path: str, label: str
) -> None:
    page = people.viewer.get(f"/editor/{instance.pk}/{path}").content.decode()
    tabs = page.partition('aria-label="Widget"')[2].partition("</nav>")[0]
    assert re.findall(r'aria-current="page">(\w+)<', tabs) == [label]
    assert len(re.findall("<a ", tabs)) == 4


def test_the_overview_has_a_short_section_with_a_link(people: Cast, instance: WidgetInstance) -> None:
    page = people.viewer.get(f"/editor/{instance.pk}/").content.decode()
    section = page.partition(">Embed code</h2>")[2].partition("</section>")[0]
    assert f'href="/editor/{instance.pk}/publish/"' in section
    assert 'data-copy="script-code"' in section
    assert "iframe" not in section


def test_the_page_is_cheap(
    people: Cast,
    instance: WidgetInstance,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    with django_assert_max_num_queries(6):
        publish_page(people.editor, instance)
