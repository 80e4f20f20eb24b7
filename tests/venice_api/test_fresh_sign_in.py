"""What the session keeps of a form that came too late, and that it is sent again after a new sign-in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from entitlements.models import Plan
from tests.conftest import Cast
from tests.venice_api.test_accounts_second_step import code, set_up
from venice_api.accounts.freshness import ADMIN_PAGES, PAGES_WITH_SECRETS

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
CANARY = "canary-Zq7-words"
GROUPS = "/admin/auth/group/add/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "mail_at_once")]


def in_sessions() -> str:
    """The content of the session table, which is signed text that may be compressed."""
    rows = Session.objects.all()
    return "\n".join([str(row.get_decoded()) for row in rows] + [row.session_data for row in rows])


def confirm(client: Client, asked: Any) -> Any:
    next_page = parse_qs(urlsplit(asked["Location"]).query)["next"][0]
    return client.post(asked["Location"], {"password": "x", "next": next_page})


@pytest.fixture
def sam(db: None) -> User:
    return User.objects.create_user("sam", "sam@shop.example", "old-words-of-sam")


def page_of(name: str, sam: User) -> str:
    return reverse(f"admin:{name}", args=[sam.pk] if name == "auth_user_password_change" else [])


TYPED = {
    "auth_user_password_change": {"usable_password": "true", "password1": CANARY, "password2": CANARY},
    "auth_user_add": {
        "username": "kim", "usable_password": "true", "password1": CANARY, "password2": CANARY,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_a_password_for_somebody_else_is_not_stored(desk: Client, clock: Any, sam: User, name: str) -> None:
    page = page_of(name, sam)
    clock.move_to(LATER, tick=False)
    desk.cookies["other"] = "canary-cookie"

    late = desk.post(page, TYPED[name])

    assert late["Location"].startswith("/accounts/reauthenticate/?next=")
    assert "canary" not in in_sessions()
    done = confirm(desk, late)
    assert (done.status_code, done["Location"]) == (302, page)
    form = desk.get(page)
    assert "canary" not in form.content.decode()
    assert "passwords aren" in form.content.decode()
    sam.refresh_from_db()
    assert sam.check_password("old-words-of-sam")
    assert not User.objects.filter(username="kim").exists()

    assert desk.post(page, TYPED[name]).status_code == 302
    assert User.objects.latest("pk").check_password(CANARY)
    assert CANARY not in in_sessions()


@pytest.mark.parametrize("name", TYPED)
def test_a_form_for_passwords_is_shown_only_after_a_fresh_sign_in(
    desk: Client, clock: Any, sam: User, name: str
) -> None:
    page = page_of(name, sam)
    assert desk.get(page).status_code == 200
    clock.move_to(LATER, tick=False)

    asked = desk.get(page)

    assert asked["Location"].startswith("/accounts/reauthenticate/?next=")
    assert confirm(desk, asked)["Location"] == page
    assert desk.get(page).status_code == 200


def test_all_protected_pages_that_ask_for_passwords_are_known(desk: Client, people: Cast, sam: User) -> None:
    group, plan = Group.objects.create(name="Helpers"), Plan.objects.get(key="pro")
    rows = {"auth_user": sam.pk, "auth_group": group.pk, "entitlements_plan": plan.pk}
    rows["entitlements_workspace"] = people.workspace.pk
    asking = set()
    for pattern in (each for entry in admin.site.get_urls() for each in getattr(entry, "url_patterns", [])):
        if not str(pattern.name).startswith(ADMIN_PAGES):
            continue
        pk = next((pk for model, pk in rows.items() if pattern.name.startswith(f"{model}_")), 0)
        arguments = [pk] if pattern.pattern.regex.groups else []
        answer = desk.get(reverse(f"admin:{pattern.name}", args=arguments))
        if answer.status_code == 200 and 'type="password"' in answer.content.decode():
            asking.add(pattern.name)
    assert asking == {name for name in PAGES_WITH_SECRETS if name.startswith(ADMIN_PAGES)}


def test_a_new_password_of_ones_own_is_not_stored(client: Client, clock: Any, act: Any) -> None:
    """For people without one, who confirm with a second factor."""
    kim = User.objects.create_user("kim", "kim@shop.example")
    client.force_login(kim)
    secret, _ = set_up(client, act)
    clock.move_to(LATER, tick=False)

    late = client.post("/accounts/password/set/", {"password1": CANARY, "password2": CANARY})

    assert late["Location"].startswith("/accounts/reauthenticate/code/?next=")
    assert CANARY not in in_sessions()
    done = client.post(late["Location"], {"code": code(secret, 0, LATER)})
    assert done["Location"] == "/accounts/password/set/"
    assert client.get(done["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("page", "typed"),
    [
        (GROUPS, {"name": "Helpers"}),
        ("/accounts/email/", {"action_add": "", "email": "new@shop.example"}),
    ],
)
def test_of_other_forms_only_the_fields_are_stored(
    desk: Client, clock: Any, page: str, typed: dict[str, str]
) -> None:
    desk.cookies["other"] = "canary-cookie"
    clock.move_to(LATER, tick=False)

    late = desk.post(
        page,
        {**typed, "csrfmiddlewaretoken": "canary-token"},
        headers={"Authorization": "canary", "User-Agent": "canary"},
    )

    assert late["Location"].startswith("/accounts/reauthenticate/?next=")
    assert urlencode(typed) in in_sessions()
    assert "canary" not in in_sessions()
    confirm(desk, late)
    assert urlencode(typed) not in in_sessions()


def test_a_form_is_sent_again_with_its_query(desk: Client, clock: Any) -> None:
    clock.move_to(LATER, tick=False)
    page = f"{GROUPS}?_changelist_filters=q%3DHelp"

    done = confirm(desk, desk.post(page, {"name": "Helpers"}))

    assert Group.objects.filter(name="Helpers").exists()
    assert done["Location"] == "/admin/auth/group/?q=Help"


def test_a_form_sent_again_is_shown_with_its_mistakes(desk: Client, clock: Any) -> None:
    clock.move_to(LATER, tick=False)

    shown = confirm(desk, desk.post(GROUPS, {"name": ""}))

    assert shown.status_code == 200
    assert "This field is required." in shown.content.decode()
    assert desk.post(GROUPS, {"name": "Helpers"}).status_code == 302


def test_a_form_that_was_given_up_is_not_sent_with_another_page(desk: Client, clock: Any) -> None:
    clock.move_to(LATER, tick=False)
    desk.post(GROUPS, {"name": "Helpers"})

    elsewhere = desk.post("/accounts/reauthenticate/?next=/admin/", {"password": "x", "next": "/admin/"})

    assert (elsewhere.status_code, elsewhere["Location"]) == (302, "/admin/")
    assert not Group.objects.filter(name="Helpers").exists()
