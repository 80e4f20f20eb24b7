"""Instagram Login: code, short token, long token, refreshed token; and what a token reads."""

from __future__ import annotations

import pytest

from instagram_standin.server import StandIn
from instagram_standin.tokens import app_scoped_id, fingerprint
from tests.standin.callers import (
    BAKERY_ID,
    TRAILS_ID,
    ask,
    control,
    exchange_instagram,
    facebook_code,
    facebook_token,
    instagram_code,
    instagram_token,
    lengthen_instagram,
    own_media,
    refresh_instagram,
    short_instagram_token,
)

ME = "id,user_id,username,name,account_type,profile_picture_url,followers_count,follows_count,media_count"
DAY = 86_400


def test_a_code_becomes_a_token_wrapped_as_documented(standin: StandIn) -> None:
    (answer,) = exchange_instagram(standin, instagram_code(standin)).json["data"]
    assert answer["access_token"].startswith("IGAA")
    assert answer["user_id"] == app_scoped_id(BAKERY_ID) != BAKERY_ID
    assert answer["permissions"] == "instagram_business_basic"


def test_or_flat_with_a_number_and_a_list(standin: StandIn) -> None:
    control(standin, "set", wraps_token=False)
    answer = exchange_instagram(standin, instagram_code(standin)).json
    assert answer["user_id"] == int(BAKERY_ID)
    assert answer["permissions"] == ["instagram_business_basic"]
    control(standin, "set", sends_permissions=False)
    assert "permissions" not in exchange_instagram(standin, instagram_code(standin)).json


def test_a_code_works_once_and_for_an_hour(standin: StandIn) -> None:
    code, late = instagram_code(standin), instagram_code(standin)
    assert exchange_instagram(standin, code).status == 200
    refused = exchange_instagram(standin, code)
    assert (refused.status, refused.json["error_type"]) == (400, "OAuthException")
    assert refused.json["error_message"] == "Matching code was not found or was already used"
    control(standin, "codes.expire")
    assert exchange_instagram(standin, late).status == 400
    assert exchange_instagram(standin, facebook_code(standin)).status == 400


