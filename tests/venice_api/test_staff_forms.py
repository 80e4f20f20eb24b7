"""The form of a widget in the admin: no JSON, the editor's checks, and nothing lost that an editor saves meanwhile."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.auth.models import Permission, User
from django.db.models import JSONField
from django.test import Client, RequestFactory
from django.utils import timezone

from paris_integration.models import AuditEvent
from paris_integration.public import Actor, force_refresh
from tests.conftest import Cast, signed_in
from tests.fakes import FakeProvider
from venice_api import appearance, moderation
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.moderation import Act

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LIST = "/admin/venice_api/widgetinstance/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def staff(name: str, *permissions: str) -> Client:
    user = User.objects.create(username=name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)[0]


@pytest.fixture
def desk(db: None) -> Client:
    return staff(
        "desk",
        "view_widgetinstance",
        "change_widgetinstance",
        "add_widgetinstance",
        "view_workspace",
    )


@pytest.fixture
def onlooker(db: None) -> Client:
    return staff("onlooker", "view_widgetinstance")


def page_of(instance: WidgetInstance, act: str = "change") -> str:
    return f"{LIST}{quote(instance.pk)}/{act}/"


def shown(client: Client, instance: WidgetInstance) -> dict[str, Any]:
    """What a browser sends back from the page: each field, and the hidden one that repeats what was shown."""
    form = client.get(page_of(instance)).context["adminform"].form
    sent = {}
    for name in form.fields:
        value = form[name].value()
        sent |= {name: value, form.add_initial_prefix(name): value}
    return {name: value for name, value in sent.items() if value is not None and value is not False}


def loaded(instance: WidgetInstance) -> list[str]:
    """Load the widget's posts. Returns their ids."""
    known = from_row(instance)
    view = force_refresh(known.feed_key(), known.selection(), actor=Actor(1, "editor"), now=timezone.now())
    return [post.id for post in view.posts]


def test_no_form_of_the_admin_has_json(admin_user: User, people: Cast, instance: WidgetInstance) -> None:
    request = RequestFactory().get("/")
    for user in (admin_user, User.objects.get(username="outsider")):
        request.user = user
        for model, pages in admin.site._registry.items():
            row = model._base_manager.first()
            columns = {field.name for field in model._meta.get_fields() if isinstance(field, JSONField)}
            made = [pages.get_form(request, row, change=True).base_fields]
            edited = set(made[0]) if pages.has_change_permission(request, row) else set()
            listed = {*flatten_fieldsets(pages.get_fieldsets(request, row)), *pages.get_list_display(request)}
            assert not columns & listed - edited, model
            if pages.has_add_permission(request):
                made.append(pages.get_form(request, None, change=False).base_fields)
            made += [
                inline.get_formset(request, row).form.base_fields
                for inline in pages.get_inline_instances(request, row)
            ]
            for fields in made:
                assert not [name for name, field in fields.items() if isinstance(field, forms.JSONField)], (
                    model
                )
    assert WidgetInstance in admin.site._registry


def test_sites_are_typed_one_per_line(desk: Client, instance: WidgetInstance) -> None:
    typed = shown(desk, instance) | {
        "allowed_origins": "https://shop.example\r\nblog.example/news\r\n\r\nhttp://localhost:3000"
    }
    saved = desk.post(page_of(instance), typed, follow=True)
    instance.refresh_from_db()
    assert instance.allowed_origins == [
        "https://shop.example", "https://blog.example", "http://localhost:3000",
    ]  # fmt: skip
    assert "“blog.example/news” is a page&#x27;s address" in saved.content.decode()
    again = desk.get(page_of(instance)).context["adminform"].form["allowed_origins"]
    assert again.value() == "https://shop.example\nhttps://blog.example\nhttp://localhost:3000"


def test_wrong_sites_are_named_and_kept(desk: Client, instance: WidgetInstance) -> None:
    typed = shown(desk, instance) | {
        "name": "New", "allowed_origins": "https://shop.example\r\n*.shop.example\r\nfoo bar\x00",
    }  # fmt: skip
    refused = html.unescape(desk.post(page_of(instance), typed).content.decode())
    assert "Null characters are not allowed" in refused
    typed["allowed_origins"] = "https://shop.example\r\n*.shop.example\r\nnonsense"
    response = desk.post(page_of(instance), typed)
    refused = html.unescape(response.content.decode())
    assert "Line 2: “*.shop.example” contains a wildcard." in refused
    assert "Line 3: “nonsense” isn't the address of a site, such as https://shop.example." in refused
    assert "https://shop.example\r\n*.shop.example\r\nnonsense</textarea>" in refused
    assert 'value="New"' in refused
    instance.refresh_from_db()
    assert (instance.name, instance.allowed_origins) == ("", [])


