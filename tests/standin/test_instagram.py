"""Instagram Login: code, short token, long token, refreshed token; and what a token reads."""

from __future__ import annotations

import pytest

from instagram_standin.tokens import app_scoped_id, fingerprint
from tests.standin.callers import BAKERY_ID, TRAILS_ID, Meta

ME = "id,user_id,username,name,account_type,profile_picture_url,followers_count,follows_count,media_count"
DAY = 86_400


def test_a_code_becomes_a_token_wrapped_or_flat(meta: Meta) -> None:
    (answer,) = meta.exchange_instagram(meta.instagram_code()).json["data"]
    assert answer["access_token"].startswith("IGAA")
    assert answer["user_id"] == app_scoped_id(BAKERY_ID) != BAKERY_ID
    assert answer["permissions"] == "instagram_business_basic"
    meta.control("set", wraps_token=False)
    flat = meta.exchange_instagram(meta.instagram_code()).json
    assert (flat["user_id"], flat["permissions"]) == (int(BAKERY_ID), ["instagram_business_basic"])
    meta.control("set", sends_permissions=False)
    assert "permissions" not in meta.exchange_instagram(meta.instagram_code()).json


def test_a_code_works_once_and_for_an_hour(meta: Meta) -> None:
    code, late = meta.instagram_code(), meta.instagram_code()
    assert meta.exchange_instagram(code).status == 200
    message = "Matching code was not found or was already used"
    refused = meta.exchange_instagram(code)
    assert refused.json == {"error_type": "OAuthException", "code": 400, "error_message": message}
    meta.control("codes.expire")
    assert meta.exchange_instagram(late).status == meta.exchange_instagram(meta.facebook_code()).status == 400


def test_a_refusal_does_not_use_up_the_code(meta: Meta) -> None:
    code = meta.instagram_code()
    for changes, message in (
        ({"client_id": "standin-facebook-app"}, "Invalid platform app"), ({"client_secret": "x"}, "client secret"),
        ({"client_secret": None}, "client secret"), ({"grant_type": "password"}, "grant_type"),
        ({"redirect_uri": "https://paris.example/x"}, "redirect_uri"), ({"code": "AQ-never"}, "code was not found"),
    ):  # fmt: skip
        refused = meta.exchange_instagram(code, **changes)
        assert (refused.status, message in refused.json["error_message"]) == (400, True)
    assert meta.exchange_instagram(code).status == 200


def test_a_short_token_becomes_a_long_token_with_the_secret(meta: Meta) -> None:
    short = meta.short_instagram_token()
    long = meta.lengthen_instagram(short).json
    assert long["access_token"] not in ("", short)
    assert (long["token_type"], long["expires_in"]) == ("bearer", 5_183_944)

    assert meta.lengthen_instagram(short, client_secret="wrong").status == 400
    assert meta.lengthen_instagram(short, grant_type="other").codes == (100, None)
    assert meta.lengthen_instagram(long["access_token"]).codes == (100, None)
    assert meta.lengthen_instagram("IGAA-unknown").codes == (190, None)
    assert meta.refresh_instagram(short).codes == (100, None)
    meta.tokens.set_expiry(short, -1)
    assert meta.lengthen_instagram(short).codes == (190, 463)


def test_a_token_can_be_refreshed_from_one_day_to_sixty_days_old(meta: Meta) -> None:
    for age, code in ((0, 100), (DAY - 60, 100), (DAY + 60, None), (59 * DAY, None), (61 * DAY, 190)):
        token = meta.instagram_token()
        meta.control("tokens.change", change="set_age", select={"token": token}, seconds=age)
        reply = meta.refresh_instagram(token)
        assert reply.json.get("error", {}).get("code") == code
        if code is None:
            assert reply.json["expires_in"] == 5_183_944
            assert reply.json["access_token"] != token
            assert meta.refresh_instagram(reply.json["access_token"]).codes == (100, None)


def test_a_refresh_may_keep_the_string_and_needs_the_permission(meta: Meta) -> None:
    meta.control("set", refresh_keeps_token=True)
    token = meta.instagram_token()
    meta.tokens.set_age(token, 2 * DAY)
    assert meta.refresh_instagram(token).json["access_token"] == token
    assert meta.calls[-1]["token_hash"] == fingerprint(token)
    meta.tokens.set_age(token, 2 * DAY)
    meta.tokens.remove_permission(token, "instagram_business_basic")
    assert meta.refresh_instagram(token).codes == (10, None)