REFUSALS = [
    ({"client_id": "standin-facebook-app"}, "Invalid platform app"), ({"client_secret": "wrong"}, "client secret"),
    ({"client_secret": None}, "client secret"), ({"grant_type": "password"}, "grant_type"),
    ({"redirect_uri": "https://paris.example/x"}, "redirect_uri"), ({"code": "AQ-never"}, "code was not found"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSALS, ids=str)
def test_a_refusal_is_flat_and_leaves_the_code_good(
    standin: StandIn, changes: dict[str, object], message: str
) -> None:
    code = instagram_code(standin)
    refused = exchange_instagram(standin, code, **changes)
    assert (refused.status, refused.json.keys()) == (400, {"error_type", "code", "error_message"})
    assert message in refused.json["error_message"]
    assert exchange_instagram(standin, code).status == 200


def test_the_login_host_does_nothing_else(standin: StandIn) -> None:
    assert ask(standin, "/ig-api/oauth/access_token").status == 405
    assert ask(standin, "/ig-api/v1/users/self", method="POST", form={}).status == 404


def test_short_becomes_long_with_the_secret(standin: StandIn) -> None:
    short = short_instagram_token(standin)
    long = lengthen_instagram(standin, short).json
    assert long["access_token"] not in ("", short)
    assert (long["token_type"], long["expires_in"]) == ("bearer", 5_183_944)

    assert lengthen_instagram(standin, short, client_secret="wrong").status == 400
    assert lengthen_instagram(standin, short, grant_type="other").codes == (100, None)
    assert lengthen_instagram(standin, long["access_token"]).codes == (100, None)
    assert lengthen_instagram(standin, "IGAA-unknown").codes == (190, None)
    assert refresh_instagram(standin, short).codes == (100, None)
    standin.tokens.set_expiry(short, -1)
    assert lengthen_instagram(standin, short).codes == (190, 463)


@pytest.mark.parametrize(
    ("age", "code"), [(0, 100), (DAY - 60, 100), (DAY + 60, None), (59 * DAY, None), (61 * DAY, 190)]
)
def test_a_token_is_refreshed_from_a_day_to_sixty(standin: StandIn, age: int, code: int | None) -> None:
    token = instagram_token(standin)
    control(standin, "tokens.change", change="set_age", account_id=BAKERY_ID, seconds=age)
    reply = refresh_instagram(standin, token)
    if code is None:
        assert reply.json["expires_in"] == 5_183_944
        assert reply.json["access_token"] != token
        assert refresh_instagram(standin, reply.json["access_token"]).codes == (100, None)
    else:
        assert reply.error["code"] == code


def test_a_refresh_may_keep_the_string_and_needs_the_permission(standin: StandIn) -> None:
    control(standin, "set", refresh_keeps_token=True)
    token = instagram_token(standin)
    standin.tokens.set_age(token, 2 * DAY)
    assert refresh_instagram(standin, token).json["access_token"] == token
    assert standin.calls[-1]["token_hash"] == fingerprint(token)
    standin.tokens.set_age(token, 2 * DAY)
    standin.tokens.remove_permission(token, "instagram_business_basic")
    assert refresh_instagram(standin, token).codes == (10, None)


def test_me_has_both_ids(standin: StandIn) -> None:
    token = instagram_token(standin)
    me = ask(standin, "/ig-graph/v26.0/me", query={"fields": ME}, token=token).json
    assert me.keys() == set(ME.split(","))
    assert (me["id"], me["user_id"]) == (app_scoped_id(BAKERY_ID), BAKERY_ID)
    assert (me["username"], me["account_type"]) == ("acme.bakery", "BUSINESS")
    assert me["profile_picture_url"].startswith("http://")
    assert ask(standin, "/ig-graph/v26.0/me", token=token).json == {"id": me["id"]}

    control(standin, "set", wraps_me=True, numeric_ids=True)
    wrapped = ask(standin, "/ig-graph/v26.0/me", query={"fields": "user_id"}, token=token).json
    assert wrapped == {"data": [{"id": int(app_scoped_id(BAKERY_ID)), "user_id": int(BAKERY_ID)}]}


KINDS = [("acme.bakery", "BUSINESS"), ("tiny.studio", "MEDIA_CREATOR"), ("jane.private", "PERSONAL")]


@pytest.mark.parametrize(("account", "kind"), KINDS)
def test_kinds_of_accounts(standin: StandIn, account: str, kind: str) -> None:
    token = instagram_token(standin, account)
    me = ask(standin, "/ig-graph/v26.0/me", query={"fields": "user_id,account_type"}, token=token).json
    assert me["account_type"] == kind
    assert own_media(standin, "ig-graph", token, me["user_id"]).status == (400 if kind == "PERSONAL" else 200)


@pytest.mark.parametrize("node", [TRAILS_ID, app_scoped_id(TRAILS_ID), "me"])
def test_own_media_under_any_name_with_a_next_that_embeds_the_token(standin: StandIn, node: str) -> None:
    token = instagram_token(standin, "northern.trails")
    page = own_media(standin, "ig-graph", token, node, limit=80)
    assert (len(page.json["data"]), page.json["paging"].keys()) == (80, {"cursors", "next"})
    assert page.json["paging"]["cursors"].keys() == {"before", "after"}
    assert f"access_token={token}" in page.json["paging"]["next"]
    assert f'"{TRAILS_ID}":[{{"type":"instagram","call_count":3' in page.headers["X-Business-Use-Case-Usage"]
    assert "X-App-Usage" not in page.headers

    last = ask(standin, page.json["paging"]["next"]).json
    assert (len(last["data"]), last["paging"].keys()) == (50, {"cursors"})
    assert not {post["id"] for post in page.json["data"]} & {post["id"] for post in last["data"]}
    assert (standin.calls[-1]["username"], standin.calls[-1]["after"] is not None) == (
        "northern.trails",
        True,
    )


def test_a_token_reads_its_own_account_only(standin: StandIn) -> None:
    token = instagram_token(standin)
    account = ask(standin, f"/ig-graph/v26.0/{BAKERY_ID}", query={"fields": "username"}, token=token)
    assert account.json == {"username": "acme.bakery", "id": BAKERY_ID}
    assert own_media(standin, "ig-graph", token, TRAILS_ID).codes == (100, 33)
    assert own_media(standin, "fb-graph", token).codes == (190, None)
    assert own_media(standin, "ig-graph", facebook_token(standin)).codes == (190, None)
    query = {"fields": "business_discovery.username(tiny.studio){id}"}
    discovery = ask(standin, f"/ig-graph/v26.0/{BAKERY_ID}", query=query, token=token)
    tags = ask(standin, "/ig-graph/v26.0/ig_hashtag_search", query={"q": "sourdough"}, token=token)
    assert discovery.error["code"] == tags.error["code"] == 100


def test_disconnecting_ends_the_tokens(standin: StandIn) -> None:
    token = instagram_token(standin)
    ask(standin, "/ig-graph/v26.0/me/permissions", method="DELETE", token=token)
    assert own_media(standin, "ig-graph", token).codes == (190, 458)


@pytest.mark.parametrize("subcode", [None, 458, 460, 463, 467])
def test_a_revoked_token_says_why(standin: StandIn, subcode: int | None) -> None:
    tokens = {"ig-graph": instagram_token(standin), "fb-graph": facebook_token(standin)}
    for host, token in tokens.items():
        selected = {"token_hash": fingerprint(token), "subcode": subcode}
        assert control(standin, "tokens.change", change="revoke", **selected).json == {"count": 1}
        refused = own_media(standin, host, token)
        assert (refused.status, refused.codes, refused.error["type"]) == (
            400,
            (190, subcode),
            "OAuthException",
        )


@pytest.mark.parametrize("code", [10, 200])
def test_a_permission_is_taken(standin: StandIn, code: int) -> None:
    token = instagram_token(standin)
    taken = {"scope": "instagram_business_basic", "code": code}
    control(standin, "tokens.change", change="remove_permission", family="instagram", **taken)
    assert own_media(standin, "ig-graph", token).codes == (code, None)
