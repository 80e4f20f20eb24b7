"""Tokens of Instagram Login: code, short, long, refreshed; and who they speak for."""

from __future__ import annotations

import pytest

from instagram_standin.logins import Shape
from instagram_standin.people import app_scoped_id
from instagram_standin.server import StandIn
from instagram_standin.tokens import fingerprint
from tests.standin.callers import ask, connection, control
from tests.standin.signing_in import (
    exchange_instagram,
    facebook_code,
    instagram_code,
    instagram_token,
    lengthen_instagram,
    refresh_instagram,
)

BAKERY_ID = "17841400000000777"
ALL_OF_ME = (
    "id,user_id,username,name,account_type,profile_picture_url,followers_count,follows_count,media_count"
)
DAY = 86_400


def test_a_code_becomes_a_token_wrapped_as_documented(standin: StandIn) -> None:
    (told,) = exchange_instagram(standin, instagram_code(standin)).json["data"]
    assert told["access_token"].startswith("IGAA")
    assert told["user_id"] == app_scoped_id(BAKERY_ID) != BAKERY_ID
    assert told["permissions"] == "instagram_business_basic"


def test_or_flat_with_a_number_and_a_list(standin: StandIn) -> None:
    control(standin, "PUT", "logins", {"token_shape": "flat"})
    told = exchange_instagram(standin, instagram_code(standin)).json
    assert told["user_id"] == int(BAKERY_ID)
    assert told["permissions"] == ["instagram_business_basic"]

    standin.logins.options.tells_permissions = False
    assert "permissions" not in exchange_instagram(standin, instagram_code(standin)).json


def test_a_code_works_once(standin: StandIn) -> None:
    code = instagram_code(standin)
    assert exchange_instagram(standin, code).status == 200
    refused = exchange_instagram(standin, code)
    assert refused.status == 400
    assert refused.json == {
        "error_type": "OAuthException",
        "code": 400,
        "error_message": "Matching code was not found or was already used",
    }


def test_a_code_lives_an_hour(standin: StandIn) -> None:
    code = instagram_code(standin)
    control(standin, "POST", "codes/expire")
    assert exchange_instagram(standin, code).status == 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"client_id": "standin-facebook-app"}, "Invalid platform app", id="the other app's id"),
        pytest.param({"client_secret": "wrong"}, "client secret", id="wrong secret"),
        pytest.param({"client_secret": None}, "client secret", id="no secret"),
        pytest.param({"grant_type": "password"}, "grant_type", id="wrong grant type"),
        pytest.param({"redirect_uri": "https://paris.example/callback/"}, "redirect_uri", id="other address"),
        pytest.param({"code": "AQ-never-issued"}, "Matching code was not found", id="unknown code"),
        pytest.param({"code": None}, "Matching code was not found", id="no code"),
    ],
)
def test_a_refusal_is_flat_and_leaves_the_code_good(
    standin: StandIn, changes: dict[str, object], message: str
) -> None:
    code = instagram_code(standin)
    refused = exchange_instagram(standin, code, **changes)
    assert (refused.status, refused.json.keys()) == (400, {"error_type", "code", "error_message"})
    assert message in refused.json["error_message"]
    assert exchange_instagram(standin, code).status == 200


def test_a_code_of_the_other_family_is_unknown(standin: StandIn) -> None:
    assert exchange_instagram(standin, facebook_code(standin)).status == 400


def test_the_form_may_be_multipart(standin: StandIn) -> None:
    fields = {
        "client_id": "standin-instagram-app",
        "client_secret": "standin-instagram-secret",
        "grant_type": "authorization_code",
        "redirect_uri": "https://paris.example/callback",
        "code": instagram_code(standin),
    }
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    # `ask` sends JSON or a urlencoded form; this is curl -F, as Meta's page shows it.
    with connection(standin) as caller:
        kind = {"Content-Type": "multipart/form-data; boundary=xyz"}
        caller.request("POST", "/ig-api/oauth/access_token", "".join(parts) + "--xyz--\r\n", kind)
        assert caller.getresponse().status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ig-api/oauth/access_token", 405), ("POST", "/ig-api/v1/users/self", 404)],
)
def test_the_login_host_does_nothing_else(standin: StandIn, method: str, path: str, status: int) -> None:
    reply = ask(standin, path, method=method, form={})
    assert (reply.status, reply.json["error_type"]) == (status, "OAuthException")


def test_short_becomes_long_for_who_knows_the_secret(standin: StandIn) -> None:
    short = exchange_instagram(standin, instagram_code(standin)).json["data"][0]["access_token"]
    long = lengthen_instagram(standin, short).json
    assert long["access_token"] not in ("", short)
    assert (long["token_type"], long["expires_in"]) == ("bearer", 5_183_944)

    assert lengthen_instagram(standin, short, client_secret="wrong").status == 400
    assert lengthen_instagram(standin, short, grant_type="other").error["code"] == 100
    assert lengthen_instagram(standin, long["access_token"]).error["code"] == 100
    assert lengthen_instagram(standin, "IGAA-nobodys").error["code"] == 190
    standin.tokens.expire(short)
    assert lengthen_instagram(standin, short).error["error_subcode"] == 463


