"""The way from a consent page to tokens, step by step or all at once."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from instagram_standin.server import StandIn
from instagram_standin.world import (
    FACEBOOK_APP_ID,
    FACEBOOK_APP_SECRET,
    INSTAGRAM_APP_ID,
    INSTAGRAM_APP_SECRET,
)
from tests.standin.callers import Reply, ask

CALLBACK = "https://paris.example/callback"
INSTAGRAM_DIALOG = "/ig-www/oauth/authorize"
FACEBOOK_DIALOG = "/fb-www/v26.0/dialog/oauth"
FACEBOOK_SCOPES = (
    "instagram_basic,instagram_manage_insights,pages_show_list,pages_read_engagement,business_management"
)

INSTAGRAM_REQUEST = {
    "client_id": INSTAGRAM_APP_ID,
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "instagram_business_basic",
    "state": "s-1",
}
FACEBOOK_REQUEST = {**INSTAGRAM_REQUEST, "client_id": FACEBOOK_APP_ID, "scope": FACEBOOK_SCOPES}


def instagram_dialog(standin: StandIn, **changes: object) -> Reply:
    return ask(standin, INSTAGRAM_DIALOG, query=_changed(INSTAGRAM_REQUEST, changes))


def facebook_dialog(standin: StandIn, **changes: object) -> Reply:
    return ask(standin, FACEBOOK_DIALOG, query=_changed(FACEBOOK_REQUEST, changes))


def sent_back_with(reply: Reply) -> dict[str, str]:
    """What the app is told; fails when nobody was sent back."""
    assert reply.status == 302, reply.body
    query = urlsplit(reply.headers["Location"]).query
    return {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}


def instagram_code(standin: StandIn, account: str = "acme.bakery", **changes: object) -> str:
    reply = instagram_dialog(standin, standin_auto="approve", standin_account=account, **changes)
    return sent_back_with(reply)["code"]


def facebook_code(standin: StandIn, person: str = "robin.baker", **changes: object) -> str:
    reply = facebook_dialog(standin, standin_auto="approve", standin_account=person, **changes)
    return sent_back_with(reply)["code"]


def exchange_instagram(standin: StandIn, code: str, /, **changes: object) -> Reply:
    form = {
        "client_id": INSTAGRAM_APP_ID,
        "client_secret": INSTAGRAM_APP_SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "code": code,
    }
    return ask(standin, "/ig-api/oauth/access_token", method="POST", form=_changed(form, changes))


def exchange_facebook(standin: StandIn, *, method: str = "GET", **given: object) -> Reply:
    known = {
        "client_id": FACEBOOK_APP_ID,
        "client_secret": FACEBOOK_APP_SECRET,
        "redirect_uri": CALLBACK,
    }
    sent = _changed(known, given)
    path = "/fb-graph/v26.0/oauth/access_token"
    if method == "POST":
        return ask(standin, path, method="POST", form=sent)
    return ask(standin, path, query=sent)


def lengthen_instagram(standin: StandIn, token: str, **changes: object) -> Reply:
    query = {
        "grant_type": "ig_exchange_token",
        "client_secret": INSTAGRAM_APP_SECRET,
        "access_token": token,
    }
    return ask(standin, "/ig-graph/access_token", query=_changed(query, changes))


def refresh_instagram(standin: StandIn, token: str) -> Reply:
    query = {"grant_type": "ig_refresh_token", "access_token": token}
    return ask(standin, "/ig-graph/refresh_access_token", query=query)


def instagram_token(standin: StandIn, account: str = "acme.bakery", **changes: object) -> str:
    """A long-lived token from a whole login."""
    first = exchange_instagram(standin, instagram_code(standin, account, **changes)).json
    return _token(lengthen_instagram(standin, first["data"][0]["access_token"]))


def facebook_token(standin: StandIn, person: str = "robin.baker", **changes: object) -> str:
    """A long-lived token from a whole login."""
    short = _token(exchange_facebook(standin, code=facebook_code(standin, person, **changes)))
    return _token(exchange_facebook(standin, grant_type="fb_exchange_token", fb_exchange_token=short))


def _token(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    token: str = reply.json["access_token"]
    return token


def _changed(known: dict[str, Any], changes: dict[str, object]) -> dict[str, object]:
    """A change to None leaves the name out."""
    return {name: value for name, value in {**known, **changes}.items() if value is not None}
