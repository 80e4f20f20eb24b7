"""Tokens of Facebook Login: code, short, long; people, Pages, debug_token, permissions, appsecret_proof."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from instagram_standin.people import FacebookPage, Person
from instagram_standin.server import StandIn
from instagram_standin.world import FACEBOOK_APP_SECRET
from tests.standin.callers import Reply, ask, control
from tests.standin.signing_in import (
    exchange_facebook,
    facebook_code,
    facebook_dialog,
    facebook_token,
    sent_back_with,
)

ROBIN = "102000000000001"
ACCOUNTS = "id,name,access_token,tasks,instagram_business_account{id,username,name,profile_picture_url}"
APP_TOKEN = "standin-facebook-app|standin-facebook-secret"


def accounts(standin: StandIn, token: str, **query: object) -> Reply:
    return ask(standin, "/fb-graph/v26.0/me/accounts", query={"fields": ACCOUNTS, **query}, token=token)


def debugged(standin: StandIn, token: str) -> Any:
    query = {"input_token": token, "access_token": APP_TOKEN}
    return ask(standin, "/fb-graph/v26.0/debug_token", query=query).json["data"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_code_becomes_a_token_of_some_hours_and_then_of_sixty_days(standin: StandIn, method: str) -> None:
    short = exchange_facebook(standin, method=method, code=facebook_code(standin)).json
    assert (short["token_type"], short["expires_in"]) == ("bearer", 5_158)
    long = exchange_facebook(
        standin, method=method, grant_type="fb_exchange_token", fb_exchange_token=short["access_token"]
    ).json
    assert long["expires_in"] == 5_183_944
    assert long["access_token"] != short["access_token"]


def test_expires_in_may_be_missing(standin: StandIn) -> None:
    control(standin, "PUT", "logins", {"tells_expires_in": False})
    told = exchange_facebook(standin, code=facebook_code(standin)).json
    assert told.keys() == {"access_token", "token_type"}
    assert debugged(standin, told["access_token"])["expires_at"] > 1_700_000_000


@pytest.mark.parametrize(
    ("changes", "code", "subcode"),
    [
        pytest.param({"client_id": "standin-instagram-app"}, 101, None, id="the other app's id"),
        pytest.param({"client_secret": "wrong"}, 1, None, id="wrong secret"),
        pytest.param({"redirect_uri": "https://paris.example/x"}, 100, 36008, id="other address"),
        pytest.param({"code": "AQ-never-issued"}, 100, None, id="unknown code"),
        pytest.param({"grant_type": "password"}, 100, None, id="wrong grant type"),
        pytest.param({"grant_type": "fb_exchange_token"}, 190, None, id="no token to exchange"),
    ],
)
def test_refusals_come_in_graphs_envelope(
    standin: StandIn, changes: dict[str, object], code: int, subcode: int | None
) -> None:
    refused = exchange_facebook(standin, **{"code": facebook_code(standin), **changes})
    assert (refused.status, refused.error["code"], refused.error.get("error_subcode")) == (400, code, subcode)


def test_a_code_works_once_and_for_an_hour(standin: StandIn) -> None:
    code, late = facebook_code(standin), facebook_code(standin)
    exchange_facebook(standin, code=code)
    assert exchange_facebook(standin, code=code).error["error_subcode"] == 36009
    standin.logins.expire_codes()
    assert exchange_facebook(standin, code=late).error["error_subcode"] == 36007


def test_me_is_the_person(standin: StandIn) -> None:
    token = facebook_token(standin)
    assert ask(standin, "/fb-graph/v26.0/me", token=token).json == {"id": ROBIN, "name": "Robin Baker"}
    refused = ask(standin, "/fb-graph/v26.0/me", query={"fields": "id,account_type"}, token=token)
    assert refused.error["code"] == 100


def test_pages_with_their_instagram_accounts(standin: StandIn) -> None:
    told = accounts(standin, facebook_token(standin)).json
    assert [page["name"] for page in told["data"]] == ["Acme Bakery", "Northern Trails"]
    bakery = told["data"][0]
    assert bakery.keys() == {"id", "name", "access_token", "tasks", "instagram_business_account"}
    linked = bakery["instagram_business_account"]
    assert (linked["id"], linked["username"]) == ("17841400000000777", "acme.bakery")
    assert linked["profile_picture_url"].startswith("http://")
    assert told["paging"].keys() == {"cursors"}


def test_pages_come_in_pages(standin: StandIn) -> None:
    token = facebook_token(standin)
    first = accounts(standin, token, limit=1).json
    assert first["paging"].keys() == {"cursors", "next"}
    second = ask(standin, first["paging"]["next"]).json
    assert [page["name"] for page in second["data"]] == ["Northern Trails"]
    assert "next" not in second["paging"]


def test_without_fields_the_usual_ones_come(standin: StandIn) -> None:
    (page, _) = ask(standin, "/fb-graph/v26.0/me/accounts", token=facebook_token(standin)).json["data"]
    assert page.keys() == {"access_token", "category", "name", "id", "tasks"}


@pytest.mark.parametrize(
    ("person", "linked"),
    [
        pytest.param("robin.baker", ["acme.bakery", "northern.trails"], id="two pages"),
        pytest.param("sam.potter", ["tiny.studio"], id="one page"),
        pytest.param("noor.page", [None], id="a page without an account"),
        pytest.param("kim.nopage", [], id="no page"),
    ],
)
def test_zero_one_or_many_accounts(standin: StandIn, person: str, linked: list[str | None]) -> None:
    pages = accounts(standin, facebook_token(standin, person)).json["data"]
    assert [page.get("instagram_business_account", {}).get("username") for page in pages] == linked


def test_only_granted_pages_are_told(standin: StandIn) -> None:
    one = facebook_token(standin, standin_pages="134800000000002")
    assert [page["name"] for page in accounts(standin, one).json["data"]] == ["Northern Trails"]
    assert ask(standin, "/fb-graph/v26.0/17841400000000777/media", token=one).error["code"] == 100
    assert ask(standin, "/fb-graph/v26.0/17841400000000888/media", token=one).status == 200
    none = facebook_token(standin, standin_pages="")
    assert accounts(standin, none).json == {"data": []}


@pytest.mark.parametrize(
    ("declined", "pages", "linked"),
    [("pages_show_list", 0, 0), ("instagram_basic", 2, 0), ("business_management", 2, 2)],
)
def test_what_is_declined_is_missing_without_an_error(
    standin: StandIn, declined: str, pages: int, linked: int
) -> None:
    token = facebook_token(standin, standin_decline=declined)
    told = accounts(standin, token).json["data"]
    assert (len(told), sum("instagram_business_account" in page for page in told)) == (pages, linked)
    states = ask(standin, "/fb-graph/v26.0/me/permissions", token=token).json["data"]
    assert {"permission": declined, "status": "declined"} in states
    assert {"permission": "public_profile", "status": "granted"} in states


def test_a_configuration_is_granted_as_a_whole_or_not_at_all(standin: StandIn) -> None:
    whole = facebook_token(standin, scope=None, config_id="77")
    assert "instagram_basic" in debugged(standin, whole)["scopes"]
    nothing = facebook_token(standin, scope=None, config_id="77", standin_decline="business_management")
    assert debugged(standin, nothing)["scopes"] == ["public_profile"]


def test_page_tokens_read_their_own_account_and_never_expire(standin: StandIn) -> None:
    user_token = facebook_token(standin)
    page = accounts(standin, user_token).json["data"][0]
    assert accounts(standin, user_token).json["data"][0]["access_token"] == page["access_token"]
    own = "/fb-graph/v26.0/17841400000000777/media"
    assert ask(standin, own, token=page["access_token"]).status == 200
    other = "/fb-graph/v26.0/17841400000000888/media"
    assert ask(standin, other, token=page["access_token"]).error["code"] == 100
    told = debugged(standin, page["access_token"])
    assert (told["type"], told["expires_at"]) == ("PAGE", 0)
    asked = {"fields": "name,instagram_business_account{username}"}
    node = ask(standin, f"/fb-graph/v26.0/{page['id']}", query=asked, token=user_token).json
    assert node["instagram_business_account"]["username"] == "acme.bakery"


def test_debug_token_tells_the_state(standin: StandIn) -> None:
    token = facebook_token(standin)
    told = debugged(standin, token)
    assert (told["app_id"], told["type"], told["is_valid"]) == ("standin-facebook-app", "USER", True)
    assert told["user_id"] == ROBIN
    assert told["data_access_expires_at"] > told["expires_at"] > 0
    targets = {granular["scope"]: granular["target_ids"] for granular in told["granular_scopes"]}
    assert targets["instagram_basic"] == ["17841400000000777", "17841400000000888"]

    standin.tokens.revoke(token, 460)
    told = debugged(standin, token)
    assert (told["is_valid"], told["error"]["subcode"]) == (False, 460)
    assert debugged(standin, "EAAB-nobodys")["is_valid"] is False


@pytest.mark.parametrize("access_token", ["", "EAAB-nobodys", "standin-facebook-app|wrong"])
def test_debug_token_is_for_the_app(standin: StandIn, access_token: str) -> None:
    query = {"input_token": facebook_token(standin), "access_token": access_token}
    assert ask(standin, "/fb-graph/v26.0/debug_token", query=query).error["code"] == 190


@pytest.mark.parametrize("node", ["me", ROBIN])
def test_withdrawing_all_permissions_ends_all_tokens_of_the_person(standin: StandIn, node: str) -> None:
    token, another, strange = (
        facebook_token(standin),
        facebook_token(standin),
        facebook_token(standin, "sam.potter"),
    )
    reply = ask(standin, f"/fb-graph/v26.0/{node}/permissions", method="DELETE", token=token)
    assert (reply.status, reply.json) == (200, {"success": True})
    for dead in (token, another):
        assert accounts(standin, dead).error["error_subcode"] == 458
    assert accounts(standin, strange).status == 200


def test_withdrawing_one_permission_leaves_the_others(standin: StandIn) -> None:
    token = facebook_token(standin)
    ask(standin, "/fb-graph/v26.0/me/permissions/instagram_basic", method="DELETE", token=token)
    assert "instagram_basic" not in debugged(standin, token)["scopes"]
    assert len(accounts(standin, token).json["data"]) == 2


def test_a_proof_is_checked_and_may_be_required(standin: StandIn) -> None:
    token = facebook_token(standin)
    right = hmac.new(FACEBOOK_APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert accounts(standin, token, appsecret_proof=right).status == 200
    assert accounts(standin, token, appsecret_proof=right[::-1]).error["code"] == 100
    assert accounts(standin, token).status == 200
    control(standin, "PUT", "logins", {"requires_proof": True})
    assert "require an appsecret_proof" in accounts(standin, token).error["message"]
    assert accounts(standin, token, appsecret_proof=right).status == 200


def test_people_may_be_planted(standin: StandIn) -> None:
    standin.people.put(Person("ada", "10277", "Ada", (FacebookPage("13477", "Ada's", "quiet.account"),)))
    (page,) = accounts(standin, facebook_token(standin, "ada")).json["data"]
    assert page["instagram_business_account"]["username"] == "quiet.account"

    pages = [{"name": f"Page {number}", "instagram": f"load.{number}"} for number in range(30)]
    control(standin, "PUT", "people/many", {"name": "Many", "pages": pages})
    told = accounts(standin, facebook_token(standin, "many")).json
    assert (len(told["data"]), "next" in told["paging"]) == (25, True)


@pytest.mark.parametrize("given", [[], {"pages": {}}, {"pages": [5]}, {"name": 5}, {"shoe": 1}])
def test_what_is_no_person_is_refused(standin: StandIn, given: object) -> None:
    assert control(standin, "PUT", "people/x", given).status == 400


def test_the_same_address_is_needed_from_dialog_to_exchange(standin: StandIn) -> None:
    told = sent_back_with(
        facebook_dialog(standin, redirect_uri="https://paris.example/other", standin_auto="approve")
    )
    assert exchange_facebook(standin, code=told["code"]).error["error_subcode"] == 36008
