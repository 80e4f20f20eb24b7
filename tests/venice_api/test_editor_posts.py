"""The page of a widget's posts: acts, undo, roles and odd input, with and without htmx."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.test import Client

from paris_integration import public as paris
from paris_integration.connections import lifecycle
from paris_integration.models import AuditEvent
from tests.conftest import Cast
from tests.fakes import FakeProvider, media
from venice_api import embed_tokens
from venice_api.instances import from_row
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
FEED = "/v1/integrations/instagram/feed"
HTMX = {"HX-Request": "true"}
IDS = [media(number)["id"] for number in range(4)]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def widget(instance: WidgetInstance, provider: FakeProvider) -> WidgetInstance:
    provider.accounts["acme.bakery"] = [
        media(number, caption=caption)
        for number, caption in enumerate(["Bread", "Cups #sale", "<b>Tart</b>", ""])
    ]
    shown(instance)
    return instance


@pytest.fixture
def tag(make_instance: Any, provider: FakeProvider) -> WidgetInstance:
    """A widget for a hashtag, with three posts."""
    provider.tags["bread"] = "17843800000000001"
    made: WidgetInstance = make_instance(source_type="hashtag", source_value="bread")
    key = from_row(made).feed_key()
    grant = lifecycle.Grant(paris.Login.FACEBOOK, "178", "102", "acme", (), lifecycle.Secret("EAAB-2"), None)
    lifecycle.store_grant(key, grant, actor=paris.SERVICE, now=NOW)
    assert len(shown(made)) == 3
    return made


def shown(instance: WidgetInstance) -> list[str]:
    token = embed_tokens.issue(instance.pk, instance.token_version)
    return [post["id"] for post in Client().get(FEED, {"token": token}).json()["posts"]]


def url(instance: WidgetInstance) -> str:
    return f"/editor/{instance.pk}/posts/"


def said(html: str) -> str:
    found = re.search(r'id="said"[^>]*>\s*<span>(.*?)</span>', html, re.S)
    return found.group(1) if found else ""


def undo_fields(html: str) -> dict[str, list[str]]:
    form = re.search(r'id="said".*?<form(.*?)</form>', html, re.S)
    assert form, "no undo is offered"
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', form.group(1)):
        fields.setdefault(name, []).append(unescape(value))
    return fields


class Acting:
    """Acts of one person with htmx, after which the feed has changed for visitors."""

    def __init__(self, client: Client, instance: WidgetInstance, act: Any) -> None:
        self.client, self.instance, self._act = client, instance, act

    def __call__(self, **fields: Any) -> str:
        answer = self._act(self.client.post, url(self.instance), fields, headers=HTMX)
        assert answer.status_code == 200
        html: str = answer.content.decode()
        assert "<html" not in html
        assert html.lstrip().startswith('<div id="moderation"')
        return html

    def undo(self, html: str) -> str:
        return self(**undo_fields(html))


@pytest.fixture
def acting(people: Cast, widget: WidgetInstance, act: Any) -> Acting:
    return Acting(people.editor, widget, act)


def test_posts_are_hidden_and_shown_again_several_at_once(acting: Acting, widget: WidgetInstance) -> None:
    hidden = acting(act="hide", post=IDS[:2])
    assert said(hidden) == "2 posts hidden."
    assert shown(widget) == IDS[2:]
    assert said(acting(act="hide", post=IDS[1])) == "Nothing was changed."
    assert said(acting.undo(hidden)) == "Undone."
    assert shown(widget) == IDS


def test_undoing_leaves_what_others_did_meanwhile(acting: Acting, widget: WidgetInstance) -> None:
    first = acting(act="hide", post=IDS[0])
    acting(act="hide", post=IDS[1])
    acting.undo(first)
    assert shown(widget) == [IDS[0], *IDS[2:]]


def test_words_that_somebody_else_saved_meanwhile_are_kept_or_reported(acting: Acting) -> None:
    page = {"act": "words", "shown_required": "", "shown_excluded": ""}
    first = acting(**page, required="bread", excluded="")
    assert said(acting(**page, required="", excluded="tart")) == "The words were saved."

    refused = acting(**page, required="cups", excluded="")

    assert "Somebody else has saved “bread” meanwhile." in said(refused)
    assert 'value="cups"' in refused
    assert words_of(acting) == (["bread"], ["tart"])
    again = {name: html_value(refused, name) for name in ("shown_required", "shown_excluded")}
    assert said(acting(act="words", required="cups", excluded="tart", **again)) == "The words were saved."
    assert words_of(acting) == (["cups"], ["tart"])
    assert "Somebody else has saved “cups” meanwhile." in said(acting.undo(first))
    assert words_of(acting) == (["cups"], ["tart"])


def words_of(acting: Acting) -> tuple[list[str], list[str]]:
    acting.instance.refresh_from_db()
    return acting.instance.required_words, acting.instance.excluded_words


def html_value(html: str, name: str) -> str:
    return re.findall(rf'name="{name}" value="([^"]*)"', html)[0]


def test_a_description_that_somebody_else_saved_meanwhile_is_reported(acting: Acting) -> None:
    page = {"act": "describe", "post": IDS[0], "shown_text": ""}
    acting(**page, text="A loaf")
    assert said(acting(**page, text=" A  loaf ")) == "The description was saved."

    refused = acting(**page, text="Rye bread")

    assert "Somebody else has saved “A loaf” meanwhile." in said(refused)
    assert ">Rye bread</textarea>" in refused
    acting.instance.refresh_from_db()
    assert acting.instance.alt_texts == {IDS[0]: "A loaf"}
    saved = acting(
        act="describe", post=IDS[0], text="Rye bread", shown_text=html_value(refused, "shown_text")
    )
    acting(act="describe", post=IDS[0], text="Rye", shown_text="Rye bread")
    assert "Somebody else has saved “Rye” meanwhile." in said(acting.undo(saved))


def test_pins_that_somebody_else_changed_meanwhile_are_not_undone(acting: Acting) -> None:
    first = acting(act="pin", post=IDS[2])
    acting(act="pin", post=IDS[3])
    assert "have been changed meanwhile" in said(acting.undo(first))
    acting.instance.refresh_from_db()
    assert acting.instance.pinned_post_ids == [IDS[3], IDS[2]]


def test_pinned_posts_come_first_and_can_be_moved(acting: Acting, widget: WidgetInstance) -> None:
    acting(act="pin", post=IDS[2])
    second = acting(act="pin", post=IDS[3])
    assert shown(widget) == [IDS[3], IDS[2], IDS[0], IDS[1]]
    assert re.findall(r"Pinned · \d", second) == ["Pinned · 1", "Pinned · 2"]
    assert re.findall(r'<li id="post-(\d+)"', second) == shown(widget)
    moved = acting(act="pin", post=IDS[2])
    assert shown(widget)[:2] == [IDS[2], IDS[3]]
    acting.undo(moved)
    assert shown(widget)[:2] == [IDS[3], IDS[2]]
    unpinned = acting(act="unpin", post=IDS[3])
    acting.undo(unpinned)
    assert shown(widget)[:2] == [IDS[3], IDS[2]]


def test_the_thirteenth_pin_is_refused(acting: Acting, widget: WidgetInstance) -> None:
    acting(act="pin", post=[str(number) for number in range(12)])
    refused = acting(act="pin", post=IDS[0])
    assert "At most 12 posts can be pinned" in said(refused)
    assert 'role="alert"' in refused
    assert shown(widget)[0] == IDS[0]
    assert "12 pinned posts are no longer in the feed." in refused


def test_words_filter_posts_and_typed_words_are_kept(acting: Acting, widget: WidgetInstance) -> None:
    saved = acting(act="words", required="bread, cups", excluded="#SALE")
    assert said(saved) == "The words were saved."
    assert shown(widget) == [IDS[0]]
    assert "3 of 4 posts are hidden by your word filter." in saved
    assert 'value="bread, cups"' in saved
    refused = acting(act="words", required="x" * 101, excluded="tart")
    assert "at most 100 characters" in said(refused)
    assert "x" * 101 in refused
    assert 'value="tart"' in refused
    assert shown(widget) == [IDS[0]]
    acting.undo(saved)
    assert shown(widget) == IDS


def test_a_post_can_be_described(acting: Acting, widget: WidgetInstance) -> None:
    saved = acting(act="describe", post=IDS[0], text='A "loaf" <of> bread')
    assert "A &quot;loaf&quot; &lt;of&gt; bread</textarea>" in saved
    widget.refresh_from_db()
    assert widget.alt_texts == {IDS[0]: 'A "loaf" <of> bread'}
    assert "at most 1000 characters" in said(acting(act="describe", post=IDS[0], text="x" * 1_001))
    acting.undo(saved)
    widget.refresh_from_db()
    assert widget.alt_texts == {}


def test_new_posts_of_a_hashtag_wait_for_approval(people: Cast, tag: WidgetInstance, act: Any) -> None:
    acting = Acting(people.owner, tag, act)
    first, second, third = shown(tag)
    switched = acting(act="approval", needed="yes")
    assert "Those shown now stay" in said(switched)
    assert shown(tag) == [first, second, third]
    acting(act="withdraw", post=[first, second])
    assert shown(tag) == [third]
    waiting = people.owner.get(url(tag), {"show": "waiting"}).content.decode()
    assert "<strong>2 posts are waiting.</strong>" in waiting
    assert re.findall(r'<li id="post-(\d+)"', waiting) == [first, second]
    assert "2 posts are waiting for approval" in people.viewer.get(f"/editor/{tag.pk}/").content.decode()
    approved = acting(act="approve", post=first)
    assert "<strong>1 post is waiting.</strong>" in approved
    assert shown(tag) == [first, third]
    off = acting(act="approval", needed="no")
    assert shown(tag) == [first, second, third]
    acting.undo(off)
    assert shown(tag) == [first, third]


def test_a_profile_has_no_approval(people: Cast, widget: WidgetInstance) -> None:
    assert "Approval" not in people.owner.get(url(widget)).content.decode()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("", 4), ("shown", 3), ("hidden", 1), ("pinned", 1), ("waiting", 0), ("odd", 4)],
)
def test_the_list_can_be_filtered(acting: Acting, people: Cast, chosen: str, expected: int) -> None:
    acting(act="hide", post=IDS[0])
    acting(act="pin", post=IDS[1])
    html = people.viewer.get(url(acting.instance), {"show": chosen}).content.decode()
    assert html.count('<li id="post-') == expected


def test_posts_beyond_the_number_shown_are_marked(people: Cast, widget: WidgetInstance) -> None:
    WidgetInstance.objects.update(max_posts=3)
    html = people.viewer.get(url(widget)).content.decode()
    assert html.count("Not among the first 3") == 1
    assert "3 of 4 shown" in html


def test_captions_are_escaped(people: Cast, widget: WidgetInstance) -> None:
    html = people.editor.get(url(widget)).content.decode()
    assert "&lt;b&gt;Tart&lt;/b&gt;" in html
    assert "<b>Tart</b>" not in html


def test_without_htmx_the_page_loads_again_and_says_it_once(people: Cast, widget: WidgetInstance) -> None:
    answer = people.editor.post(url(widget), {"act": "hide", "post": IDS[0]})
    assert (answer.status_code, answer["Location"]) == (302, f"{url(widget)}#post-{IDS[0]}")
    page = people.editor.get(url(widget)).content.decode()
    assert said(page) == "1 post hidden."
    assert said(people.editor.get(url(widget)).content.decode()) == ""
    people.editor.post(url(widget), undo_fields(page))
    widget.refresh_from_db()
    assert widget.hidden_post_ids == []
    many = [str(number) for number in range(400)]
    people.editor.post(url(widget), {"act": "hide", "post": many})
    too_much_to_keep = people.editor.get(url(widget)).content.decode()
    assert said(too_much_to_keep) == "400 posts hidden."
    assert 'id="undo"' not in too_much_to_keep
    people.editor.cookies["posts-done"] = "forged:value"
    assert people.editor.get(url(widget)).status_code == 200
    refused = people.editor.post(url(widget), {"act": "words", "required": "x" * 101})
    assert refused.status_code == 400
    assert "x" * 101 in refused.content.decode()
    nothing = people.editor.post(url(widget), {"act": "hide", "bulk": "yes"})
    assert "Select at least one post first." in nothing.content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"post": IDS[0]},
        {"act": "hide"},
        {"act": "burn", "post": IDS[0]},
        {"act": "hide", "post": "<x>"},
        {"act": "hide", "post": "1" * 65},
        {"act": "hide", "post": ["1"] * 501},
        {"act": "describe", "text": "a loaf"},
        {"act": "pins", "post": "a b"},
    ],
)
def test_odd_acts_are_refused(people: Cast, widget: WidgetInstance, fields: dict[str, Any]) -> None:
    for headers in ({}, HTMX):
        assert people.editor.post(url(widget), fields, headers=headers).status_code == 400
    widget.refresh_from_db()
    assert (widget.hidden_post_ids, widget.pinned_post_ids, widget.alt_texts) == ([], [], {})


def test_who_may_moderate(people: Cast, widget: WidgetInstance) -> None:
    hide = {"act": "hide", "post": IDS[0]}
    assert people.viewer.post(url(widget), hide).status_code == 403
    assert people.outsider.post(url(widget), hide).status_code == 404
    assert people.outsider.get(url(widget)).status_code == 404
    assert people.anonymous.get(url(widget)).status_code == 302
    seen = people.viewer.get(url(widget)).content.decode()
    assert "Bread" in seen
    assert "<button" not in seen.partition('id="moderation"')[2]
    assert shown(widget) == IDS
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.editor.get("/editor/").wsgi_request.user)
    assert strict.post(url(widget), hide, headers=HTMX).status_code == 403


def test_a_part_of_the_page_that_needs_a_new_sign_in_loads_the_sign_in_page(
    people: Cast, widget: WidgetInstance
) -> None:
    answer = people.anonymous.post(url(widget), {"act": "hide", "post": IDS[0]}, headers=HTMX)
    assert answer["HX-Redirect"] == f"/accounts/login/?next={url(widget)}"


def test_acts_are_audited_without_posts_or_words(acting: Acting, widget: WidgetInstance) -> None:
    acting(act="pin", post=IDS[:2])
    acting(act="words", required="bread", excluded="")
    acting(act="describe", post=IDS[0], text="A loaf")
    acting(act="unpin", post=IDS[0])
    events = AuditEvent.objects.filter(instance_id=widget.pk).order_by("id")
    assert [(event.actor, event.action, event.note) for event in events] == [
        ("editor", "post_pinned", "2 posts"),
        ("editor", "settings_changed", "words"),
        ("editor", "settings_changed", "alternative texts"),
        ("editor", "post_unpinned", ""),
    ]


def test_a_widget_without_posts_says_so(people: Cast, make_instance: Any) -> None:
    assert "No posts have been loaded yet." in people.editor.get(url(make_instance())).content.decode()