WRONG = [
    ("columns", "99999999999999999999", "Enter a whole number from 1 to 12."),
    ("max_posts", "9" * 30, "Ensure this value is less than or equal to 48."),
    ("gap", "wide", "Enter a whole number from 0 to 60."),
    ("layout", "spiral", "Choose one of these."),
    ("header_text", "a\x07b", "Must not contain control characters."),
    ("required_words", "x" * 101, "Must be at most 100 characters."),
    ("allowed_origins", "\n".join(f"s{n}.example" for n in range(51)), "Enter at most 50 sites."),
    ("workspace", "no-uuid", "“no-uuid” is not a valid UUID."),
]


def test_wrong_values_are_named(desk: Client, instance: WidgetInstance) -> None:
    typed = shown(desk, instance) | {field: text for field, text, _ in WRONG}
    found = desk.post(page_of(instance), typed).context["adminform"].form.errors
    assert {field: found[field][0] for field, _, _ in WRONG} == {
        field: message for field, _, message in WRONG
    }
    instance.refresh_from_db()
    assert (instance.appearance, instance.required_words, instance.allowed_origins) == ({}, [], [])


def test_looks_are_fields_and_only_changed_ones_are_saved(desk: Client, instance: WidgetInstance) -> None:
    desk.post(page_of(instance), shown(desk, instance) | {"name": "Front"})
    instance.refresh_from_db()
    assert (instance.name, instance.appearance) == ("Front", {})

    typed = shown(desk, instance)
    assert (typed["layout"], typed["columns"], typed["header"]) == ("grid", 4, True)
    editors = appearance.stored(appearance.Appearance(theme="dark", header_text="Fresh"))
    WidgetInstance.objects.filter(pk=instance.pk).update(appearance=editors)
    desk.post(page_of(instance), typed | {"layout": "masonry", "columns": "6"})
    instance.refresh_from_db()
    looks = appearance.parse(instance.appearance)
    assert (looks.layout, looks.columns.wide) == ("masonry", 6)
    assert (looks.theme, looks.header_text) == (
        "dark",
        "Fresh",
    )  # the editor's, saved after the page was opened


def test_what_an_editor_saves_meanwhile_stays(desk: Client, instance: WidgetInstance) -> None:
    typed = shown(desk, instance)
    WidgetInstance.objects.filter(pk=instance.pk).update(
        name="By the editor", max_posts=7, allowed_origins=["https://editor.example"], pinned_post_ids=["1"]
    )
    assert desk.post(page_of(instance), typed | {"filter_type": "video"}).status_code == 302
    instance.refresh_from_db()
    assert (instance.name, instance.max_posts, instance.allowed_origins, instance.pinned_post_ids) == (
        "By the editor", 7, ["https://editor.example"], ["1"],
    )  # fmt: skip
    assert instance.filter_type == "video"
    assert list(AuditEvent.objects.values_list("actor", "note")) == [("desk", "kinds of posts")]


def test_the_same_field_changed_twice_is_reported(desk: Client, instance: WidgetInstance) -> None:
    typed = shown(desk, instance) | {"name": "Mine", "allowed_origins": "https://mine.example"}
    WidgetInstance.objects.filter(pk=instance.pk).update(
        name="Theirs", allowed_origins=["https://theirs.example"]
    )
    response = desk.post(page_of(instance), typed)
    form = response.context["adminform"].form
    assert form.errors["name"] == [
        "Somebody else has saved “Theirs” meanwhile. Save again to replace it with yours."
    ]
    assert "“https://theirs.example”" in form.errors["allowed_origins"][0]
    assert form["name"].value() == "Mine"
    instance.refresh_from_db()
    assert instance.name == "Theirs"

    again = typed | {form.add_initial_prefix(name): form.data[form.add_initial_prefix(name)] for name in typed
                     if form.add_initial_prefix(name) in form.data}  # fmt: skip
    assert desk.post(page_of(instance), again).status_code == 302
    instance.refresh_from_db()
    assert (instance.name, instance.allowed_origins) == ("Mine", ["https://mine.example"])


def test_words_and_approval(desk: Client, make_instance: Any, provider: FakeProvider) -> None:
    widget = make_instance(source_type="hashtag", source_value="bread")
    provider_ids = ["1", "2"]
    widget.approved_post_ids = provider_ids
    widget.save()
    typed = shown(desk, widget)
    assert "follow_button" not in typed
    typed |= {"required_words": "bread\r\n\r\n#Sale", "excluded_words": "spam", "needs_approval": "on"}
    assert desk.post(page_of(widget), typed).status_code == 302
    widget.refresh_from_db()
    assert (widget.required_words, widget.excluded_words) == (["bread", "#Sale"], ["spam"])
    assert (widget.needs_approval, widget.approved_post_ids) == (True, provider_ids)


