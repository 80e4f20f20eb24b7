"""OAuth for both logins: Instagram Login and Facebook Login.

Two social-auth backends build URLs and parameters; the calls use our HTTP client with its deadline.
Sources: "Business Login for Instagram" (2026-03-13), "Manual flow" and "Get started" with Facebook Login (2026-03-10,
2026-06-30).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from social_core.backends.oauth import BaseOAuth2
from social_core.storage import BaseStorage
from social_core.strategy import BaseStrategy

from paris_integration.errors import (
    LoginFailed,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TokenRejected,
    UnexpectedPayload,
)
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.faults import fault_of
from paris_integration.providers.graph import appsecret_proof
from paris_integration.providers.http import HttpAnswer, HttpClient
from paris_integration.providers.login_values import Account, App, LoginResult, Token, Urls
from paris_integration.types import Login, Secret

INSTAGRAM_SCOPES = ("instagram_business_basic",)
FACEBOOK_SCOPES = (
    "instagram_basic",
    "instagram_manage_insights",
    "pages_show_list",
    "pages_read_engagement",
    "business_management",
)
FACEBOOK_NEEDS = ("instagram_basic",)
MAX_ACCOUNT_PAGES = 10
MAX_TOKEN_LIFETIME = timedelta(days=366)
LAST_EXPIRY = 2**37  # seconds; `datetime` ends in the year 9999
_TOKEN = re.compile(r"[!-~]{1,2000}")
_SCOPE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_USERNAME = re.compile(r"[A-Za-z0-9._]{1,60}")
_ID = re.compile(r"[0-9]{1,30}")


class _Strategy(BaseStrategy):  # type: ignore[type-arg]
    """The framework interface that social-auth's backends need, with plain values instead of request and session."""

    def __init__(self, app: App, data: Mapping[str, str]) -> None:
        super().__init__(BaseStorage)
        self._app = app
        self._data = dict(data)

    def get_setting(self, name: str) -> Any:
        known = {"KEY": self._app.client_id, "SECRET": self._app.secret.reveal()}
        return known[name.rsplit("_", 1)[-1]]

    def request_data(self, merge: bool = True) -> dict[str, str]:
        return self._data

    def absolute_uri(self, path: str | None = None) -> str:
        return path or ""


# social-core's own Instagram backend uses an API that Meta has retired.
class InstagramLogin(BaseOAuth2):  # type: ignore[type-arg]
    name = "instagram-login"
    REDIRECT_STATE = False
    SCOPE_SEPARATOR = ","
    DEFAULT_SCOPE = list(INSTAGRAM_SCOPES)
    state = ""
    authorize_url = ""

    def get_or_create_state(self) -> str:
        """The caller's state: it is stored in our own table, bound to more than the session."""
        return self.state

    def authorization_url(self) -> str:
        return self.authorize_url


class FacebookLogin(InstagramLogin):
    name = "facebook-login"
    DEFAULT_SCOPE = list(FACEBOOK_SCOPES)
    config_id = ""

    def get_scope_argument(self) -> dict[str, str]:
        """The scopes, or the id of the configuration that holds them."""
        # With Facebook Login for Business the scopes are part of a configuration at Meta.
        if self.config_id:
            return {"config_id": self.config_id}
        scopes: dict[str, str] = super().get_scope_argument()  # type: ignore[no-untyped-call]
        return scopes


