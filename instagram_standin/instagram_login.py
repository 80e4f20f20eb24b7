"""Instagram Login: the consent page of www.instagram.com and the code exchange of api.instagram.com.

Sources: "Business Login for Instagram" (2026-03-13), "oauth-authorize" (2025-07-17).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from instagram_standin.calls import Call
from instagram_standin.consent import ConsentHost, Decision, LoginRefused
from instagram_standin.consent_pages import Choice
from instagram_standin.demo_world import LOAD_PREFIX
from instagram_standin.logins import CodeRefused, CodeTrouble, Consent, LoginApp, Shape
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.people import app_scoped_id
from instagram_standin.posts import picture_path
from instagram_standin.profiles import Profile
from instagram_standin.scopes import Family
from instagram_standin.tokens import Grant, TokenKind
from instagram_standin.world import World

_DENIAL = {
    "error": "access_denied",
    "error_reason": "user_denied",
    "error_description": "The user denied your request",
}
_TROUBLES = {
    CodeTrouble.UNKNOWN: "Matching code was not found or was already used",
    CodeTrouble.USED: "Matching code was not found or was already used",
    CodeTrouble.EXPIRED: "This authorization code has expired",
    CodeTrouble.OTHER_REDIRECT: (
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in "
        "the OAuth dialog request"
    ),
}


class InstagramConsent(ConsentHost):
    """`GET /ig-www/oauth/authorize`. `#_` follows the code."""

    prefix = "/ig-www"
    family = Family.INSTAGRAM
    title = "Sign in with Instagram"
    fragment = "#_"
    wrong_app = "Invalid Request: Request parameters are invalid: Invalid platform app"

    def is_dialog(self, path: Sequence[str]) -> bool:
        return list(path) == ["oauth", "authorize"]

    def denial(self) -> Mapping[str, str]:
        return _DENIAL

    def choices(self) -> Sequence[Choice]:
        known = [self.world.profiles.find(name) for name in self.world.profiles.usernames()]
        shown = [
            profile
            for profile in known
            if profile is not None
            and not profile.username.startswith(LOAD_PREFIX)
            and profile.id != self.world.settings.operator_id
        ]
        # Whoever clicks through gets a professional account.
        return [_choice(profile) for profile in sorted(shown, key=lambda who: not who.is_professional)]

    def consent(self, decision: Decision, app: LoginApp, asked: Sequence[str], redirect_uri: str) -> Consent:
        name = decision.account or self.choices()[0].value
        profile = self.world.profiles.find(name) or self.world.profiles.find_by_id(name)
        if profile is None:
            raise LoginRefused(f"There is no account {name}.")
        return Consent(
            family=self.family,
            app_id=app.id,
            redirect_uri=redirect_uri,
            user_id=app_scoped_id(profile.id),
            account_ids=(profile.id,),
            scopes=frozenset(asked) - decision.declined,
            declined=decision.declined,
        )


class InstagramApi:
    """`POST /ig-api/oauth/access_token`: a code for a token of one hour. Its errors are not Graph's.

    Wrapped, as documented: `{"data":[{"access_token","user_id":"28970…","permissions":"a,b"}]}`.
    Flat, as seen: `{"access_token","user_id":17841…,"permissions":["a","b"]}`.
    """

    prefix = "/ig-api"

    def __init__(self, world: World) -> None:
        self._world = world

    def describe(self, request: Request) -> Call:
        return Call(request)

    def answer(self, call: Call) -> Answer:
        request = call.request
        if request.path.removeprefix(self.prefix).strip("/") != "oauth/access_token":
            return _refused("Not found", 404)
        if request.method != "POST":
            return _refused("Method not allowed", 405)
        given = {name: values[-1] for name, values in request.form().items()}
        app = self._world.logins.apps[Family.INSTAGRAM]
        if given.get("client_id") != app.id:
            return _refused("Invalid platform app")
        if not app.is_secret(given.get("client_secret")):
            return _refused("Error validating client secret")
        if given.get("grant_type") != "authorization_code":
            return _refused("Invalid grant_type")
        try:
            # People paste what they see: a code that kept its `#_` was never issued.
            consent = self._world.logins.redeem(
                given.get("code", ""), Family.INSTAGRAM, app.id, given.get("redirect_uri", "")
            )
        except CodeRefused as refused:
            return _refused(_TROUBLES[refused.trouble])
        return json_answer(self._granted(consent))

    def _granted(self, consent: Consent) -> object:
        options, now = self._world.logins.options, time.time()
        token = self._world.tokens.issue(
            Grant(
                family=Family.INSTAGRAM,
                account_ids=consent.account_ids,
                user_id=consent.user_id,
                scopes=consent.scopes,
                kind=TokenKind.SHORT,
                issued_at=now,
                expires_at=now + options.instagram_short_life_seconds,
                declined=consent.declined,
            )
        )
        is_flat = options.token_shape is Shape.FLAT
        granted = sorted(consent.scopes)
        told: dict[str, object] = {
            "access_token": token,
            "user_id": int(consent.account_ids[0]) if is_flat else consent.user_id,
        }
        if options.tells_permissions:
            told["permissions"] = granted if is_flat else ",".join(granted)
        return told if is_flat else {"data": [told]}


def _choice(profile: Profile) -> Choice:
    kind = "Professional account" if profile.is_professional else "Personal account: no app can read it"
    picture = picture_path(f"avatar-{profile.username}")
    return Choice(profile.username, f"@{profile.username}", kind, picture)


def _refused(message: str, status: int = 400) -> Answer:
    return json_answer({"error_type": "OAuthException", "code": status, "error_message": message}, status)
