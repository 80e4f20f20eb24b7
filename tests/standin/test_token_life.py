"""Tokens that expire, are revoked or lose a permission, on demand; and what a login's tokens may read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from instagram_standin.server import StandIn
from instagram_standin.tokens import Family, fingerprint
from tests.standin.callers import Reply, ask, control
from tests.standin.signing_in import facebook_token, instagram_token

BAKERY_ID = "17841400000000777"
BAKERY_HOSTS = [
    pytest.param("ig-graph", instagram_token, id="instagram"),
    pytest.param("fb-graph", facebook_token, id="facebook"),
]
SignIn = Callable[[StandIn], str]


def media(standin: StandIn, host: str, token: str) -> Reply:
    return ask(standin, f"/{host}/v26.0/{BAKERY_ID}/media", query={"fields": "id"}, token=token)


def discovered(standin: StandIn, token: str) -> Reply:
    query = {"fields": "business_discovery.username(tiny.studio){username,media_count}"}
    return ask(standin, f"/fb-graph/v26.0/{BAKERY_ID}", query=query, token=token)


@pytest.mark.parametrize(("host", "sign_in"), BAKERY_HOSTS)
@pytest.mark.parametrize("subcode", [None, 458, 460, 463, 467])
def test_a_revoked_token_says_why(standin: StandIn, host: str, sign_in: SignIn, subcode: int | None) -> None:
    token = sign_in(standin)
    assert media(standin, host, token).status == 200
    given = {"token_hash": fingerprint(token), "subcode": subcode}
    assert control(standin, "POST", "tokens/revoke", given).json == {"count": 1}
    refused = media(standin, host, token)
    assert (refused.status, refused.error["code"], refused.error.get("error_subcode")) == (400, 190, subcode)
    assert refused.error["type"] == "OAuthException"


@pytest.mark.parametrize(("host", "sign_in"), BAKERY_HOSTS)
def test_a_token_expires_on_demand(standin: StandIn, host: str, sign_in: SignIn) -> None:
    token = sign_in(standin)
    control(standin, "POST", "tokens/expiry", {"token": token, "seconds": 60})
    assert media(standin, host, token).status == 200
    control(standin, "POST", "tokens/expire", {"username": "Acme.Bakery"})
    refused = media(standin, host, token)
    assert (refused.error["code"], refused.error["error_subcode"]) == (190, 463)
    assert "Session has expired on" in refused.error["message"]
    control(standin, "POST", "tokens/expiry", {"token": token, "seconds": None})
    assert media(standin, host, token).status == 200


@pytest.mark.parametrize(
    ("host", "sign_in", "scope"),
    [
        pytest.param("ig-graph", instagram_token, "instagram_business_basic", id="instagram"),
        pytest.param("fb-graph", facebook_token, "instagram_basic", id="facebook"),
    ],
)
@pytest.mark.parametrize("code", [10, 200])
def test_a_permission_is_taken_and_given_back(
    standin: StandIn, host: str, sign_in: SignIn, scope: str, code: int
) -> None:
    token = sign_in(standin)
    control(standin, "POST", "tokens/permissions", {"account_id": BAKERY_ID, "remove": [scope], "code": code})
    assert media(standin, host, token).error["code"] == code
    control(standin, "POST", "tokens/permissions", {"account_id": BAKERY_ID, "restore": [scope]})
    assert media(standin, host, token).status == 200


@pytest.mark.parametrize("scope", ["instagram_basic", "instagram_manage_insights", "pages_read_engagement"])
def test_discovery_needs_three_permissions(standin: StandIn, scope: str) -> None:
    token = facebook_token(standin)
    assert discovered(standin, token).json["business_discovery"]["username"] == "tiny.studio"
    standin.tokens.remove_permission(token, scope)
    assert discovered(standin, token).error["code"] == 10


def test_own_media_on_facebook_need_one_of_two_page_permissions(standin: StandIn) -> None:
    token = facebook_token(standin)
    standin.tokens.remove_permission(token, "pages_show_list")
    assert media(standin, "fb-graph", token).status == 200
    standin.tokens.remove_permission(token, "pages_read_engagement")
    assert media(standin, "fb-graph", token).error["code"] == 10


def test_a_login_reads_its_own_accounts_only(standin: StandIn) -> None:
    sam = facebook_token(standin, "sam.potter")
    assert media(standin, "fb-graph", sam).error["error_subcode"] == 33
    trails = instagram_token(standin, "northern.trails")
    assert media(standin, "ig-graph", trails).error["error_subcode"] == 33
    assert media(standin, "fb-graph", trails).error["code"] == 190


def test_disconnecting_at_instagram_ends_the_tokens(standin: StandIn) -> None:
    token = instagram_token(standin)
    ask(standin, "/ig-graph/v26.0/me/permissions", method="DELETE", token=token)
    assert media(standin, "ig-graph", token).error["error_subcode"] == 458


def test_tokens_are_listed_by_fingerprint(standin: StandIn) -> None:
    token = instagram_token(standin)
    standin.tokens.set_age(token, 3_600)
    shown = control(standin, "GET", "tokens").json
    assert [entry["kind"] for entry in shown] == ["planted", "short", "long"]
    assert shown[-1]["token_hash"] == fingerprint(token)
    assert (shown[-1]["age"], shown[-1]["expires_in"]) == (3_600, 5_183_944 - 3_600)
    assert shown[-1]["is_good"] is True


def test_tokens_may_be_planted(standin: StandIn) -> None:
    given = {"token": "mine", "family": "facebook", "username": "acme.bakery", "scopes": ["instagram_basic"]}
    control(standin, "POST", "tokens", given)
    assert standin.tokens.find("mine", Family.FACEBOOK) is not None
    assert media(standin, "fb-graph", "mine").error["code"] == 10


@pytest.mark.parametrize(
    ("path", "given"),
    [
        pytest.param("tokens/expire", {}, id="no selector"),
        pytest.param("tokens/expire", {"tokens": "x"}, id="unknown selector"),
        pytest.param("tokens/expire", {"username": "nobody.here"}, id="unknown account"),
        pytest.param("tokens/expire", {"token": 5}, id="a token that is a number"),
        pytest.param("tokens/expire", {"family": "myspace"}, id="unknown family"),
        pytest.param("tokens/revoke", {"token": "x", "subcode": "458"}, id="subcode in words"),
        pytest.param("tokens/age", {"token": "x", "seconds": None}, id="no age"),
        pytest.param("tokens/permissions", {"token": "x", "remove": "instagram_basic"}, id="no list"),
        pytest.param("tokens", {"token": "x", "family": "facebook"}, id="token for nobody"),
        pytest.param("logins", {"speed": 1}, id="unknown option"),
    ],
)
def test_what_is_not_understood_changes_nothing(standin: StandIn, path: str, given: object) -> None:
    method = "PUT" if path == "logins" else "POST"
    assert control(standin, method, path, given).status == 400


def test_options_are_checked_and_reset(standin: StandIn) -> None:
    assert control(standin, "PUT", "logins", {"token_shape": "round"}).status == 400
    assert control(standin, "PUT", "logins", {"numeric_ids": 1}).status == 400
    assert control(standin, "PUT", "logins", {"numeric_ids": True}).json["numeric_ids"] is True
    control(standin, "PUT", "apps/facebook", {"redirect_uris": ["https://paris.example/"]})
    control(standin, "PUT", "people/x", {})
    control(standin, "POST", "reset")
    assert control(standin, "GET", "logins").json["numeric_ids"] is False
    assert control(standin, "GET", "apps").json["facebook"]["redirect_uris"] == []
    assert len(control(standin, "GET", "people").json) == 4
