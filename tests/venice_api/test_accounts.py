"""A person's own account: sign-in by name or address, passwords, the address, sessions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from tests.stored import everything_stored
from venice_api.templatetags.account_pages import browser_words

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "the-right-password-1"
NEW = "a-better-password-2"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "mail_at_once")]


@pytest.fixture
def sam() -> User:
    return User.objects.create_user("sam", "Sam@Shop.example", PASSWORD)


def sign_in(
    name: str = "sam", password: str = PASSWORD, client: Client | None = None, **extra: Any
) -> Client:
    client = client or Client()
    client.post("/accounts/login/", {"username": name, "password": password}, **extra)
    return client


def is_in(client: Client) -> bool:
    return client.get("/editor/").status_code == 200


def link_in(message: Any) -> str:
    (link,) = re.findall(r"https?://\S+", message.body)
    return str(link).removeprefix("http://127.0.0.1:8000")


def ask_for_link(address: str = "sam@shop.example", client: Client | None = None, **extra: Any) -> Any:
    return (client or Client()).post("/accounts/password/reset/", {"email": address}, **extra)


def open_link(client: Client, link: str) -> str:
    """The address of the form behind the link, which no longer contains the key."""
    opened = client.get(link)
    assert opened.status_code == 302, opened.content
    return str(opened["Location"])


def choose(client: Client, form: str, password: str = NEW) -> Any:
    return client.post(form, {"password1": password, "password2": password})


@pytest.mark.parametrize("name", ["sam", "sam@shop.example", "SAM@shop.example", " sam "])
def test_signing_in_by_name_or_address(sam: User, name: str) -> None:
    assert is_in(sign_in(name))


@pytest.mark.parametrize("name", ["Sam", "sam@other.example", "", "sam@shop.example "])
def test_other_names_are_other_people(sam: User, name: str) -> None:
    assert is_in(sign_in(name)) is (name.strip() == "sam@shop.example")


def test_an_address_of_two_accounts_signs_in_to_neither(sam: User) -> None:
    User.objects.create_user("sam2", "sam@shop.example", PASSWORD)
    assert not is_in(sign_in("sam@shop.example"))
    assert is_in(sign_in("sam2"))


def test_guesses_by_name_and_by_address_count_together(sam: User) -> None:
    for n in range(5):
        sign_in("sam", f"guess-{n}")
        sign_in("Sam@Shop.example", f"guess-{n}")
    assert list(AccessAttempt.objects.values_list("username", "failures_since_start")) == [("sam", 10)]
    assert not is_in(sign_in("sam"))


def test_there_is_no_page_to_sign_up(client: Client) -> None:
    assert client.get("/accounts/signup/").status_code == 404


@pytest.mark.parametrize("where", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_signing_in_never_leads_elsewhere(sam: User, where: str) -> None:
    for method in ("GET", "POST"):
        client = Client()
        typed = {"username": "sam", "password": PASSWORD, **({"next": where} if method == "POST" else {})}
        path = f"/accounts/login/?next={where}" if method == "GET" else "/accounts/login/"
        assert client.post(path, typed)["Location"] == "/editor/"


def test_a_forgotten_password(sam: User) -> None:
    elsewhere = sign_in()
    asked = ask_for_link()
    assert asked["Location"] == "/accounts/password/reset/sent/"
    link = link_in(mail.outbox[0])
    browser = Client()
    form = open_link(browser, link)
    assert choose(browser, form).status_code == 302

    assert not is_in(elsewhere)
    assert not is_in(browser), "opening a mail alone doesn't sign in"
    assert not is_in(sign_in())
    assert is_in(sign_in(password=NEW))
    assert [message.subject for message in mail.outbox] == ["Set a new password", "Your password was changed"]
    key = link.rstrip("/").rpartition("/")[2]
    again = Client().get(link)
    assert "already used, or it is older" in again.content.decode()
    assert browser.get(form).status_code == 200
    assert "already used" in browser.get(form).content.decode()
    assert key not in everything_stored().replace("_password_reset_key", "")


def test_a_link_for_a_new_password_lasts_a_day(sam: User, clock: Any) -> None:
    ask_for_link()
    link = link_in(mail.outbox[0])
    clock.move_to(NOW + timedelta(hours=23), tick=False)
    assert Client().get(link).status_code == 302
    clock.move_to(NOW + timedelta(hours=25), tick=False)
    assert "doesn&#x27;t work any more" in Client().get(link).content.decode() or (
        "doesn't work any more" in Client().get(link).content.decode()
    )


@pytest.mark.parametrize("why", ["unknown", "switched off"])
def test_the_answer_tells_nobody_whether_an_account_exists(sam: User, why: str) -> None:
    if why == "switched off":
        User.objects.update(is_active=False)
    address = "nobody@shop.example" if why == "unknown" else "sam@shop.example"
    known = User.objects.create_user("kim", "kim@shop.example", PASSWORD)
    answers = [ask_for_link(address), ask_for_link(str(known.email))]

    assert [(a.status_code, a["Location"], a.content) for a in answers[:1]] == [
        (a.status_code, a["Location"], a.content) for a in answers[1:]
    ]
    assert [message.to for message in mail.outbox] == [["kim@shop.example"]]


def test_links_per_address_are_limited_whether_or_not_it_exists(sam: User) -> None:
    for address in ("sam@shop.example", "nobody@shop.example"):
        assert [ask_for_link(address).status_code for _ in range(4)] == [302, 302, 302, 429]
    assert len(mail.outbox) == 3


def test_the_link_names_our_address_not_the_hosts_header(sam: User) -> None:
    ask_for_link(headers={"Host": "localhost"})
    assert "http://127.0.0.1:8000/accounts/password/reset/" in str(mail.outbox[0].body)


def test_changing_the_password_ends_all_other_sessions(sam: User) -> None:
    here, elsewhere = sign_in(), sign_in()
    typed = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post("/accounts/password/change/", typed | {"oldpassword": "wrong"}).status_code == 200
    assert is_in(elsewhere)

    assert here.post("/accounts/password/change/", typed).status_code == 302

    assert is_in(here)
    assert not is_in(elsewhere)
    assert mail.outbox[0].subject == "Your password was changed"
    weak = typed | {"oldpassword": NEW, "password1": "password", "password2": "password"}
    assert "too common" in here.post("/accounts/password/change/", weak).content.decode()


def change_address(client: Client, address: str) -> Any:
    return client.post("/accounts/email/", {"email": address, "action_add": ""}, follow=True)


def test_changing_the_address(sam: User) -> None:
    client = sign_in()
    page = change_address(client, "sam@new.example").content.decode()
    assert "once you open the link" in page
    assert User.objects.get().email == "sam@shop.example"
    (message,) = mail.outbox
    assert message.to == ["sam@new.example"]
    link = link_in(message)
    assert User.objects.get().email == "sam@shop.example", "opening the page changes nothing"
    assert "Confirm" in Client().get(link).content.decode()

    assert Client().post(link).status_code == 302

    assert User.objects.get().email == "sam@new.example"
    assert is_in(sign_in("sam@new.example"))
    assert not is_in(sign_in("sam@shop.example"))
    assert (mail.outbox[1].subject, mail.outbox[1].to) == (
        "Your email address was changed",
        ["sam@shop.example"],
    )
    assert "doesn't work any more" in Client().get(link).content.decode()
    ask_for_link("sam@shop.example")
    assert len(mail.outbox) == 2


def test_the_address_of_another_account_is_never_taken(sam: User) -> None:
    User.objects.create_user("kim", "kim@shop.example", PASSWORD)
    page = change_address(sign_in(), "kim@shop.example").content.decode()
    assert "once you open the link" in page, "the answer doesn't tell that an account uses it"
    assert User.objects.get(username="sam").email == "sam@shop.example"


def test_only_the_newest_link_confirms(sam: User) -> None:
    client = sign_in()
    change_address(client, "one@new.example")
    change_address(client, "two@new.example")
    first, second = map(link_in, mail.outbox)
    Client().post(first)
    assert User.objects.get().email == "sam@shop.example"
    Client().post(second)
    assert User.objects.get().email == "two@new.example"


def test_sessions_are_listed_and_ended(sam: User) -> None:
    here = sign_in(headers={"User-Agent": "Browser A"}, REMOTE_ADDR="192.0.2.7")
    phone = sign_in(headers={"User-Agent": "Browser B"})
    tablet = sign_in(headers={"User-Agent": "Browser C"})
    page = here.get("/accounts/sessions/").content.decode()
    assert all(name in page for name in ("Browser A", "Browser B", "Browser C", "192.0.2.7"))
    ends = re.findall(r'action="(/accounts/sessions/\d+/end/)"', page)
    assert len(ends) == 2

    here.post(ends[0])
    assert (is_in(here), is_in(phone), is_in(tablet)) == (True, False, True)
    here.post("/accounts/sessions/")
    assert (is_in(here), is_in(tablet)) == (True, False)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
            "Firefox on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
            "Safari/537.36 Edg/130.0.0.0",
            "Edge on Windows",
        ),
        ("curl/8.5", "curl/8.5"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_in_words(user_agent: str, words: str) -> None:
    assert browser_words(user_agent) == words


def test_nobody_ends_the_sessions_of_others(sam: User) -> None:
    mine = sign_in()
    (end,) = {
        f"/accounts/sessions/{pk}/end/"
        for pk in sam.usersession_set.values_list("pk", flat=True)  # type: ignore[attr-defined]
    }
    User.objects.create_user("kim", password=PASSWORD)
    sign_in("kim").post(end)
    assert is_in(mine)


@pytest.mark.parametrize(
    "path",
    [
        "", "email/", "password/change/", "sessions/", "second-step/", "second-step/set-up/",
        "second-step/switch-off/", "second-step/recovery-codes/",
    ],
)  # fmt: skip
def test_account_pages_need_a_sign_in(client: Client, path: str) -> None:
    answer = client.get(f"/accounts/{path}")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("path", ["password/reset/", "password/change/", "email/", "sessions/", "logout/"])
def test_forms_need_a_csrf_token(sam: User, path: str) -> None:
    client = sign_in(client=Client(enforce_csrf_checks=True))
    client.force_login(sam)
    assert client.post(f"/accounts/{path}", {"email": "x@shop.example"}).status_code == 403


@pytest.mark.parametrize("typed", ["no-address", "a" * 300 + "@shop.example", ""])
def test_an_address_that_is_none_is_refused_at_the_field(sam: User, typed: str) -> None:
    answers = [change_address(sign_in(), typed), *([ask_for_link(typed)] if len(typed) < 254 else [])]
    for answer in answers:
        assert answer.status_code == 200
        assert 'class="wrong"' in answer.content.decode()
    assert not mail.outbox