@pytest.mark.parametrize(
    ("age", "code"),
    [
        pytest.param(0, 100, id="just issued"),
        pytest.param(DAY - 60, 100, id="a minute short of a day"),
        pytest.param(DAY + 60, None, id="a day and a minute"),
        pytest.param(59 * DAY, None, id="near its end"),
        pytest.param(61 * DAY, 190, id="past its end"),
    ],
)
def test_a_token_is_refreshed_from_a_day_to_sixty(standin: StandIn, age: int, code: int | None) -> None:
    token = instagram_token(standin)
    control(standin, "POST", "tokens/age", {"username": "acme.bakery", "seconds": age})
    reply = refresh_instagram(standin, token)
    if code is None:
        assert reply.json["expires_in"] == 5_183_944
        assert reply.json["access_token"] != token
        assert refresh_instagram(standin, reply.json["access_token"]).error["code"] == 100
    else:
        assert reply.error["code"] == code


def test_a_refresh_may_keep_the_string(standin: StandIn) -> None:
    standin.logins.options.refresh_keeps_token = True
    token = instagram_token(standin)
    standin.tokens.set_age(token, 2 * DAY)
    assert refresh_instagram(standin, token).json["access_token"] == token
    assert refresh_instagram(standin, token).error["code"] == 100


def test_a_refresh_needs_the_permission_still(standin: StandIn) -> None:
    token = instagram_token(standin)
    standin.tokens.set_age(token, 2 * DAY)
    standin.tokens.remove_permission(token, "instagram_business_basic")
    assert refresh_instagram(standin, token).error["code"] == 10


def test_a_short_token_cannot_be_refreshed(standin: StandIn) -> None:
    short = exchange_instagram(standin, instagram_code(standin)).json["data"][0]["access_token"]
    assert refresh_instagram(standin, short).error["code"] == 100


def test_me_tells_both_ids(standin: StandIn) -> None:
    token = instagram_token(standin)
    me = ask(standin, "/ig-graph/v26.0/me", query={"fields": ALL_OF_ME}, token=token).json
    assert me.keys() == set(ALL_OF_ME.split(","))
    assert (me["id"], me["user_id"]) == (app_scoped_id(BAKERY_ID), BAKERY_ID)
    assert (me["username"], me["account_type"]) == ("acme.bakery", "BUSINESS")
    assert me["profile_picture_url"].startswith("http://")
    assert len(me["id"]) == len(me["user_id"]) == 17
    assert ask(standin, "/ig-graph/v26.0/me", token=token).json == {"id": me["id"]}


def test_me_may_be_wrapped_and_its_ids_numbers(standin: StandIn) -> None:
    standin.logins.options.me_shape = Shape.WRAPPED
    standin.logins.options.numeric_ids = True
    query = {"fields": "user_id,username"}
    reply = ask(standin, "/ig-graph/v26.0/me", query=query, token=instagram_token(standin))
    assert reply.json == {
        "data": [{"user_id": int(BAKERY_ID), "username": "acme.bakery", "id": int(app_scoped_id(BAKERY_ID))}]
    }


@pytest.mark.parametrize(
    ("account", "kind"),
    [("acme.bakery", "BUSINESS"), ("tiny.studio", "MEDIA_CREATOR"), ("jane.private", "PERSONAL")],
)
def test_kinds_of_accounts(standin: StandIn, account: str, kind: str) -> None:
    token = instagram_token(standin, account)
    query = {"fields": "user_id,account_type"}
    me = ask(standin, "/ig-graph/v26.0/me", query=query, token=token).json
    assert me["account_type"] == kind
    media = ask(standin, f"/ig-graph/v26.0/{me['user_id']}/media", token=token)
    assert media.status == (400 if kind == "PERSONAL" else 200)


@pytest.mark.parametrize("node", [BAKERY_ID, app_scoped_id(BAKERY_ID), "me"])
def test_own_media_under_any_of_its_names(standin: StandIn, node: str) -> None:
    token = instagram_token(standin)
    reply = ask(standin, f"/ig-graph/v26.0/{node}/media", query={"fields": "id,caption"}, token=token)
    assert len(reply.json["data"]) == 25
    assert len(ask(standin, reply.json["paging"]["next"]).json["data"]) == 15
    assert [call["username"] for call in standin.calls][-1] == "acme.bakery" or node.startswith("28970")


def test_the_log_knows_tokens_by_fingerprint(standin: StandIn) -> None:
    token = instagram_token(standin)
    standin.tokens.set_age(token, 2 * DAY)
    refresh_instagram(standin, token)
    assert standin.calls[-1]["token_hash"] == fingerprint(token)
    shown = control(standin, "GET", "calls").body + control(standin, "GET", "tokens").body
    assert token.encode() not in shown
    assert b"standin-instagram-secret" not in shown


def test_token_endpoints_may_fail(standin: StandIn) -> None:
    code = instagram_code(standin)
    standin.faults.add("html", path="/ig-api/oauth/access_token", times=1)
    assert exchange_instagram(standin, code).headers["Content-Type"].startswith("text/html")
    assert exchange_instagram(standin, code).status == 200
