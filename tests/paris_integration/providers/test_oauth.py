"""Both logins, with every documented and reported shape of Meta's answers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from paris_integration.errors import LoginFailed, ProviderUnavailable, TokenRejected, UnexpectedPayload
from paris_integration.providers.http import HttpClient
from paris_integration.providers.oauth import Account, App, MetaLogins, Urls
from paris_integration.types import Login, Secret

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
URLS = Urls(
    instagram_www="https://www.instagram.example/ig",
    instagram_api="https://api.instagram.example",
    instagram_graph="https://graph.instagram.example",
    facebook_www="https://www.facebook.example",
    facebook_graph="https://graph.facebook.example:8443/fb",
    version="v26.0",
)
CALLBACK = "https://feeds.example/v1/integrations/instagram/callback"
IG_TOKEN = f"{URLS.instagram_api}/oauth/access_token"
IG_LONG = f"{URLS.instagram_graph}/access_token"
IG_ME = f"{URLS.instagram_graph}/v26.0/me"
IG_RENEW = f"{URLS.instagram_graph}/refresh_access_token"
FB = f"{URLS.facebook_graph}/v26.0"
LONG = {"access_token": "canary-long", "token_type": "bearer", "expires_in": 5_183_944, "permissions": "x"}
ME = {
    "id": "28970000000000001",
    "user_id": "17841400000000001",
    "username": "Acme.Bakery",
    "account_type": "BUSINESS",
}


def logins(config_id: str = "") -> MetaLogins:
    apps = {
        Login.INSTAGRAM: App("ig-app", Secret("canary-ig-secret")),
        Login.FACEBOOK: App("fb-app", Secret("canary-fb-secret"), config_id),
    }
    return MetaLogins(HttpClient(), URLS, apps, timeout_seconds=5)


def exchange(login: Login, code: str = "canary-code") -> Any:
    return logins().exchange(login, code=code, redirect_uri=CALLBACK, now=NOW)


def refused(login: Login) -> LoginFailed:
    with pytest.raises(LoginFailed) as failure:
        exchange(login)
    return failure.value


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_authorize_url_has_the_documented_parameters() -> None:
    instagram = logins().authorize_url(Login.INSTAGRAM, state="s-1", redirect_uri=CALLBACK)
    assert instagram.startswith("https://www.instagram.example/ig/oauth/authorize?")
    assert query_of(instagram) == {
        "client_id": "ig-app",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "instagram_business_basic",
        "state": "s-1",
    }
    facebook = query_of(logins().authorize_url(Login.FACEBOOK, state="s-2", redirect_uri=CALLBACK))
    assert "instagram_basic" in facebook["scope"].split(",")
    configured = query_of(logins("cfg-1").authorize_url(Login.FACEBOOK, state="s-3", redirect_uri=CALLBACK))
    assert (configured["config_id"], "scope" in configured) == ("cfg-1", False)


SHORT = {
    "access_token": "canary-short",
    "user_id": 17841400000000001,
    "permissions": ["instagram_business_basic"],
}


@pytest.mark.parametrize(
    "short",
    [
        pytest.param(SHORT, id="flat, id a number, permissions a list"),
        pytest.param(SHORT | {"permissions": "instagram_business_basic,x"}, id="permissions a text"),
        pytest.param({"data": [SHORT | {"user_id": "28"}]}, id="wrapped"),
        pytest.param({"access_token": "canary-short"}, id="the token alone"),
    ],
)
@pytest.mark.parametrize(
    "me", [ME, {"data": [ME]}, ME | {"id": 28970000000000001, "user_id": 17841400000000001}]
)
def test_instagram_login(short: dict[str, Any], me: dict[str, Any]) -> None:
    with responses.RequestsMock() as mock:
        mock.post(IG_TOKEN, json=short)
        mock.get(IG_LONG, json=LONG)
        mock.get(IG_ME, json=me)
        result = exchange(Login.INSTAGRAM)
        form = parse_qs(str(mock.calls[0].request.body))
        asked = mock.calls[1].request.params  # type: ignore[attr-defined]
        authorised = mock.calls[2].request.headers["Authorization"]

    assert {name: values[0] for name, values in form.items()} == {
        "client_id": "ig-app",
        "client_secret": "canary-ig-secret",
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "code": "canary-code",
    }
    assert asked["grant_type"] == "ig_exchange_token"
    assert authorised == "Bearer canary-long"
    assert result.accounts == (Account("17841400000000001", "acme.bakery"),)
    assert result.app_user_id == "28970000000000001"
    assert result.token.secret == Secret("canary-long")
    assert result.token.expires_at == NOW + timedelta(seconds=5_183_944)


IG_FAILURES = [
    pytest.param(
        400, {"error_type": "OAuthException", "code": 400, "error_message": "canary-text"}, "EXCHANGE_FAILED",
        id="a code used before",
    ),
    pytest.param(200, {"error_type": "OAuthException"}, "EXCHANGE_FAILED", id="an error under 200"),
    pytest.param(500, {"error": {"code": 1}}, "EXCHANGE_FAILED", id="a server error"),
    pytest.param(200, {"data": []}, "EXCHANGE_FAILED", id="nothing"),
    pytest.param(200, {"access_token": ""}, "EXCHANGE_FAILED", id="an empty token"),
    pytest.param(200, SHORT | {"permissions": ["other"]}, "PERMISSION_MISSING", id="the permission left out"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "reason"), IG_FAILURES)
def test_a_refused_code_fails_the_login(status: int, body: dict[str, Any], reason: str, caplog: Any) -> None:
    with responses.RequestsMock() as mock, caplog.at_level(logging.DEBUG):
        mock.post(IG_TOKEN, json=body, status=status)
        failure = refused(Login.INSTAGRAM)
        assert len(mock.calls) == 1

    assert failure.reason == reason
    assert "canary" not in f"{failure!r} {failure.__cause__!r} {caplog.text}"


def test_an_exchange_that_times_out_is_not_repeated() -> None:
    with responses.RequestsMock() as mock:
        mock.post(IG_TOKEN, body=requests.ReadTimeout("canary"))
        assert refused(Login.INSTAGRAM).reason == "EXCHANGE_FAILED"
        assert len(mock.calls) == 1


@pytest.mark.parametrize(
    ("me", "reason"),
    [
        (ME | {"account_type": "PERSONAL"}, "NO_PROFESSIONAL_ACCOUNT"),
        ({**ME, "user_id": None}, "EXCHANGE_FAILED"),
        ({**ME, "user_id": "../1"}, "EXCHANGE_FAILED"),
        ({**ME, "user_id": "\u0661\u0662"}, "EXCHANGE_FAILED"),
        ({**ME, "id": 10**400}, "EXCHANGE_FAILED"),
        ({**ME, "username": 7}, "EXCHANGE_FAILED"),
        ({**ME, "username": "acme\0bakery"}, "EXCHANGE_FAILED"),
        ({**ME, "username": "acme\ud800"}, "EXCHANGE_FAILED"),
        ({**ME, "username": "a" * 61}, "EXCHANGE_FAILED"),
    ],
)
def test_instagram_logins_without_a_usable_account(me: dict[str, Any], reason: str) -> None:
    with responses.RequestsMock() as mock:
        mock.post(IG_TOKEN, json=SHORT)
        mock.get(IG_LONG, json=LONG)
        mock.get(IG_ME, json=me)
        assert refused(Login.INSTAGRAM).reason == reason


GRANTED = {
    "data": [
        {"permission": "instagram_basic", "status": "granted"},
        {"permission": "x", "status": "declined"},
    ]
}


def page(page_id: int, account: dict[str, Any] | None) -> dict[str, Any]:
    linked = {"instagram_business_account": account} if account else {}
    return {"id": str(page_id), "name": f"Page {page_id}"} | linked


def facebook(
    mock: Any, *account_pages: Any, granted: Any = GRANTED, long: Any = LONG, debugged: Any = None
) -> None:
    mock.get(f"{FB}/oauth/access_token", json={"access_token": "canary-short", "expires_in": 5158})
    mock.get(f"{FB}/oauth/access_token", json=long)
    if debugged is not None:
        mock.get(f"{FB}/debug_token", json=debugged)
    mock.get(f"{FB}/me", json={"id": "102000000000001"})
    mock.get(f"{FB}/me/permissions", json=granted)
    for rows in account_pages:
        mock.get(f"{FB}/me/accounts", json=rows)


def test_facebook_login_with_accounts_on_two_answers() -> None:
    first = {
        "data": [page(1, {"id": "17841400000000001", "username": "Acme.Bakery"}), page(2, None)],
        "paging": {"cursors": {"after": "C1"}, "next": "https://evil.example/?access_token=x"},
    }
    second = {"data": [page(3, {"id": 17841400000000002, "username": "northern.trails"})]}
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        facebook(mock, first, second)
        result = exchange(Login.FACEBOOK)
        proofs = ["appsecret_proof" in call.request.params for call in mock.calls]  # type: ignore[attr-defined]

    assert result.accounts == (
        Account("17841400000000001", "acme.bakery"),
        Account("17841400000000002", "northern.trails"),
    )
    assert (result.app_user_id, result.scopes) == ("102000000000001", ("instagram_basic",))
    assert proofs == [False, False, True, True, True, True]


@pytest.mark.parametrize(
    ("granted", "accounts", "reason"),
    [
        ({"data": []}, None, "PERMISSION_MISSING"),
        (GRANTED, {"data": []}, "NO_PROFESSIONAL_ACCOUNT"),
        (GRANTED, {"data": [page(1, None)]}, "NO_PROFESSIONAL_ACCOUNT"),
    ],
)
def test_facebook_logins_without_a_usable_account(granted: Any, accounts: Any, reason: str) -> None:
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        facebook(mock, *([accounts] if accounts else []), granted=granted)
        assert refused(Login.FACEBOOK).reason == reason


UNNAMED = "17841400000000002"
NO_SUCH = {"error": {"code": 100, "error_subcode": 33, "message": "Unsupported get request"}}


@pytest.mark.parametrize(
    "listed", [{}, *({"username": odd} for odd in ("", None, 7, "a\0", "a\ud800", "a b"))]
)
def test_an_account_without_a_username_in_the_list_is_looked_up(listed: dict[str, Any]) -> None:
    pages = {"data": [page(1, {"id": UNNAMED} | listed), page(2, {"id": "1", "username": "acme.bakery"})]}
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        facebook(mock, pages)
        mock.get(f"{FB}/{UNNAMED}", json={"id": UNNAMED, "username": "Northern.Trails"})
        result = exchange(Login.FACEBOOK)
        looked_up = mock.calls[-1].request

    assert result.accounts == (Account(UNNAMED, "northern.trails"), Account("1", "acme.bakery"))
    assert looked_up.params["fields"] == "username"  # type: ignore[attr-defined]
    assert "appsecret_proof" in looked_up.params  # type: ignore[attr-defined]


@pytest.mark.parametrize("on", [1, 2])
def test_an_account_that_is_named_by_one_of_two_pages_is_not_looked_up(on: int) -> None:
    both = [page(number, {"id": "1"} | ({"username": "acme"} if number == on else {})) for number in (1, 2)]
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        facebook(mock, {"data": both})
        assert exchange(Login.FACEBOOK).accounts == (Account("1", "acme"),)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(200, {"id": UNNAMED}, id="it has none"),
        pytest.param(400, NO_SUCH, id="it cannot be read"),
        pytest.param(403, {"error": {"code": 10}}, id="a permission is missing"),
        pytest.param(200, [], id="not an object"),
    ],
)
@pytest.mark.parametrize("others", [True, False])
def test_an_account_without_a_username_is_left_out(status: int, answer: Any, others: bool) -> None:
    rows = [page(1, {"id": UNNAMED}), *([page(2, {"id": "1", "username": "acme.bakery"})] if others else [])]
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        facebook(mock, {"data": rows})
        mock.get(f"{FB}/{UNNAMED}", json=answer, status=status)
        if others:
            assert exchange(Login.FACEBOOK).accounts == (Account("1", "acme.bakery"),)
        else:
            assert refused(Login.FACEBOOK).reason == "NO_PROFESSIONAL_ACCOUNT"


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, {"error": {"code": 2}}), (400, {"error": {"code": 4}}), (400, {"error": {"code": 190}})],
)
def test_a_failed_lookup_fails_the_login_instead_of_losing_the_account(status: int, answer: Any) -> None:
    """The user has to start again, instead of choosing from a list without their account."""
    rows = [page(1, {"id": UNNAMED}), page(2, {"id": "1", "username": "acme.bakery"})]
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        facebook(mock, {"data": rows})
        mock.get(f"{FB}/{UNNAMED}", json=answer, status=status)
        assert refused(Login.FACEBOOK).reason == "EXCHANGE_FAILED"


@pytest.mark.parametrize(
    ("said", "expires_at", "never_expires"),
    [
        pytest.param(
            {"expires_at": 1_800_000_000}, datetime.fromtimestamp(1_800_000_000, UTC), False, id="a day"
        ),
        pytest.param({"expires_at": 0}, None, True, id="never"),
        pytest.param({"expires_at": 0, "is_valid": True}, None, True, id="never, and valid"),
        pytest.param({}, None, False, id="missing"),
        pytest.param({"expires_at": None}, None, False, id="null"),
        pytest.param({"expires_at": False}, None, False, id="not a number"),
        pytest.param({"expires_at": -1}, None, False, id="too early for a date"),
        pytest.param({"expires_at": 2**39}, None, False, id="too late for a date"),
        pytest.param({"expires_at": 10**400}, None, False, id="too late for a number"),
        pytest.param([], None, False, id="not an object"),
    ],
)
def test_a_missing_expiry_is_looked_up(said: Any, expires_at: datetime | None, never_expires: bool) -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{FB}/oauth/access_token", json={"access_token": "canary-long"})
        mock.get(f"{FB}/debug_token", json={"data": said})
        token = logins().renew(Login.FACEBOOK, Secret("canary-old"), now=NOW)
    assert token.secret == Secret("canary-long")
    assert (token.expires_at, token.never_expires) == (expires_at, never_expires)


DEAD = {
    "data": {"error": {"code": 190, "message": "canary"}, "is_valid": False, "expires_at": 0, "scopes": []}
}


def test_a_token_that_debug_token_calls_invalid_is_dead() -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{FB}/oauth/access_token", json={"access_token": "canary-long"})
        mock.get(f"{FB}/debug_token", json=DEAD)
        with pytest.raises(TokenRejected) as dead:
            logins().renew(Login.FACEBOOK, Secret("canary-old"), now=NOW)
    assert "canary" not in repr(dead.value)


def test_a_login_that_returns_a_dead_token_fails() -> None:
    with responses.RequestsMock() as mock:
        mock.get(f"{FB}/oauth/access_token", json={"access_token": "canary-long"})
        mock.get(f"{FB}/debug_token", json=DEAD)
        assert refused(Login.FACEBOOK).reason == "EXCHANGE_FAILED"
        assert len(mock.calls) == 3


ODD_TOKENS = [
    "",
    "t" * 2_001,
    "canary\ud800",
    "canary\u00e9",
    "canary\0",
    "canary token",
    "canary\n",
    7,
    None,
]


@pytest.mark.parametrize("odd", ODD_TOKENS)
@pytest.mark.parametrize("login", Login)
def test_a_token_that_could_not_be_sent_is_refused(login: Login, odd: object) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(IG_RENEW, json={"access_token": odd, "expires_in": 5_183_944})
        mock.get(f"{FB}/oauth/access_token", json={"access_token": odd, "expires_in": 5_183_944})
        with pytest.raises(UnexpectedPayload) as failure:
            logins().renew(login, Secret("old"), now=NOW)
        assert "canary" not in repr(failure.value)

        mock.post(IG_TOKEN, json={"access_token": odd})
        assert refused(login).reason == "EXCHANGE_FAILED"


@pytest.mark.parametrize("odd", ODD_TOKENS)
def test_a_login_with_an_odd_long_lived_token_fails(odd: object) -> None:
    with responses.RequestsMock() as mock:
        mock.post(IG_TOKEN, json=SHORT)
        mock.get(IG_LONG, json=LONG | {"access_token": odd})
        assert refused(Login.INSTAGRAM).reason == "EXCHANGE_FAILED"


@pytest.mark.parametrize(
    ("said", "lasts"),
    [
        (60, timedelta(minutes=1)),
        (0.5, timedelta(seconds=0.5)),
        (10**400, timedelta(days=366)),
        (1e308, timedelta(days=366)),
        (-(10**400), None),
        (0, None),
        (True, None),
        ("60", None),
        (None, None),
    ],
)
def test_lifetimes_of_tokens(said: object, lasts: timedelta | None) -> None:
    with responses.RequestsMock() as mock:
        mock.get(IG_RENEW, json=LONG | {"expires_in": said})
        token = logins().renew(Login.INSTAGRAM, Secret("old"), now=NOW)
    assert token.expires_at == (None if lasts is None else NOW + lasts)


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800", "x" * 101, 7, None, ["instagram_basic"], {}])
@pytest.mark.parametrize("login", Login)
def test_scopes_that_are_no_names_are_left_out(login: Login, odd: Any) -> None:
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        if login is Login.INSTAGRAM:
            mock.post(IG_TOKEN, json=SHORT | {"permissions": ["instagram_business_basic", odd]})
            mock.get(IG_LONG, json=LONG)
            mock.get(IG_ME, json=ME)
            assert exchange(login).scopes == ("instagram_business_basic",)
        else:
            rows = [*GRANTED["data"], {"permission": odd, "status": "granted"}]
            facebook(mock, {"data": [page(1, {"id": "1", "username": "acme"})]}, granted={"data": rows})
            assert exchange(login).scopes == ("instagram_basic",)


def test_renewing_an_instagram_token() -> None:
    with responses.RequestsMock() as mock:
        mock.get(IG_RENEW, json=LONG)
        assert logins().renew(Login.INSTAGRAM, Secret("old"), now=NOW).secret == Secret("canary-long")
        assert mock.calls[0].request.params == {  # type: ignore[attr-defined]
            "grant_type": "ig_refresh_token",
            "access_token": "old",
        }
        mock.replace(responses.GET, IG_RENEW, json={"error": {"code": 190}}, status=400)
        with pytest.raises(TokenRejected):
            logins().renew(Login.INSTAGRAM, Secret("old"), now=NOW)
        mock.replace(responses.GET, IG_RENEW, body="<html>", status=502)
        with pytest.raises(ProviderUnavailable):
            logins().renew(Login.INSTAGRAM, Secret("old"), now=NOW)


@pytest.mark.parametrize(
    ("login", "url"), [(Login.INSTAGRAM, f"{URLS.instagram_graph}/v26.0"), (Login.FACEBOOK, FB)]
)
def test_revoking(login: Login, url: str) -> None:
    with responses.RequestsMock() as mock:
        mock.delete(f"{url}/me/permissions", json={"success": True})
        logins().revoke(login, Secret("t"))
        assert mock.calls[0].request.headers["Authorization"] == "Bearer t"