def test_approval_keeps_what_visitors_see(
    desk: Client, instance: WidgetInstance, provider: FakeProvider
) -> None:
    ids = loaded(instance)
    desk.post(page_of(instance), shown(desk, instance) | {"needs_approval": "on"})
    instance.refresh_from_db()
    assert ids
    assert (instance.needs_approval, sorted(instance.approved_post_ids)) == (True, sorted(ids))


def test_hidden_and_pinned_posts_can_be_seen_and_removed(
    desk: Client, onlooker: Client, people: Cast, instance: WidgetInstance, provider: FakeProvider
) -> None:
    first, second, *_ = loaded(instance)
    moderation.moderate(instance.pk, Act.HIDE, [first, "17900000000000009"])
    moderation.moderate(instance.pk, Act.PIN, [second])
    AuditEvent.objects.all().delete()
    for client, buttons in ((desk, 3), (onlooker, 0)):
        page = client.get(page_of(instance))
        text = page.content.decode()
        assert text.count('class="act act-harmless"') == buttons
        assert "<bdi>17900000000000009</bdi> no longer in the feed" in text
        assert text.count('loading="lazy"') == 2
        assert "img-src 'self' data: https:" in page["Content-Security-Policy"]

    act = page_of(instance, "posts")
    assert onlooker.post(act, {"show": first}).status_code == 403
    assert people.owner.post(act, {"show": first}).status_code == 302  # to the sign-in page
    assert desk.get(act).status_code == 405
    assert Client(enforce_csrf_checks=True).post(act, {"show": first}).status_code == 403
    assert desk.post(f"{LIST}nobody/posts/", {"show": first}).status_code == 404
    assert desk.post(act, {"show": "no-such-post\x00"}).status_code == 302
    instance.refresh_from_db()
    assert (instance.hidden_post_ids, instance.pinned_post_ids) == ([first, "17900000000000009"], [second])

    done = desk.post(act, {"show": "17900000000000009"}, follow=True)
    assert "The post is no longer hidden." in done.content.decode()
    support = staff("support", "view_widgetinstance", "act_for_customer")
    support.post(act, {"unpin": second})
    instance.refresh_from_db()
    assert (instance.hidden_post_ids, instance.pinned_post_ids) == ([first], [])
    events = AuditEvent.objects.order_by("id").values_list("actor", "action")
    assert list(events) == [("desk", "post_shown"), ("support", "post_unpinned")]


def test_people_who_may_only_look_see_it_in_words(onlooker: Client, make_instance: Any) -> None:
    widget = make_instance(
        allowed_origins=["https://a.example", "https://b.example"],
        required_words=["bread"],
        appearance=appearance.stored(appearance.Appearance(layout="masonry", header_text="Fresh")),
    )
    page = onlooker.get(page_of(widget)).content.decode()
    assert "<bdi>https://a.example</bdi><br><bdi>https://b.example</bdi>" in page
    assert "only posts with bread" in page
    assert "<bdi>Layout: Masonry</bdi>" in page
    assert "<bdi>Header text: Fresh</bdi>" in page
    assert "<bdi>Posts per page: 0</bdi>" in page
    assert "<textarea" not in page
    assert onlooker.post(page_of(widget), {"name": "x"}).status_code == 403


@pytest.mark.parametrize(
    "values",
    [
        {"appearance": {"layout": "of a later release", "columns": 7}},
        {"appearance": [], "hidden_post_ids": {}, "allowed_origins": {}, "required_words": {}},
        {"name": "\u202eשלום" * 40, "pinned_post_ids": ["x" * 300] * 90},
        {"source_value": ""},
    ],
    ids=["later looks", "empty JSON", "long and bidi", "no source"],
)
def test_odd_rows_can_be_opened_and_saved(
    desk: Client, onlooker: Client, make_instance: Any, values: dict[str, Any]
) -> None:
    widget = make_instance(**values)
    for client in (desk, onlooker):
        assert client.get(page_of(widget)).status_code == 200
        assert client.get(LIST).status_code == 200
    typed = shown(desk, widget) | {"max_posts": "5", "source_value": "acme"}
    assert desk.post(page_of(widget), typed).status_code == 302
    widget.refresh_from_db()
    assert (widget.max_posts, widget.source_value) == (5, "acme")


def test_a_new_widget_has_settings_alone(desk: Client, people: Cast) -> None:
    assert "layout" not in desk.get(f"{LIST}add/").context["adminform"].form.fields
    typed = {
        "name": "New", "workspace": str(people.workspace.pk), "source_type": "profile", "source_value": "@acme",
        "max_posts": "6", "filter_type": "all", "allowed_origins": "shop.example", "required_words": "bread",
    }  # fmt: skip
    assert desk.post(f"{LIST}add/", typed).status_code == 302
    made = WidgetInstance.objects.get()
    assert (made.source_value, made.allowed_origins, made.required_words, made.appearance) == (
        "acme", ["https://shop.example"], ["bread"], {},
    )  # fmt: skip
