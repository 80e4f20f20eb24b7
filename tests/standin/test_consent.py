"""The consent pages of both logins."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from instagram_standin.tokens import Family
from tests.standin.callers import CALLBACK, Meta, Reply, sent_back_with

Dialog = Callable[..., Reply]


class Form(HTMLParser):
    """The form of a page: its initial values, and the choices."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.action = ""
        self.sent: dict[str, list[str]] = {}
        self.offered: dict[str, list[str]] = {}
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.action = given.get("action", self.action)
        if tag in ("input", "button"):
            self.offered.setdefault(given["name"], []).append(given["value"])
            if given.get("type") == "hidden" or "checked" in given:
                self.sent.setdefault(given["name"], []).append(given["value"])


def submit(meta: Meta, page: Reply, **choices: Any) -> Reply:
    form = Form(page.body)
    return meta.ask(form.action, method="POST", form={**form.sent, **choices})


DIALOGS = [
    (Meta.instagram_dialog, "#_", "The user denied your request"), (Meta.facebook_dialog, "#_=_", "Permissions error"),
]  # fmt: skip


@pytest.mark.parametrize(("dialog", "fragment", "description"), DIALOGS)
def test_the_form_sends_the_person_back(meta: Meta, dialog: Dialog, fragment: str, description: str) -> None:
    page = dialog(meta)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    back = submit(meta, page, decision="approve")
    assert sent_back_with(back).keys() == {"code", "state"}
    assert back.headers["Location"].startswith(f"{CALLBACK}?code=AQ")
    assert back.headers["Location"].endswith(f"&state=s-1{fragment}")
    for reply in (submit(meta, page, decision="deny"), dialog(meta, standin_auto="deny")):
        answer = sent_back_with(reply)
        assert (answer["error"], answer["error_reason"]) == ("access_denied", "user_denied")
        assert (answer["error_description"], answer["state"]) == (description, "s-1")
        assert "code" not in answer


WRONG = [
    {"client_id": "another"}, {"redirect_uri": None}, {"redirect_uri": "javascript:alert(1)"},
    {"redirect_uri": "https://"}, {"redirect_uri": "https://x.example/\r\nSet-Cookie: a=b"},
    {"redirect_uri": "https://x.example/#there"}, {"response_type": "token"}, {"scope": None},
    {"scope": "business_basic"}, {"standin_account": "nobody.here"},
]  # fmt: skip


@pytest.mark.parametrize("dialog", [Meta.instagram_dialog, Meta.facebook_dialog])
@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_an_invalid_request_is_not_redirected(meta: Meta, dialog: Dialog, changes: dict[str, object]) -> None:
    reply = dialog(meta, standin_auto="approve", **changes)
    assert (reply.status, "Location" in reply.headers) == (400, False)


def test_registered_addresses_are_compared_character_by_character(meta: Meta) -> None:
    meta.apps[Family.INSTAGRAM].redirect_uris = frozenset({CALLBACK})
    assert meta.instagram_dialog().status == 200
    assert meta.instagram_dialog(redirect_uri=f"{CALLBACK}/").status == 400
    reply = meta.facebook_dialog(redirect_uri=f"{CALLBACK}/?tab=1", state=None, standin_auto="approve")
    assert sent_back_with(reply).keys() == {"tab", "code"}


def test_the_page_offers_accounts_or_people_with_their_pages(meta: Meta) -> None:
    meta.profiles.plant("new.shop", [])
    offered = Form(meta.instagram_dialog().body).offered["account"]
    assert (offered[0], offered[-1]) == ("acme.bakery", "jane.private")
    assert {"northern.trails", "tiny.studio", "quiet.account", "new.shop"} < set(offered)
    assert "feed.operator" not in offered
    form = Form(meta.facebook_dialog().body)
    assert form.offered["account"] == ["robin.baker", "sam.potter", "noor.page", "kim.nopage"]
    assert form.sent["account"] == ["robin.baker"]
    assert len(form.offered["page"]) == 4
    assert form.sent["scope_granted"] == form.offered["scope_granted"]


def test_declined_permissions_are_not_granted(meta: Meta) -> None:
    asked = "instagram_business_basic instagram_business_manage_insights"
    page = meta.instagram_dialog(scope=asked)
    ticked = submit(meta, page, decision="approve", scope_granted=["instagram_business_basic"])
    decided = meta.instagram_code(scope=asked, standin_decline="instagram_business_manage_insights")
    answers = [meta.exchange_instagram(code).json for code in (sent_back_with(ticked)["code"], decided)]
    assert [answer["data"][0]["permissions"] for answer in answers] == ["instagram_business_basic"] * 2


def test_consent_is_logged_and_may_fail(meta: Meta) -> None:
    meta.faults.add("status", status=502, path="/ig-www", times=1)
    meta.faults.add("empty_pages")
    assert (meta.instagram_dialog().status, meta.facebook_dialog().status) == (502, 200)
    assert meta.ask("/ig-www/oauth/other").status == meta.ask("/fb-www/26/dialog/oauth").status == 404
    assert [call["status"] for call in meta.calls] == [502, 200, 404, 404]
