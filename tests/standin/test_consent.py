"""The consent pages of both logins."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from instagram_standin.scopes import Family
from instagram_standin.server import StandIn
from tests.standin.callers import Reply, ask, control
from tests.standin.signing_in import (
    CALLBACK,
    FACEBOOK_DIALOG,
    FACEBOOK_REQUEST,
    INSTAGRAM_DIALOG,
    INSTAGRAM_REQUEST,
    exchange_instagram,
    facebook_dialog,
    instagram_code,
    instagram_dialog,
    sent_back_with,
)

Dialog = Callable[..., Reply]
DIALOGS = [pytest.param(instagram_dialog, id="instagram"), pytest.param(facebook_dialog, id="facebook")]


class Form(HTMLParser):
    """The one form of a page: what it would send as it stands, and what may be chosen."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.action = ""
        self.sent: dict[str, list[str]] = {}
        self.offered: dict[str, list[str]] = {}
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.action = given["action"] or ""
        if tag in ("input", "button"):
            name, value = given["name"] or "", given["value"] or ""
            self.offered.setdefault(name, []).append(value)
            if given.get("type") == "hidden" or "checked" in given:
                self.sent.setdefault(name, []).append(value)


def submit(standin: StandIn, page: Reply, **choices: Any) -> Reply:
    form = Form(page.body)
    return ask(standin, form.action, method="POST", form={**form.sent, **choices})


@pytest.mark.parametrize("dialog", DIALOGS)
def test_the_page_asks_and_the_form_sends_the_person_back(standin: StandIn, dialog: Dialog) -> None:
    page = dialog(standin)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<script" not in page.body
    assert Form(page.body).offered["decision"] == ["approve", "deny"]

    back = submit(standin, page, decision="approve")
    assert sent_back_with(back).keys() == {"code", "state"}
    assert back.headers["Location"].startswith(f"{CALLBACK}?code=AQ")
    assert sent_back_with(back)["state"] == "s-1"


@pytest.mark.parametrize(
    ("dialog", "end"),
    [
        pytest.param(instagram_dialog, "#_", id="instagram"),
        pytest.param(facebook_dialog, "#_=_", id="facebook"),
    ],
)
def test_a_fragment_follows_the_code(standin: StandIn, dialog: Dialog, end: str) -> None:
    assert dialog(standin, standin_auto="approve").headers["Location"].endswith(f"&state=s-1{end}")


@pytest.mark.parametrize(
    ("dialog", "description"),
    [
        pytest.param(instagram_dialog, "The user denied your request", id="instagram"),
        pytest.param(facebook_dialog, "Permissions error", id="facebook"),
    ],
)
def test_who_denies_is_sent_back_with_an_error(standin: StandIn, dialog: Dialog, description: str) -> None:
    for reply in (submit(standin, dialog(standin), decision="deny"), dialog(standin, standin_auto="deny")):
        told = sent_back_with(reply)
        assert (told["error"], told["error_reason"]) == ("access_denied", "user_denied")
        assert (told["error_description"], told["state"]) == (description, "s-1")
        assert "code" not in told


@pytest.mark.parametrize("dialog", DIALOGS)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_id": "another"}, id="unknown app"),
        pytest.param({"client_id": None}, id="no app"),
        pytest.param({"redirect_uri": None}, id="no address"),
        pytest.param({"redirect_uri": "javascript:alert(1)"}, id="address that is a script"),
        pytest.param({"redirect_uri": "https://"}, id="address without a host"),
        pytest.param({"redirect_uri": "https://x.example/\r\nSet-Cookie: a=b"}, id="address with a line end"),
        pytest.param({"redirect_uri": "https://x.example/#there"}, id="address with a fragment"),
        pytest.param({"response_type": "token"}, id="response type token"),
        pytest.param({"scope": None}, id="no scope"),
        pytest.param({"scope": "business_basic"}, id="scope that died in 2025"),
    ],
)
def test_what_is_asked_wrongly_goes_nowhere(
    standin: StandIn, dialog: Dialog, changes: dict[str, object]
) -> None:
    reply = dialog(standin, standin_auto="approve", **changes)
    assert (reply.status, "Location" in reply.headers) == (400, False)


