"""Frame, script, editor, sign-in and error pages: who can see them, and their security headers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import Cast
from tests.fakes import FakeProvider
from venice_api import embed_tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def frame_url(make_instance: Any, provider: FakeProvider) -> str:
    instance = make_instance(allowed_origins=["https://shop.example"])
    return f"/embed/{instance.pk}?token={embed_tokens.issue(instance.pk, 1)}"


def test_the_frame_page_lists_the_sites_that_can_frame_it(client: Client, frame_url: str) -> None:
    response = client.get(frame_url)

    policy = response["Content-Security-Policy"]
    assert response.status_code == 200
    assert "frame-ancestors 'self' https://shop.example" in policy
    assert "unsafe-inline" not in policy
    assert "X-Frame-Options" not in response
    assert response["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda url: url[:-1], 401),
        (lambda url: url.split("?")[0], 401),
        (lambda url: url.replace("/embed/wgt", "/embed/xwgt"), 403),
        (lambda url: url + "&token=x", 400),
    ],
)
def test_the_frame_needs_its_token(client: Client, frame_url: str, spoil: Any, status: int) -> None:
    response = client.get(spoil(frame_url))

    assert response.status_code == status
    assert b"instagram-feed" not in response.content
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Security-Policy"].endswith("frame-ancestors *")
    assert "X-Frame-Options" not in response


def test_the_frame_reserves_space_for_the_posts_it_has(
    client: Client, frame_url: str, provider: FakeProvider
) -> None:
    assert b'reserve="3 profile"' in client.get(frame_url).content


@pytest.mark.parametrize(("theme", "is_told"), [("light", True), ("dark", True), ("neon", False)])
def test_the_frame_accepts_only_known_themes(
    client: Client, frame_url: str, theme: str, is_told: bool
) -> None:
    response = client.get(f"{frame_url}&theme={theme}")

    assert response.status_code == 200
    assert (f'theme="{theme}"'.encode() in response.content) is is_told


@pytest.mark.parametrize(
    ("lang", "is_told"),
    [("de", True), ("pt-BR", True), ("de de", False), ('"><script>', False), ("x" * 9, False)],
)
def test_the_frame_accepts_language_tags(client: Client, frame_url: str, lang: str, is_told: bool) -> None:
    response = client.get(frame_url, {"token": frame_url.split("=")[1], "lang": lang})

    assert response.status_code == 200
    assert (f' lang="{lang}">' in response.content.decode().partition("<instagram-feed")[2]) is is_told


@pytest.mark.parametrize(
    ("who", "status"),
    [("owner", 200), ("editor", 200), ("viewer", 200), ("outsider", 404), ("anonymous", 302)],
)
def test_only_members_see_the_editor(people: Cast, make_instance: Any, who: str, status: int) -> None:
    instance = make_instance(name="Front page")
    response = getattr(people, who).get(f"/editor/{instance.pk}/")

    assert response.status_code == status
    assert (b"Front page" in response.content) is (status == 200)
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    listed = getattr(people, who).get("/editor/")
    assert (b"Front page" in listed.content) is (status == 200)


def test_signing_in_and_out(client: Client, people: Cast) -> None:
    page = client.get("/editor/")
    assert page["Location"] == "/accounts/login/?next=/editor/"
    wrong = client.post("/accounts/login/", {"username": "editor", "password": "no"})
    assert b"Wrong username or password" in wrong.content
    right = client.post(
        "/accounts/login/?next=/editor/", {"username": "editor", "password": "x", "next": "/editor/"}
    )
    assert right["Location"] == "/editor/"
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/editor/").status_code == 302


def test_error_pages_are_plain(client: Client) -> None:
    response = client.get("/nothing/here")

    assert response.status_code == 404
    assert b"Page not found" in response.content
    forged = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "a", "password": "b"})
    assert forged.status_code == 403
    assert b"Access denied" in forged.content


def test_health(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
