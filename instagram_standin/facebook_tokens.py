"""graph.facebook.com's token endpoints: `oauth/access_token` and `debug_token`.

Sources: "Manually build a login flow" (2026-03-10), "Get long-lived tokens" (2022-09-14), "debug_token". The codes
of the refusals are from memory of the field, not from a page.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from instagram_standin import graph_errors
from instagram_standin.graph_errors import GraphRefusal, envelope
from instagram_standin.logins import CodeRefused, CodeTrouble, Consent, LoginApp
from instagram_standin.messages import Request
from instagram_standin.scopes import Family
from instagram_standin.tokens import Grant, TokenKind
from instagram_standin.world import World

DATA_ACCESS_SECONDS = 90 * 86_400
_TROUBLES: Mapping[CodeTrouble, tuple[str, int | None]] = {
    CodeTrouble.UNKNOWN: ("Invalid verification code format.", None),
    CodeTrouble.USED: ("This authorization code has been used.", 36009),
    CodeTrouble.EXPIRED: ("This authorization code has expired.", 36007),
    CodeTrouble.OTHER_REDIRECT: (
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in "
        "the OAuth dialog request",
        36008,
    ),
}


class FacebookTokens:
    """Every method answers a payload or raises GraphRefusal."""

    def __init__(self, world: World) -> None:
        self._world = world

    def exchange(self, request: Request) -> object:
        """A code for a short-lived token, or (`fb_exchange_token`) a good token for a long-lived one.

        `{"access_token","token_type":"bearer","expires_in":5158}`; `expires_in` may be missing.
        """
        if request.method not in ("GET", "POST"):
            raise graph_errors.no_such_object(request.method, "oauth")
        given = request.parameters()
        app = self._world.logins.apps[Family.FACEBOOK]
        if given.get("client_id") != app.id:
            raise graph_errors.bad_app()
        if not app.is_secret(given.get("client_secret")):
            raise graph_errors.bad_secret()
        match given.get("grant_type", "authorization_code"):
            case "authorization_code":
                return self._told(self._first(app, given))
            case "fb_exchange_token":
                return self._told(self._longer(given.get("fb_exchange_token", "")))
            case _:
                raise graph_errors.bad_parameter("Unsupported grant type")

    def debug(self, request: Request) -> object:
        """`GET debug_token?input_token&access_token={app-id}|{app-secret}`; an invalid token is no error, but told.

        Times in Unix seconds, 0 is never.
        """
        app = self._world.logins.apps[Family.FACEBOOK]
        if not self._may_debug(request, app):
            raise graph_errors.bad_token()
        if "input_token" not in request.query:
            raise graph_errors.bad_parameter("The parameter input_token is required")
        grant = self._world.tokens.find(request.query["input_token"], Family.FACEBOOK)
        if grant is None:
            error = _inner(graph_errors.bad_token())
            return {"data": {"error": error, "is_valid": False, "scopes": []}}
        return {"data": self._described(grant, app)}

    def _described(self, grant: Grant, app: LoginApp) -> dict[str, object]:
        rejection = grant.rejection_at(time.time())
        scopes = sorted(grant.scopes)
        told: dict[str, object] = {
            "app_id": app.id,
            "type": "PAGE" if grant.kind is TokenKind.PAGE else "USER",
            "application": "Stand-in app",
            "is_valid": rejection is None,
            "issued_at": int(grant.issued_at),
            "expires_at": 0 if grant.expires_at is None else int(grant.expires_at),
            "data_access_expires_at": int(grant.issued_at) + DATA_ACCESS_SECONDS,
            "scopes": scopes,
            "granular_scopes": [_granular(scope, grant) for scope in scopes if scope != "public_profile"],
            "user_id": grant.user_id,
        }
        if rejection is not None:
            told["error"] = _inner(graph_errors.rejected_token(rejection.subcode, rejection.since))
        return told

    def _may_debug(self, request: Request, app: LoginApp) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else request.query.get("access_token", "")
        app_id, bar, secret = token.partition("|")
        if bar:
            return app_id == app.id and app.is_secret(secret)
        grant = self._world.tokens.find(token, Family.FACEBOOK)
        return grant is not None and grant.rejection_at(time.time()) is None

    def _first(self, app: LoginApp, given: Mapping[str, str]) -> Grant:
        try:
            consent = self._world.logins.redeem(
                given.get("code", ""), Family.FACEBOOK, app.id, given.get("redirect_uri", "")
            )
        except CodeRefused as refused:
            message, subcode = _TROUBLES[refused.trouble]
            raise GraphRefusal(envelope(message, code=100, subcode=subcode)) from None
        return _short_lived(consent, self._world.logins.options.facebook_short_life_seconds)

    def _longer(self, token: str) -> Grant:
        grant = self._world.tokens.find(token, Family.FACEBOOK)
        if grant is None:
            raise graph_errors.bad_token()
        now = time.time()
        rejection = grant.rejection_at(now)
        if rejection is not None:
            raise graph_errors.rejected_token(rejection.subcode, rejection.since)
        ends = now + self._world.logins.options.long_life_seconds
        return replace(grant, kind=TokenKind.LONG, issued_at=now, expires_at=ends)

    def _told(self, grant: Grant) -> object:
        told: dict[str, object] = {
            "access_token": self._world.tokens.issue(grant),
            "token_type": "bearer",
        }
        if self._world.logins.options.tells_expires_in and grant.expires_at is not None:
            told["expires_in"] = round(grant.expires_at - grant.issued_at)
        return told


def _short_lived(consent: Consent, life_seconds: int) -> Grant:
    now = time.time()
    return Grant(
        family=Family.FACEBOOK,
        account_ids=consent.account_ids,
        user_id=consent.user_id,
        scopes=consent.scopes,
        kind=TokenKind.SHORT,
        issued_at=now,
        expires_at=now + life_seconds,
        page_ids=consent.page_ids,
        declined=consent.declined,
    )


def _granular(scope: str, grant: Grant) -> dict[str, object]:
    targets = grant.account_ids if scope.startswith("instagram_") else grant.page_ids
    return {"scope": scope, "target_ids": list(targets)}


def _inner(refusal: GraphRefusal) -> dict[str, object]:
    """The error as debug_token tells it: inside `data`, and shorter."""
    error = refusal.payload["error"]
    kept = ("code", "message", "subcode", "error_subcode")
    found = error if isinstance(error, dict) else {}
    return {key.removeprefix("error_"): found[key] for key in kept if key in found}