def test_me_has_both_ids(meta: Meta) -> None:
    token = meta.instagram_token()
    me = meta.ask("/ig-graph/v26.0/me", query={"fields": ME}, token=token).json
    assert me.keys() == set(ME.split(","))
    assert (me["id"], me["user_id"]) == (app_scoped_id(BAKERY_ID), BAKERY_ID)
    assert (me["username"], me["account_type"]) == ("acme.bakery", "BUSINESS")
    assert me["profile_picture_url"].startswith("http://")
    assert meta.ask("/ig-graph/v26.0/me", token=token).json == {"id": me["id"]}

    meta.control("set", wraps_me=True, numeric_ids=True)
    wrapped = meta.ask("/ig-graph/v26.0/me", query={"fields": "user_id"}, token=token).json
    assert wrapped == {"data": [{"id": int(app_scoped_id(BAKERY_ID)), "user_id": int(BAKERY_ID)}]}


def test_creator_accounts_have_media_and_personal_accounts_do_not(meta: Meta) -> None:
    for account, kind, status in (("tiny.studio", "MEDIA_CREATOR", 200), ("jane.private", "PERSONAL", 400)):
        token = meta.instagram_token(account)
        me = meta.ask("/ig-graph/v26.0/me", query={"fields": "user_id,account_type"}, token=token).json
        assert me["account_type"] == kind
        assert meta.own_media("ig-graph", token, me["user_id"]).status == status


@pytest.mark.parametrize("node", [TRAILS_ID, app_scoped_id(TRAILS_ID), "me"])
def test_own_media_under_any_name_with_a_next_that_embeds_the_token(meta: Meta, node: str) -> None:
    token = meta.instagram_token("northern.trails")
    page = meta.own_media("ig-graph", token, node, limit=80)
    assert (len(page.json["data"]), page.json["paging"].keys()) == (80, {"cursors", "next"})
    assert page.json["paging"]["cursors"].keys() == {"before", "after"}
    assert f"access_token={token}" in page.json["paging"]["next"]
    assert f'"{TRAILS_ID}":[{{"type":"instagram","call_count":3' in page.headers["X-Business-Use-Case-Usage"]
    assert "X-App-Usage" not in page.headers

    last = meta.ask(page.json["paging"]["next"]).json
    assert (len(last["data"]), last["paging"].keys()) == (50, {"cursors"})
    assert not {post["id"] for post in page.json["data"]} & {post["id"] for post in last["data"]}
    assert (meta.calls[-1]["username"], bool(meta.calls[-1]["after"])) == ("northern.trails", True)


def test_a_token_reads_its_own_account_only(meta: Meta) -> None:
    token, node = meta.instagram_token(), f"/ig-graph/v26.0/{BAKERY_ID}"
    account = meta.ask(node, query={"fields": "username"}, token=token)
    assert account.json == {"username": "acme.bakery", "id": BAKERY_ID}
    assert meta.own_media("ig-graph", token, TRAILS_ID).codes == (100, 33)
    assert meta.own_media("fb-graph", token).codes == (190, None)
    assert meta.own_media("ig-graph", meta.facebook_token()).codes == (190, None)
    discovery = {"fields": "business_discovery.username(tiny.studio){id}"}
    assert meta.ask(node, query=discovery, token=token).error["code"] == 100
    assert meta.ask("/ig-graph/v26.0/ig_hashtag_search", query={"q": "x"}, token=token).error["code"] == 100


@pytest.mark.parametrize("subcode", [None, 458, 460, 463, 467])
def test_an_error_for_a_revoked_token_names_the_reason(meta: Meta, subcode: int | None) -> None:
    for host, token in (("ig-graph", meta.instagram_token()), ("fb-graph", meta.facebook_token())):
        selected = {"select": {"token_hash": fingerprint(token)}, "subcode": subcode}
        assert meta.control("tokens.change", change="revoke", **selected).json == {"count": 1}
        refused = meta.own_media(host, token)
        assert (refused.status, refused.codes) == (400, (190, subcode))
    token = meta.instagram_token()
    taken = {"scope": "instagram_business_basic", "code": 200, "select": {"family": "instagram"}}
    meta.control("tokens.change", change="remove_permission", **taken)
    assert meta.own_media("ig-graph", token).codes == (200, None)
    meta.ask("/ig-graph/v26.0/me/permissions", method="DELETE", token=token)
    assert meta.own_media("ig-graph", token).codes == (190, 458)
