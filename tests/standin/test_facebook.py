"""Facebook Login: code, short token, long token; people, Pages, debug_token, permissions, appsecret_proof."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from instagram_standin.server import StandIn
from tests.standin.callers import (
    BAKERY_ID,
    FACEBOOK_APP,
    TRAILS_ID,
    Reply,
    ask,
    control,
    exchange_facebook,
    facebook_code,
    facebook_token,
    own_media,
)

ROBIN = "102000000000001"
ACCOUNTS = "id,name,access_token,tasks,instagram_business_account{id,username,name,profile_picture_url}"
APP_TOKEN = "|".join(FACEBOOK_APP.values())


def accounts(standin: StandIn, token: str, **query: object) -> Reply:
    return ask(standin, "/fb-graph/v26.0/me/accounts", query={"fields": ACCOUNTS, **query}, token=token)


def debugged(standin: StandIn, token: str) -> Any:
    query = {"input_token": token, "access_token": APP_TOKEN}
    return ask(standin, "/fb-graph/v26.0/debug_token", query=query).json["data"]


def test_a_code_becomes_a_token_of_some_hours_and_then_of_sixty_days(standin: StandIn) -> None:
    short = exchange_facebook(standin, code=facebook_code(standin)).json
    assert (short["token_type"], short["expires_in"]) == ("bearer", 5_158)
    renewed = {"grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
    long = exchange_facebook(standin, **renewed).json
    assert long["expires_in"] == 5_183_944
    assert long["access_token"] != short["access_token"]
    standin.tokens.set_expiry(short["access_token"], -1)
    assert exchange_facebook(standin, **renewed).codes == (190, 463)


def test_expires_in_may_be_missing(standin: StandIn) -> None:
    control(standin, "set", sends_expires_in=False)
    answer = exchange_facebook(standin, code=facebook_code(standin)).json
    assert answer.keys() == {"access_token", "token_type"}
    assert debugged(standin, answer["access_token"])["expires_at"] > 1_700_000_000


REFUSALS = [
    ({"client_id": "standin-instagram-app"}, (101, None)), ({"client_secret": "wrong"}, (1, None)),
    ({"redirect_uri": "https://paris.example/x"}, (100, 36008)), ({"code": "AQ-never-issued"}, (100, None)),
    ({"grant_type": "password"}, (100, None)), ({"grant_type": "fb_exchange_token"}, (190, None)),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "codes"), REFUSALS, ids=str)
def test_refusals_come_in_graphs_envelope(
    standin: StandIn, changes: dict[str, object], codes: tuple[int, int | None]
) -> None:
    refused = exchange_facebook(standin, **{"code": facebook_code(standin), **changes})
    assert (refused.status, refused.codes) == (400, codes)


def test_a_code_works_once_and_for_an_hour(standin: StandIn) -> None:
    code, late = facebook_code(standin), facebook_code(standin)
    exchange_facebook(standin, code=code)
    assert exchange_facebook(standin, code=code).codes == (100, 36009)
    standin.codes.expire()
    assert exchange_facebook(standin, code=late).codes == (100, 36007)


def test_me_is_the_person(standin: StandIn) -> None:
    token = facebook_token(standin)
    assert ask(standin, "/fb-graph/v26.0/me", token=token).json == {"id": ROBIN, "name": "Robin Baker"}
    refused = ask(standin, "/fb-graph/v26.0/me", query={"fields": "id,account_type"}, token=token)
    assert refused.codes == (100, None)


def test_pages_with_their_instagram_accounts(standin: StandIn) -> None:
    token = facebook_token(standin)
    answer = accounts(standin, token).json
    assert [page["name"] for page in answer["data"]] == ["Acme Bakery", "Northern Trails"]
    bakery = answer["data"][0]
    assert bakery.keys() == {"id", "name", "access_token", "tasks", "instagram_business_account"}
    linked = bakery["instagram_business_account"]
    assert (linked["id"], linked["username"]) == (BAKERY_ID, "acme.bakery")
    assert answer["paging"].keys() == {"cursors"}

    first = accounts(standin, token, limit=1).json
    second = ask(standin, first["paging"]["next"]).json
    assert ([page["name"] for page in second["data"]], "next" in second["paging"]) == (
        ["Northern Trails"],
        False,
    )
    page = ask(standin, "/fb-graph/v26.0/me/accounts", token=token).json["data"][0]
    assert page.keys() == {"access_token", "category", "name", "id", "tasks"}


PEOPLE = [
    ("robin.baker", ["acme.bakery", "northern.trails"]), ("sam.potter", ["tiny.studio"]), ("noor.page", [None]),
    ("kim.nopage", []),
]  # fmt: skip


@pytest.mark.parametrize(("person", "linked"), PEOPLE)
def test_zero_one_or_many_accounts(standin: StandIn, person: str, linked: list[str | None]) -> None:
    pages = accounts(standin, facebook_token(standin, person)).json["data"]
    assert [page.get("instagram_business_account", {}).get("username") for page in pages] == linked


def test_only_granted_pages_are_shown_and_read(standin: StandIn) -> None:
    one = facebook_token(standin, standin_pages="134800000000002")
    assert [page["name"] for page in accounts(standin, one).json["data"]] == ["Northern Trails"]
    assert own_media(standin, "fb-graph", one).codes == (100, 33)
    page = own_media(standin, "fb-graph", one, TRAILS_ID)
    assert (page.status, len(page.json["data"]), "next" in page.json["paging"]) == (200, 25, True)
    assert accounts(standin, facebook_token(standin, standin_pages="")).json == {"data": []}


@pytest.mark.parametrize(
    ("declined", "pages", "linked"),
    [("pages_show_list", 0, 0), ("instagram_basic", 2, 0), ("business_management", 2, 2)],
)
def test_what_is_declined_is_missing_without_an_error(
    standin: StandIn, declined: str, pages: int, linked: int
) -> None:
    token = facebook_token(standin, standin_decline=declined)
    listed = accounts(standin, token).json["data"]
    assert (len(listed), sum("instagram_business_account" in page for page in listed)) == (pages, linked)
    states = ask(standin, "/fb-graph/v26.0/me/permissions", token=token).json["data"]
    assert {"permission": declined, "status": "declined"} in states
    assert {"permission": "public_profile", "status": "granted"} in states


def test_a_configuration_is_granted_as_a_whole_or_not_at_all(standin: StandIn) -> None:
    whole = facebook_token(standin, scope=None, config_id="77")
    assert "instagram_basic" in debugged(standin, whole)["scopes"]
    nothing = facebook_token(standin, scope=None, config_id="77", standin_decline="business_management")
    assert debugged(standin, nothing)["scopes"] == ["public_profile"]


def test_debug_token_shows_the_state(standin: StandIn) -> None:
    token = facebook_token(standin)
    answer = debugged(standin, token)
    assert (answer["app_id"], answer["type"], answer["is_valid"]) == ("standin-facebook-app", "USER", True)
    assert answer["user_id"] == ROBIN
    assert answer["data_access_expires_at"] > answer["expires_at"] > 0
    targets = {granular["scope"]: granular["target_ids"] for granular in answer["granular_scopes"]}
    assert targets["instagram_basic"] == [BAKERY_ID, TRAILS_ID]

    standin.tokens.revoke(token, 460)
    answer = debugged(standin, token)
    assert (answer["is_valid"], answer["error"]["subcode"]) == (False, 460)
    assert debugged(standin, "EAAB-unknown")["is_valid"] is False
    for access_token in ("", "EAAB-unknown", "standin-facebook-app|wrong"):
        query = {"input_token": token, "access_token": access_token}
        assert ask(standin, "/fb-graph/v26.0/debug_token", query=query).codes == (190, None)


def test_withdrawing_the_permissions_ends_all_tokens_of_the_person(standin: StandIn) -> None:
    token, another, sams = (
        facebook_token(standin, who) for who in ("robin.baker", "robin.baker", "sam.potter")
    )
    reply = ask(standin, "/fb-graph/v26.0/me/permissions", method="DELETE", token=token)
    assert (reply.status, reply.json) == (200, {"success": True})
    for dead in (token, another):
        assert accounts(standin, dead).codes == (190, 458)
    assert accounts(standin, sams).status == 200


def test_a_proof_is_checked_and_may_be_required(standin: StandIn) -> None:
    token = facebook_token(standin)
    right = hmac.new(FACEBOOK_APP["client_secret"].encode(), token.encode(), hashlib.sha256).hexdigest()
    assert accounts(standin, token, appsecret_proof=right).status == 200
    refused = accounts(standin, token, appsecret_proof="ä" + right[1:])
    assert refused.error["message"] == "Invalid appsecret_proof provided in the API argument"
    assert accounts(standin, token).status == 200
    control(standin, "set", requires_proof=True)
    assert "require an appsecret_proof" in accounts(standin, token).error["message"]
    assert accounts(standin, token, appsecret_proof=right).status == 200


@pytest.mark.parametrize("scope", ["instagram_basic", "instagram_manage_insights", "pages_read_engagement"])
def test_discovery_needs_three_permissions(standin: StandIn, scope: str) -> None:
    token = facebook_token(standin)
    query = {"fields": "business_discovery.username(tiny.studio){username}"}
    path = f"/fb-graph/v26.0/{BAKERY_ID}"
    answer = ask(standin, path, query=query, token=token)
    assert answer.json["business_discovery"]["username"] == "tiny.studio"
    standin.tokens.remove_permission(token, scope)
    assert ask(standin, path, query=query, token=token).codes == (10, None)


def test_own_media_need_one_of_two_page_permissions(standin: StandIn) -> None:
    token = facebook_token(standin)
    standin.tokens.remove_permission(token, "pages_show_list")
    assert own_media(standin, "fb-graph", token).status == 200
    standin.tokens.remove_permission(token, "pages_read_engagement")
    assert own_media(standin, "fb-graph", token).codes == (10, None)
