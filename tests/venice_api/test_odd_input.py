"""Text that no column can store is refused in one place, before it reaches a query."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.db import DataError
from django.test import Client

from config import wsgi
from paris_integration.feeds import situation
from tests.conftest import Cast

pytestmark = pytest.mark.cached
API = "/v1/integrations/instagram"
NUL_COOKIE = 'sessionid="odd\\000session"'  # how a cookie's value spells a NUL
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def staff(django_user_model: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(django_user_model.objects.create_superuser("robin", password="x"))
    return client


def page_status(response: Any) -> int:
    assert "text/html" in response["Content-Type"]
    return int(response.status_code)


@pytest.mark.parametrize("path", ["/editor/", "/accounts/login/", "/admin/", "/connect/choose/x/", "/"])
def test_a_nul_in_the_session_cookie_of_a_page(path: str) -> None:
    assert page_status(Client(raise_request_exception=False).get(path, headers={"Cookie": NUL_COOKIE})) == 400


@pytest.mark.parametrize("path", ["feed?instanceId=x", "connect?instanceId=x", "callback?state=x&code=y"])
def test_a_nul_in_the_session_cookie_of_the_api(path: str) -> None:
    response = Client(raise_request_exception=False).get(f"{API}/{path}", headers={"Cookie": NUL_COOKIE})

    assert (response.status_code, response.json()["error"]) == (400, "INVALID_REQUEST")
    assert response["X-Request-ID"] == response.json()["requestId"]


@pytest.mark.parametrize(
    "path",
    [
        "/editor/a%00b/",
        "/editor/%00/",
        "/deletion/AB%00CD",
        "/embed/w%00?token=x",
        "/static/%00.css",
        "/admin/auth/user/?q=a%00b",
        "/admin/venice_api/widgetinstance/a%00b/change/",
        "/accounts/login/?next=/%00",
        "/editor/?%00=1",
    ],
)
def test_a_nul_in_a_url(staff: Client, path: str) -> None:
    assert page_status(staff.get(path)) == 400


def test_an_id_that_the_admin_decodes_to_a_nul(staff: Client) -> None:
    # The admin spells "/" as "_2F" in its addresses, and so a NUL as "_00".
    statuses = {
        staff.get(f"/admin/{model}/_00/{page}/").status_code
        for model in ("venice_api/widgetinstance", "auth/user", "entitlements/workspace")
        for page in ("change", "history", "delete")
    }

    assert statuses <= {302, 400, 404}


@pytest.mark.parametrize("act", ["settings", "posts", "new-token", "refresh", "disconnect", "delete"])
def test_a_nul_in_a_form_posted_to_a_page(people: Cast, make_instance: Callable[..., Any], act: str) -> None:
    people.editor.raise_request_exception = False
    row = make_instance()

    assert page_status(people.editor.post(f"/editor/{row.pk}%00/{act}/")) == 400
    typed = {
        "name": "a\x00b",
        "source_type": "profile",
        "source_value": "a\x00b",
        "post": "\x00",
        "act": "\x00",
    }
    assert people.editor.post(f"/editor/{row.pk}/{act}/", typed).status_code in {302, 400}


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
@pytest.mark.parametrize("name", ["n" * 5_000, "n" * 151, "\N{SNOWMAN}" * 3_000])
def test_a_name_too_long_for_a_username_fails_like_any_other(page: str, name: str) -> None:
    client = Client(raise_request_exception=False)

    response = client.post(page, {"username": name, "password": "guess"})

    assert page_status(response) == 200
    assert not AccessAttempt.objects.exists()


@pytest.mark.django_db
def test_the_longest_possible_username_can_sign_in() -> None:
    User.objects.create_superuser("n" * 150, password="right-password-1")

    for page in ("/accounts/login/", "/admin/login/"):
        response = Client().post(page, {"username": "n" * 150, "password": "right-password-1"})
        assert response.status_code == 302


@pytest.mark.parametrize(
    "charset", ["hex", "rot13", "idna", "punycode", "utf-16", '"hex"', "nonsense", "utf-8"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_are_read_as_utf_8_whatever_charset_they_declare(
    monkeypatch: pytest.MonkeyPatch, charset: str, method: str
) -> None:
    read: list[str | None] = []

    def django(environ: dict[str, Any], start_response: object) -> list[bytes]:
        request = WSGIRequest(environ)
        read.extend([request.GET.get("next"), request.POST.get("name"), request.content_type])
        return []

    monkeypatch.setattr(wsgi, "_django", django)
    sent = b"name=%C3%A9%FF"
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": "next=%C3%A9%FF",
        "CONTENT_TYPE": f"{FORM}; Charset={charset}",
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.input": BytesIO(sent),
    }
    setup_testing_defaults(environ)
    wsgi.application(environ, lambda *_: lambda _: None)

    assert read == ["é\ufffd", "é\ufffd" if method == "POST" else None, FORM]


def test_a_form_with_a_large_file_is_refused_unread() -> None:
    large = SimpleUploadedFile("large", b"x" * 65 * 1_024)

    assert page_status(Client().post("/accounts/login/", {"username": "robin", "file": large})) == 400


def test_the_api_names_the_invalid_field(people: Cast) -> None:
    people.editor.raise_request_exception = False

    read = people.editor.get(f"{API}/feed", {"instanceId": "a\x00b"})
    posted = people.editor.post(
        f"{API}/refresh", json.dumps({"instanceId": "a\x00b"}), content_type="application/json"
    )
    lone = people.editor.post(f"{API}/refresh", '{"instanceId": "\\ud800"}', content_type="application/json")

    for response in (read, posted, lone):
        assert (response.status_code, list(response.json()["fields"])) == (400, ["instanceId"])


@pytest.mark.parametrize("path", ["/editor/{}/", f"{API}/feed?instanceId={{}}"])
def test_other_values_that_the_database_refuses_get_400(
    people: Cast, make_instance: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise DataError("value out of range")

    row = make_instance()
    monkeypatch.setattr(situation, "recall", refused)
    monkeypatch.setattr(situation, "load", refused)
    people.editor.raise_request_exception = False

    assert people.editor.get(path.format(row.pk)).status_code == 400
