"""Where "Upgrade" leads, and that results are said once."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from entitlements.changes import Actor, set_plan
from entitlements.models import Plan
from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api.editor.upgrades import upgrade_href
from venice_api.models import WidgetInstance
from venice_api.templatetags.editor_pages import times

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_leg, pytest.mark.usefixtures("clock")]


@pytest.fixture
def free(people: Cast) -> None:
    set_plan(people.workspace, Plan.objects.get(key="free"), actor=Actor("test"))


def links(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'<a class="upgrade" href="([^"]+)">([^<]+)</a>', page)
    return [(html.unescape(href), words) for href, words in found]


def detail(people: Cast, instance: WidgetInstance) -> str:
    return people.editor.get(f"/editor/{instance.pk}/").content.decode()


def test_the_url_is_filled_in_and_encoded(people: Cast, settings: Any) -> None:
    settings.UPGRADE_URL = "https://billing.example/{workspace}/up?plan={plan}&x=%7B"
    settings.SUPPORT_EMAIL = "help@feeds.example"
    filled = upgrade_href(people.workspace, 'Pro & "More"/?#')
    assert (
        filled
        == f"https://billing.example/{people.workspace.pk}/up?plan=Pro%20%26%20%22More%22%2F%3F%23&x=%7B"
    )


def test_without_a_url_a_mail_is_prepared(people: Cast, settings: Any) -> None:
    settings.SUPPORT_EMAIL = "help+up@feeds.example"
    people.workspace.name = "Tea & Cake?"
    filled = upgrade_href(people.workspace, "Pro")
    assert filled.startswith(
        "mailto:help%2Bup@feeds.example?subject=Upgrade%20Tea%20%26%20Cake%3F%20to%20Pro&body=Please%20upgrade"
    )
    assert str(people.workspace.pk) in filled


@pytest.mark.usefixtures("free", "logins")
def test_every_lock_leads_to_the_upgrade(people: Cast, instance: WidgetInstance, settings: Any) -> None:
    settings.UPGRADE_URL = "https://billing.example/?w={workspace}&p={plan}"
    to_pro = (f"https://billing.example/?w={people.workspace.pk}&p=Pro", "Upgrade to Pro")
    page = detail(people, instance)
    assert links(page) == [to_pro, to_pro]  # connected accounts, hashtags
    assert "</a> to unlock it." in page
    new = people.editor.get(f"/editor/new/{people.workspace.pk}/").content.decode()
    assert links(new) == [to_pro]


@pytest.mark.usefixtures("free")
def test_a_refused_refresh_leads_to_the_upgrade(
    people: Cast, instance: WidgetInstance, provider: FakeProvider, settings: Any
) -> None:
    settings.UPGRADE_URL = "https://billing.example/{plan}"
    page = people.editor.post(f"/editor/{instance.pk}/refresh/", follow=True).content.decode()
    assert '<a class="upgrade" href="https://billing.example/Pro">Upgrade to Pro</a> to refresh now.' in page


@pytest.mark.usefixtures("free")
def test_a_note_of_the_plan_leads_to_the_upgrade(people: Cast, make_instance: Any, settings: Any) -> None:
    settings.UPGRADE_URL = "https://billing.example/{plan}"
    page = detail(people, make_instance(source_type="hashtag", source_value="bread"))
    assert (
        'To refresh again, <a class="upgrade" href="https://billing.example/Pro">upgrade to Pro</a>.' in page
    )


@pytest.mark.usefixtures("free", "logins")
def test_without_either_the_sentence_stays(people: Cast, instance: WidgetInstance) -> None:
    page = detail(people, instance)
    assert links(page) == []
    assert page.count("<strong>Upgrade to Pro</strong> to unlock it.") == 2


def notices(answer: Any) -> list[str]:
    return [str(notice) for notice in answer.context["notices"]()]


@pytest.mark.parametrize(
    ("query", "notice", "style"),
    [
        ("status=connected&account=acme", "The account is connected.", "done"),
        ("status=error&reason=ACCESS_DENIED", "You cancelled the login. Nothing was changed.", "alert"),
    ],
)
def test_the_result_of_a_login_is_shown_once(
    people: Cast, instance: WidgetInstance, query: str, notice: str, style: str
) -> None:
    for url in (f"/editor/{instance.pk}/", "/editor/"):
        shown = people.editor.get(f"{url}?{query}", follow=True)
        assert shown.redirect_chain == [(url, 302)]
        assert f'<p class="{style}" role="status">{notice}</p>' in shown.content.decode()
        assert notices(people.editor.get(url)) == []


def test_a_success_is_said_once(people: Cast, instance: WidgetInstance, provider: FakeProvider) -> None:
    url = f"/editor/{instance.pk}/"
    # Two tabs, and only then a page that shows messages.
    people.editor.post(f"{url}refresh/")
    people.editor.post(f"{url}refresh/")
    assert notices(people.editor.get(url)) == ["The posts are up to date."]
    assert notices(people.editor.get(url)) == []


@pytest.mark.usefixtures("logins")
def test_destructive_acts_ask_first_and_say_what_happens(people: Cast, instance: WidgetInstance) -> None:
    pages = detail(people, instance) + people.editor.get(f"/editor/{instance.pk}/publish/").content.decode()
    asked = re.findall(r'<details class="confirm">(.*?)</details>', pages, flags=re.DOTALL)
    assert len(asked) == pages.count('class="danger"') == 2
    for act, consequence in (("delete", "deletes the widget"), ("new-token", "stops working at once")):
        (found,) = [text for text in asked if f'action="/editor/{instance.pk}/{act}/"' in text]
        assert consequence in found
        assert "be undone." in found


def test_times_in_sentences_are_marked_up() -> None:
    at = '<time datetime="2026-11-23T13:00:00+00:00">13:00:00 on 2026-11-23 UTC</time>'
    assert times("<b> until 13:00:00 on 2026-11-23 UTC.") == f"&lt;b&gt; until {at}."
    assert times("99:00:00 on 2026-11-23 UTC") == "99:00:00 on 2026-11-23 UTC"
