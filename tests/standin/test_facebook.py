"""Facebook Login: code, short token, long token; people, Pages, debug_token, permissions, appsecret_proof."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from tests.standin.callers import BAKERY_ID, FACEBOOK_APP, TRAILS_ID, Meta, Reply

ROBIN = "102000000000001"
ACCOUNTS = "id,name,access_token,tasks,instagram_business_account{id,username,name,profile_picture_url}"
APP_TOKEN = "|".join(FACEBOOK_APP.values())


def accounts(meta: Meta, token: str, **query: object) -> Reply:
    return meta.ask("/fb-graph/v26.0/me/accounts", query={"fields": ACCOUNTS, **query}, token=token)


def debugged(meta: Meta, token: str) -> Any:
    query = {"input_token": token, "access_token": APP_TOKEN}
    return meta.ask("/fb-graph/v26.0/debug_token", query=query).json["data"]


def test_a_code_becomes_a_token_of_some_hours_and_then_of_sixty_days(meta: Meta) -> None:
    short = meta.exchange_facebook(code=meta.facebook_code()).json
    assert (short["token_type"], short["expires_in"]) == ("bearer", 5_158)
    renewed = {"grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
    long = meta.exchange_facebook(**renewed).json
    assert long["expires_in"] == 5_183_944
    assert long["access_token"] != short["access_token"]
    meta.tokens.set_expiry(short["access_token"], -1)
    assert meta.exchange_facebook(**renewed).codes == (190, 463)
    meta.control("set", sends_expires_in=False)
    assert meta.exchange_facebook(code=meta.facebook_code()).json.keys() == {"access_token", "token_type"}


def test_a_code_works_once_for_an_hour_and_for_its_app(meta: Meta) -> None:
    code, late = meta.facebook_code(), meta.facebook_code()
    for changes, codes in (
        ({"client_id": "standin-instagram-app"}, (101, None)), ({"client_secret": "wrong"}, (1, None)),
        ({"redirect_uri": "https://paris.example/x"}, (100, 36008)), ({"code": "AQ-never-issued"}, (100, None)),
        ({"grant_type": "password"}, (100, None)), ({"grant_type": "fb_exchange_token"}, (190, None)),
    ):  # fmt: skip
        refused = meta.exchange_facebook(**{"code": code, **changes})
        assert (refused.status, refused.codes) == (400, codes)
    assert meta.exchange_facebook(code=code).status == 200
    assert meta.exchange_facebook(code=code).codes == (100, 36009)
    meta.codes.expire()
    assert meta.exchange_facebook(code=late).codes == (100, 36007)


def test_pages_with_their_instagram_accounts(meta: Meta) -> None:
    token = meta.facebook_token()
    assert meta.ask("/fb-graph/v26.0/me", token=token).json == {"id": ROBIN, "name": "Robin Baker"}
    answer = accounts(meta, token).json
    assert [page["name"] for page in answer["data"]] == ["Acme Bakery", "Northern Trails"]
    bakery = answer["data"][0]
    assert bakery.keys() == {"id", "name", "access_token", "tasks", "instagram_business_account"}
    linked = bakery["instagram_business_account"]
    assert (linked["id"], linked["username"]) == (BAKERY_ID, "acme.bakery")
    assert answer["paging"].keys() == {"cursors"}

    first = accounts(meta, token, limit=1).json
    second = meta.ask(first["paging"]["next"]).json
    assert [page["name"] for page in second["data"]] == ["Northern Trails"]
    assert "next" not in second["paging"]
    page = meta.ask("/fb-graph/v26.0/me/accounts", token=token).json["data"][0]
    assert page.keys() == {"access_token", "category", "name", "id", "tasks"}


def test_zero_one_or_many_accounts(meta: Meta) -> None:
    linked = {"robin.baker": ["acme.bakery", "northern.trails"], "sam.potter": ["tiny.studio"]}
    for person, usernames in {**linked, "kim.nopage": [], "noor.page": [None]}.items():
        pages = accounts(meta, meta.facebook_token(person)).json["data"]
        assert [page.get("instagram_business_account", {}).get("username") for page in pages] == usernames


def test_only_granted_pages_are_shown_and_read(meta: Meta) -> None:
    one = meta.facebook_token(standin_pages="134800000000002")
    assert [page["name"] for page in accounts(meta, one).json["data"]] == ["Northern Trails"]
    assert meta.own_media("fb-graph", one).codes == (100, 33)
    page = meta.own_media("fb-graph", one, TRAILS_ID)
    assert (page.status, len(page.json["data"]), "next" in page.json["paging"]) == (200, 25, True)
    assert accounts(meta, meta.facebook_token(standin_pages="")).json == {"data": []}


def test_declined_permissions_omit_data_without_an_error(meta: Meta) -> None:
    effects = {"pages_show_list": (0, 0), "instagram_basic": (2, 0), "business_management": (2, 2)}
    for declined, effect in effects.items():
        token = meta.facebook_token(standin_decline=declined)
        listed = accounts(meta, token).json["data"]
        assert (len(listed), sum("instagram_business_account" in page for page in listed)) == effect
        states = meta.ask("/fb-graph/v26.0/me/permissions", token=token).json["data"]
        assert {"permission": declined, "status": "declined"} in states
        assert {"permission": "public_profile", "status": "granted"} in states


def test_a_configuration_is_granted_as_a_whole_or_not_at_all(meta: Meta) -> None:
    whole = meta.facebook_token(scope=None, config_id="77")
    assert "instagram_basic" in debugged(meta, whole)["scopes"]
    nothing = meta.facebook_token(scope=None, config_id="77", standin_decline="business_management")
    assert debugged(meta, nothing)["scopes"] == ["public_profile"]


def test_debug_token_shows_the_state(meta: Meta) -> None:
    token = meta.facebook_token()
    answer = debugged(meta, token)
    assert (answer["app_id"], answer["type"], answer["is_valid"]) == ("standin-facebook-app", "USER", True)
    assert answer["user_id"] == ROBIN
    assert answer["data_access_expires_at"] > answer["expires_at"] > 0
    targets = {granular["scope"]: granular["target_ids"] for granular in answer["granular_scopes"]}
    assert targets["instagram_basic"] == [BAKERY_ID, TRAILS_ID]

    meta.tokens.revoke(token, 460)
    answer = debugged(meta, token)
    assert (answer["is_valid"], answer["error"]["subcode"]) == (False, 460)
    assert debugged(meta, "EAAB-unknown")["is_valid"] is False
    for access_token in ("", "EAAB-unknown", "standin-facebook-app|wrong"):
        query = {"input_token": token, "access_token": access_token}
        assert meta.ask("/fb-graph/v26.0/debug_token", query=query).codes == (190, None)


def test_a_proof_is_checked_and_may_be_required(meta: Meta) -> None:
    token = meta.facebook_token()
    right = hmac.new(FACEBOOK_APP["client_secret"].encode(), token.encode(), hashlib.sha256).hexdigest()
    assert accounts(meta, token, appsecret_proof=right).status == 200
    refused = accounts(meta, token, appsecret_proof="ä" + right[1:])
    assert refused.error["message"] == "Invalid appsecret_proof provided in the API argument"
    assert accounts(meta, token).status == 200
    meta.control("set", requires_proof=True)
    assert "require an appsecret_proof" in accounts(meta, token).error["message"]
    assert accounts(meta, token, appsecret_proof=right).status == 200


def test_discovery_needs_three_permissions_and_own_media_two(meta: Meta) -> None:
    path, query = f"/fb-graph/v26.0/{BAKERY_ID}", {"fields": "business_discovery.username(tiny.studio){id}"}
    for scope in ("instagram_basic", "instagram_manage_insights", "pages_read_engagement"):
        token = meta.facebook_token()
        assert meta.ask(path, query=query, token=token).status == 200
        meta.tokens.remove_permission(token, scope)
        assert meta.ask(path, query=query, token=token).codes == (10, None)
        assert meta.own_media("fb-graph", token).status == (400 if scope == "instagram_basic" else 200)
    meta.tokens.remove_permission(token, "pages_show_list")
    assert meta.own_media("fb-graph", token).codes == (10, None)
