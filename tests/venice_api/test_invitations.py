"""The page of an invitation's link: accepted once, by the person it is for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from entitlements.models import Invitation, Membership
from tests.conftest import Cast
from tests.venice_api.test_accounts import PASSWORD, is_in, sign_in

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ACCOUNT = {"username": "kim", "password1": PASSWORD}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "mail_at_once")]


def invited(people: Cast, email: str = "kim@shop.example", role: str = "editor") -> str:
    """The path of the link that was mailed."""
    people.owner.post(
        f"/editor/workspaces/{people.workspace.pk}/members/invite/", {"email": email, "role": role}
    )
    (link,) = re.findall(r"https?://\S+", str(mail.outbox[-1].body))
    return str(link).removeprefix("http://127.0.0.1:8000")


def role_of(name: str) -> str | None:
    return Membership.objects.filter(user__username=name).values_list("role", flat=True).first()


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode()).replace("&#x27;", "'")


def test_a_person_without_an_account_makes_one(people: Cast) -> None:
    link, client = invited(people), Client()
    page = client.get(link)
    assert "Join Acme Bakery" in words(page)
    assert (page["Referrer-Policy"], "no-store" in page["Cache-Control"]) == ("strict-origin", True)

    done = client.post(link, ACCOUNT)

    assert (done.status_code, done["Location"]) == (302, "/editor/")
    assert "Welcome to Acme Bakery." in words(client.get("/editor/"))
    kim = User.objects.get(username="kim")
    assert (kim.email, kim.is_staff, role_of("kim")) == ("kim@shop.example", False, "editor")
    assert kim.emailaddress_set.get().verified  # type: ignore[attr-defined]
    assert is_in(sign_in("kim@shop.example"))
    used = Client().post(link, ACCOUNT | {"username": "max"})
    assert (used.status_code, "was already used" in words(used)) == (410, True)
    assert not User.objects.filter(username="max").exists()


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"username": "owner", "password1": PASSWORD}, "Someone else uses this username."),
        ({"username": "OWNER", "password1": PASSWORD}, "Someone else uses this username."),
        ({"username": "max@shop.example", "password1": PASSWORD}, "can't contain @"),
        ({"username": "", "password1": PASSWORD}, "required"),
        ({"username": "k" * 151, "password1": PASSWORD}, "at most 150"),
        ({"username": "k\0m", "password1": PASSWORD}, "Null characters"),
        ({"username": "kim", "password1": "password"}, "too common"),
        ({"username": "kim", "password1": "short"}, "too short"),
        ({"username": "kim", "password1": "kim@shop.example"}, "too similar"),
        ({"username": "kim", "password1": ""}, "required"),
    ],
)
def test_a_bad_account_is_refused_at_its_field(people: Cast, typed: dict[str, str], why: str) -> None:
    link = invited(people)
    refused = Client().post(link, typed)
    assert refused.status_code == 400
    assert why in words(refused)
    assert not User.objects.filter(email="kim@shop.example").exists()
    assert Client().post(link, ACCOUNT).status_code == 302


def test_a_person_with_an_account_signs_in_and_accepts(people: Cast) -> None:
    User.objects.create_user("kim", "Kim@shop.example", PASSWORD)
    link, client = invited(people), Client()
    page = client.get(link)
    assert "Sign in to accept." in words(page)
    (to_sign_in,) = re.findall(r'href="(/accounts/login/\?next=[^"]+)"', page.content.decode())
    back = client.post(to_sign_in, {"username": "kim", "password": PASSWORD})
    assert back["Location"] == link
    assert "Accept as kim" in words(client.get(link))
    assert role_of("kim") is None

    assert client.post(link)["Location"] == "/editor/"

    assert role_of("kim") == "editor"
    assert "was already used" in words(client.get(link))


def test_an_account_is_never_made_for_an_address_that_has_one(people: Cast) -> None:
    User.objects.create_user("kim", "kim@shop.example", PASSWORD)
    assert Client().post(invited(people), ACCOUNT | {"username": "kim2"}).status_code == 409
    assert not User.objects.filter(username="kim2").exists()


def test_a_link_for_another_address_says_so(people: Cast) -> None:
    link = invited(people)
    User.objects.filter(username="outsider").update(email="out@shop.example")
    page = people.outsider.get(link)
    assert (
        "You're signed in as outsider (out@shop.example), but the invitation is for kim@shop.example."
        in words(page)
    )
    assert people.outsider.post(link).status_code == 409
    assert role_of("kim") is None
    left = people.outsider.post("/accounts/logout/", {"next": link})
    assert left["Location"] == link
    assert "Create account and join" in words(people.outsider.get(link))


def test_expired_withdrawn_and_replaced_links_each_say_so(people: Cast, clock: Any) -> None:
    first = invited(people)
    second = invited(people)
    assert "sending an invitation again replaces its link" in words(Client().get(first))
    clock.move_to(NOW + timedelta(days=7), tick=False)
    late = Client().post(second, ACCOUNT)
    assert (late.status_code, "has expired" in words(late)) == (410, True)
    clock.move_to(NOW, tick=False)
    invitation = Invitation.objects.get()
    people.owner.post(
        f"/editor/workspaces/{people.workspace.pk}/members/invitations/{invitation.pk}/withdraw/"
    )
    assert "was withdrawn" in words(Client().get(second))
    assert not User.objects.filter(username="kim").exists()


def test_a_member_already_there_is_told_so(people: Cast) -> None:
    link = invited(people)
    User.objects.filter(username="viewer").update(email="kim@shop.example")
    done = people.viewer.post(link, follow=True)
    assert "You're already a member of this workspace." in words(done)
    assert role_of("viewer") == "viewer"


@pytest.mark.parametrize("code", ["x", "x:y", "%00", "%F0%9F%98%80", "a" * 3_000])
def test_a_made_up_link(client: Client, db: None, code: str) -> None:
    answer = client.get(f"/invitations/{code}/")
    assert answer.status_code in {400, 404}


def test_accepting_needs_a_csrf_token(people: Cast) -> None:
    assert Client(enforce_csrf_checks=True).post(invited(people), ACCOUNT).status_code == 403
    assert not User.objects.filter(username="kim").exists()