def test_a_page_shows_what_it_is_given_as_text(standin: StandIn) -> None:
    page = instagram_dialog(standin, state='"><script>alert(1)</script>')
    assert b"<script" not in page.body
    told = sent_back_with(submit(standin, page, decision="approve"))
    assert told["state"] == '"><script>alert(1)</script>'
    assert b"<i>" not in instagram_dialog(standin, scope="<i>").body


def test_registered_addresses_are_compared_character_by_character(standin: StandIn) -> None:
    standin.logins.register_redirects(Family.INSTAGRAM, [CALLBACK])
    assert instagram_dialog(standin).status == 200
    assert instagram_dialog(standin, redirect_uri=f"{CALLBACK}/").status == 400
    assert facebook_dialog(standin, redirect_uri=f"{CALLBACK}/").status == 200

    given = {"redirect_uris": [f"{CALLBACK}/"]}
    told = control(standin, "PUT", "apps/instagram", given).json
    assert told["instagram"]["redirect_uris"] == [f"{CALLBACK}/"]
    assert instagram_dialog(standin).status == 400


def test_the_address_may_have_a_query_of_its_own_and_there_may_be_no_state(standin: StandIn) -> None:
    reply = instagram_dialog(standin, redirect_uri=f"{CALLBACK}?tab=1", state=None, standin_auto="approve")
    assert sent_back_with(reply).keys() == {"tab", "code"}


def test_instagram_offers_professional_accounts_first_and_a_person(standin: StandIn) -> None:
    standin.profiles.plant("new.shop", [])
    offered = Form(instagram_dialog(standin).body).offered["account"]
    assert offered[0] == "acme.bakery"
    assert {"northern.trails", "tiny.studio", "quiet.account", "new.shop"} < set(offered)
    assert offered[-1] == "jane.private"
    assert "feed.operator" not in offered


def test_facebook_offers_people_with_their_pages(standin: StandIn) -> None:
    form = Form(facebook_dialog(standin).body)
    assert form.offered["account"] == ["robin.baker", "sam.potter", "noor.page", "kim.nopage"]
    assert form.sent["account"] == ["robin.baker"]
    assert len(form.offered["page"]) == 4
    assert form.sent["scope_granted"] == form.offered["scope_granted"]


@pytest.mark.parametrize("dialog", DIALOGS)
def test_an_account_that_does_not_exist_cannot_sign_in(standin: StandIn, dialog: Dialog) -> None:
    assert dialog(standin, standin_auto="approve", standin_account="nobody.here").status == 400


def test_declined_permissions_are_not_granted(standin: StandIn) -> None:
    asked = "instagram_business_basic instagram_business_manage_insights"
    page = instagram_dialog(standin, scope=asked)
    told = sent_back_with(
        submit(standin, page, decision="approve", scope_granted=["instagram_business_manage_insights"])
    )
    token = exchange_instagram(standin, told["code"]).json["data"][0]
    assert token["permissions"] == "instagram_business_manage_insights"

    code = instagram_code(standin, scope=asked, standin_decline="instagram_business_manage_insights")
    assert exchange_instagram(standin, code).json["data"][0]["permissions"] == "instagram_business_basic"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ig-www/oauth/other", 404),
        ("GET", "/fb-www/dialog/oauth", 404),
        ("GET", "/fb-www/26/dialog/oauth", 404),
        ("DELETE", INSTAGRAM_DIALOG, 405),
        ("PUT", FACEBOOK_DIALOG, 405),
    ],
)
def test_there_are_no_other_pages(standin: StandIn, method: str, path: str, status: int) -> None:
    assert ask(standin, path, method=method).status == status


def test_consent_is_logged_and_may_fail(standin: StandIn) -> None:
    standin.faults.add("status", status=502, path="/ig-www", times=1)
    assert ask(standin, INSTAGRAM_DIALOG, query=INSTAGRAM_REQUEST).status == 502
    assert ask(standin, FACEBOOK_DIALOG, query=FACEBOOK_REQUEST).status == 200
    assert [(call["path"], call["status"]) for call in standin.calls] == [
        (INSTAGRAM_DIALOG, 502),
        (FACEBOOK_DIALOG, 200),
    ]


def test_a_fault_for_media_leaves_a_web_page_alone(standin: StandIn) -> None:
    standin.faults.add("empty_pages")
    assert instagram_dialog(standin).status == 200