class MetaLogins:
    """Both logins. `apps`: those that the operator has configured."""

    def __init__(
        self, http: HttpClient, urls: Urls, apps: Mapping[Login, App], *, timeout_seconds: float
    ) -> None:
        self._http = http
        self._urls = urls
        self._apps = apps
        self._timeout_seconds = timeout_seconds

    def offers(self, login: Login) -> bool:
        return login in self._apps

    def authorize_url(self, login: Login, *, state: str, redirect_uri: str) -> str:
        """The URL at Meta to redirect the user to."""
        backend = self._backend(login, redirect_uri, {})
        backend.state = state
        url: str = backend.auth_url()
        return url

    def exchange(self, login: Login, *, code: str, redirect_uri: str, now: datetime) -> LoginResult:
        """Exchange a code for a long-lived token and its accounts, within one deadline. Never retried.

        Raises LoginFailed: EXCHANGE_FAILED, PERMISSION_MISSING or NO_PROFESSIONAL_ACCOUNT.
        """
        deadline = Deadline(self._timeout_seconds)
        backend = self._backend(login, redirect_uri, {"code": code})
        form: dict[str, str] = backend.auth_complete_params()  # type: ignore[no-untyped-call]
        try:
            if login is Login.INSTAGRAM:
                return self._exchange_instagram(form, now, deadline)
            return self._exchange_facebook(form, now, deadline)
        except ProviderError as error:
            raise LoginFailed("EXCHANGE_FAILED", str(error)) from None

    def renew(self, login: Login, token: Secret, *, now: datetime) -> Token:
        """A new token for one that still works. Raises ProviderError or a subclass."""
        deadline = Deadline(self._timeout_seconds)
        if login is Login.INSTAGRAM:
            params = {"grant_type": "ig_refresh_token", "access_token": token.reveal()}
            return _token_of(
                self._get(f"{self._urls.instagram_graph}/refresh_access_token", params, deadline), now
            )
        return self._extend_facebook_token(token, now, deadline)

    def revoke(self, login: Login, token: Secret) -> None:
        """Revoke the grant at Meta. Raises ProviderError or a subclass."""
        host = self._urls.instagram_graph if login is Login.INSTAGRAM else self._urls.facebook_graph
        answer = self._http.delete(
            f"{host}/{self._urls.version}/me/permissions",
            params=self._proof(login, token),
            token=token,
            deadline=Deadline(self._timeout_seconds),
        )
        fault = fault_of(answer)
        if fault is not None:
            raise fault

    def _backend(self, login: Login, redirect_uri: str, data: Mapping[str, str]) -> InstagramLogin:
        app = self._apps[login]
        if login is Login.INSTAGRAM:
            backend = InstagramLogin(_Strategy(app, data), redirect_uri)
            backend.authorize_url = f"{self._urls.instagram_www}/oauth/authorize"
            return backend
        facebook = FacebookLogin(_Strategy(app, data), redirect_uri)
        facebook.authorize_url = f"{self._urls.facebook_www}/{self._urls.version}/dialog/oauth"
        facebook.config_id = app.config_id
        return facebook

    def _exchange_instagram(self, form: dict[str, str], now: datetime, deadline: Deadline) -> LoginResult:
        url = f"{self._urls.instagram_api}/oauth/access_token"
        answer = self._http.post_form(url, form=form, deadline=deadline)
        short = _unwrapped(_checked(answer))
        scopes = _scopes(short.get("permissions"))
        if scopes is not None and not set(INSTAGRAM_SCOPES) <= set(scopes):
            raise LoginFailed("PERMISSION_MISSING")
        params = {
            "grant_type": "ig_exchange_token",
            "client_secret": self._apps[Login.INSTAGRAM].secret.reveal(),
            "access_token": _secret(short).reveal(),
        }
        token = _token_of(self._get(f"{self._urls.instagram_graph}/access_token", params, deadline), now)
        me = _unwrapped(
            _checked(
                self._http.get_json(
                    f"{self._urls.instagram_graph}/{self._urls.version}/me",
                    params={"fields": "id,user_id,username,account_type"},
                    token=token.secret,
                    deadline=deadline,
                )
            )
        )
        if me.get("account_type") not in (None, "BUSINESS", "MEDIA_CREATOR", "CREATOR"):
            raise LoginFailed("NO_PROFESSIONAL_ACCOUNT")
        account = Account(_id(me, "user_id"), _username(me))
        if not account.username:
            raise UnexpectedPayload("no username")
        # `id` is the person's id for this app, `user_id` the professional account's. The answer may omit permissions.
        return LoginResult(token, _id(me, "id"), (account,), scopes or INSTAGRAM_SCOPES)

    def _exchange_facebook(self, form: dict[str, str], now: datetime, deadline: Deadline) -> LoginResult:
        url = f"{self._urls.facebook_graph}/{self._urls.version}/oauth/access_token"
        short = _secret(self._get(url, form, deadline))
        token = self._extend_facebook_token(short, now, deadline)
        me = self._facebook("me", {"fields": "id"}, token.secret, deadline)
        granted = self._facebook("me/permissions", {}, token.secret, deadline).get("data")
        rows = [row for row in (granted if isinstance(granted, list) else []) if isinstance(row, dict)]
        scopes = _names(row.get("permission") for row in rows if row.get("status") == "granted")
        if not set(FACEBOOK_NEEDS) <= set(scopes):
            raise LoginFailed("PERMISSION_MISSING")
        accounts = self._accounts(token.secret, deadline)
        if not accounts:
            raise LoginFailed("NO_PROFESSIONAL_ACCOUNT")
        return LoginResult(token, _id(me, "id"), accounts, scopes)

    def _extend_facebook_token(self, token: Secret, now: datetime, deadline: Deadline) -> Token:
        """A long-lived token for `token`. Raises TokenRejected if `debug_token` says that it isn't valid."""
        app = self._apps[Login.FACEBOOK]
        base = f"{self._urls.facebook_graph}/{self._urls.version}"
        params = {
            "grant_type": "fb_exchange_token",
            "client_id": app.client_id,
            "client_secret": app.secret.reveal(),
            "fb_exchange_token": token.reveal(),
        }
        found = _token_of(self._get(f"{base}/oauth/access_token", params, deadline), now)
        if found.expires_at is not None:
            return found
        # `fb_exchange_token` doesn't always name the expiry; `debug_token` does.
        params = {
            "input_token": found.secret.reveal(),
            "access_token": f"{app.client_id}|{app.secret.reveal()}",
        }
        details = self._get(f"{base}/debug_token", params, deadline).get("data")
        if not isinstance(details, dict):
            return found
        if details.get("is_valid") is False:  # with status 200
            raise TokenRejected("debug_token: not valid")
        ends = details.get("expires_at")
        if isinstance(ends, bool) or not isinstance(ends, int) or not 0 <= ends < LAST_EXPIRY:
            return found
        if ends == 0:  # Meta's value for "never"
            return Token(found.secret, None, never_expires=True)
        return Token(found.secret, datetime.fromtimestamp(ends, now.tzinfo))

    def _accounts(self, token: Secret, deadline: Deadline) -> tuple[Account, ...]:
        """The professional accounts linked to the person's Pages. Accounts without a username are left out."""
        usernames: dict[str, str] = {}
        params = {"fields": "id,name,instagram_business_account{id,username}", "limit": "100"}
        for _ in range(MAX_ACCOUNT_PAGES):
            page = self._facebook("me/accounts", params, token, deadline)
            rows = page.get("data")
            for row in rows if isinstance(rows, list) else []:
                linked = row.get("instagram_business_account") if isinstance(row, dict) else None
                if isinstance(linked, dict):
                    account_id = _id(linked, "id")
                    usernames[account_id] = _username(linked) or usernames.get(account_id, "")
            paging = page.get("paging")
            if not isinstance(paging, dict) or not paging.get("next"):
                break
            cursors = paging.get("cursors")
            after = cursors.get("after") if isinstance(cursors, dict) else None
            if not isinstance(after, str) or params.get("after") == after:
                break
            params = params | {"after": after}
        # The list may omit an account's username; then it is requested separately.
        named = {
            account_id: username or self._username_of(account_id, token, deadline)
            for account_id, username in usernames.items()
        }
        return tuple(Account(account_id, username) for account_id, username in named.items() if username)

    def _username_of(self, account_id: str, token: Secret, deadline: Deadline) -> str:
        try:
            return _username(self._facebook(account_id, {"fields": "username"}, token, deadline))
        except (ProviderUnavailable, RateLimited, TokenRejected):
            raise  # not about this account, so it must not be left out
        except ProviderError:
            return ""

    def _facebook(
        self, path: str, params: Mapping[str, str], token: Secret, deadline: Deadline
    ) -> Mapping[str, object]:
        url = f"{self._urls.facebook_graph}/{self._urls.version}/{path}"
        sent = {**params, **self._proof(Login.FACEBOOK, token)}
        return _checked(self._http.get_json(url, params=sent, token=token, deadline=deadline))

    def _get(self, url: str, params: Mapping[str, str], deadline: Deadline) -> Mapping[str, object]:
        return _checked(self._http.get_json(url, params=params, token=None, deadline=deadline))

    def _proof(self, login: Login, token: Secret) -> dict[str, str]:
        if login is not Login.FACEBOOK:
            return {}
        return {"appsecret_proof": appsecret_proof(token, self._apps[login].secret)}


def _checked(answer: HttpAnswer) -> Mapping[str, object]:
    """The answer's JSON object. Raises ProviderError or a subclass."""
    fault = fault_of(answer)
    if fault is not None:
        raise fault
    if not isinstance(answer.payload, dict):
        raise UnexpectedPayload("no object", status=answer.status)
    # Instagram's token endpoint has a different error format. Like the other, it counts under any status.
    if "error_type" in answer.payload or "error_message" in answer.payload:
        raise ProviderError("login refused", status=answer.status)
    return answer.payload


def _unwrapped(payload: Mapping[str, object]) -> Mapping[str, object]:
    """The object itself, or the first item of its `data`: Meta sends tokens and profiles in both forms."""
    data = payload.get("data")
    if isinstance(data, list):
        data = data[0] if data else None
    if "data" not in payload:
        return payload
    if not isinstance(data, dict):
        raise UnexpectedPayload("no data")
    return data


def _token_of(payload: Mapping[str, object], now: datetime) -> Token:
    seconds = payload.get("expires_in")
    expires_at = None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        expires_at = now + timedelta(seconds=min(seconds, MAX_TOKEN_LIFETIME.total_seconds()))
    return Token(_secret(payload), expires_at)


def _secret(payload: Mapping[str, object]) -> Secret:
    """The token. Raises UnexpectedPayload for one that can't be sent in a header."""
    value = payload.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UnexpectedPayload("no access_token")
    return Secret(value)


def _scopes(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return _names(part.strip() for part in value.split(","))
    return _names(value) if isinstance(value, list) else None


def _names(values: Iterable[object]) -> tuple[str, ...]:
    """Those that are names of permissions."""
    return tuple(value for value in values if isinstance(value, str) and _SCOPE.fullmatch(value))


def _username(payload: Mapping[str, object]) -> str:
    """The username, or an empty text if there is none or it can't be one."""
    value = payload.get("username")
    return value.lower() if isinstance(value, str) and _USERNAME.fullmatch(value) else ""


def _id(payload: Mapping[str, object], name: str) -> str:
    """The id as text. Meta sends ids as text or as numbers. Raises UnexpectedPayload."""
    value = payload.get(name)
    text = str(value) if isinstance(value, str | int) else ""
    if not _ID.fullmatch(text):
        raise UnexpectedPayload(f"no {name}")
    return text
