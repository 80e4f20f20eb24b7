"""Instagram Login: the code exchange of api.instagram.com, and graph.instagram.com, which shows the own account only.

Two endpoints of graph.instagram.com have no version: `access_token` (short for long) and `refresh_access_token`.
Sources: "Business Login for Instagram" (2026-03-13), "access_token" (2026-03-09), "me" (2026).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from instagram_standin import errors
from instagram_standin.accounts import Profile
from instagram_standin.errors import GraphRefusal
from instagram_standin.fields import Field
from instagram_standin.graph import GraphHost, selection_of, token_of, unversioned
from instagram_standin.messages import Answer, Call, Request, json_answer
from instagram_standin.tokens import CodeRefused, Family, Grant, TokenKind, app_scoped_id
from instagram_standin.world import Host

REFRESHABLE_AFTER_SECONDS = 24 * 3_600
_BASIC = frozenset({"instagram_business_basic"})


class InstagramApi(Host):
    """`POST /ig-api/oauth/access_token`: a code for a token of one hour. Its errors are not Graph's.

    Wrapped, as documented: `{"data":[{"access_token","user_id":"28970…","permissions":"a,b"}]}`.
    Flat, as seen: `{"access_token","user_id":17841…,"permissions":["a","b"]}`.
    """

    prefix = "/ig-api"

    def answer(self, call: Call) -> Answer:
        request, app = call.request, self.world.apps[Family.INSTAGRAM]
        if request.path.removeprefix(self.prefix).strip("/") != "oauth/access_token":
            return _refused("Not found", 404)
        if request.method != "POST":
            return _refused("Method not allowed", 405)
        given = {name: values[-1] for name, values in request.form().items()}
        if given.get("client_id") != app.id:
            return _refused("Invalid platform app")
        if not app.is_secret(given.get("client_secret")):
            return _refused("Error validating client secret")
        if given.get("grant_type") != "authorization_code":
            return _refused("Invalid grant_type")
        try:
            code, redirect_uri = given.get("code", ""), given.get("redirect_uri", "")
            return json_answer(self._granted(self.world.codes.redeem(code, Family.INSTAGRAM, redirect_uri)))
        except CodeRefused as refused:
            is_known = refused.subcode in (36007, 36008)
            return _refused(str(refused) if is_known else "Matching code was not found or was already used")

    def _granted(self, grant: Grant) -> object:
        options, scopes = self.world.options, sorted(grant.scopes)
        short = grant.lasting(options.instagram_short_life_seconds, TokenKind.SHORT)
        payload: dict[str, object] = {"access_token": self.world.tokens.issue(short)}
        payload["user_id"] = grant.user_id if options.wraps_token else int(grant.account_ids[0])
        if options.sends_permissions:
            payload["permissions"] = ",".join(scopes) if options.wraps_token else scopes
        return {"data": [payload]} if options.wraps_token else payload


class InstagramGraph(GraphHost):
    prefix = "/ig-graph"
    family = Family.INSTAGRAM
    media_scopes = (_BASIC,)

    def answer(self, call: Call) -> Answer:
        renew = {"access_token": self._exchange, "refresh_access_token": self._refresh}.get(
            call.request.path.removeprefix(self.prefix).strip("/")
        )
        if renew is None:
            return super().answer(call)
        try:
            if call.request.method != "GET":
                raise unversioned(call.request.method)
            return json_answer(renew(call))
        except GraphRefusal as refusal:
            return refusal.answer()

    def read(self, call: Call, path: Sequence[str], grant: Grant) -> Answer:
        match path:
            case ["me" | grant.user_id, "permissions"] if call.request.method == "DELETE":
                # Not in Meta's documentation; seen in the field.
                self.world.tokens.forget_user(grant.user_id, self.family)
                return json_answer({"success": True})
            case ["me" | grant.user_id] if call.request.method == "GET":
                return self._me(call, grant)
            case ["me" | grant.user_id, *edge]:
                return super().read(call, [grant.account_ids[0], *edge], grant)
            case _:
                return super().read(call, path, grant)

    def own_profile(self, call: Call, node_id: str, grant: Grant) -> Profile:
        profile = super().own_profile(call, node_id, grant)
        if not profile.is_professional:
            raise errors.no_such_object(call.request.method, node_id)
        return profile

    def target(self, request: Request, selection: Sequence[Field]) -> tuple[str | None, str | None]:
        username, after = super().target(request, selection)
        token = token_of(request)
        if username is None and token and request.path.endswith("/media"):
            grant = self.world.tokens.find(token, self.family)
            profile = self.world.profiles.find_by_id(grant.account_ids[0]) if grant else None
            username = profile.username if profile else None
        return username, after

    def _me(self, call: Call, grant: Grant) -> Answer:
        """`id` is app-scoped, `user_id` the account's own. A personal account has the `account_type` PERSONAL."""
        self.need(grant, _BASIC)
        options, selection = self.world.options, selection_of(call.request)
        profile = super().own_profile(call, grant.account_ids[0], grant)
        kind = profile.details.get("account_type", "BUSINESS") if profile.is_professional else "PERSONAL"
        own = {"id": app_scoped_id(profile.id), "user_id": profile.id, "account_type": kind}
        if options.numeric_ids:
            own |= {"id": int(app_scoped_id(profile.id)), "user_id": int(profile.id)}
        payload = self.user(profile, [field for field in selection if field.name not in own], call.request)
        payload |= {name: own[name] for name in ("id", *(field.name for field in selection)) if name in own}
        return json_answer(
            {"data": [payload]} if options.wraps_me else payload,
            headers=self.world.options.business_usage(profile.id),
        )

    def _exchange(self, call: Call) -> object:
        """`GET /ig-graph/access_token?grant_type=ig_exchange_token&client_secret&access_token`."""
        query = call.request.query
        if query.get("grant_type") != "ig_exchange_token":
            raise errors.bad_parameter("grant_type must be ig_exchange_token")
        if not self.world.apps[self.family].is_secret(query.get("client_secret")):
            raise GraphRefusal("Error validating client secret.", 1)
        grant = self.authorise(call)
        if grant.kind is not TokenKind.SHORT:
            raise errors.bad_parameter("Only short-lived tokens can be exchanged")
        return self._renewed(grant)

    def _refresh(self, call: Call) -> object:
        """`GET /ig-graph/refresh_access_token?grant_type=ig_refresh_token`, for a good token 24 hours old."""
        if call.request.query.get("grant_type") != "ig_refresh_token":
            raise errors.bad_parameter("grant_type must be ig_refresh_token")
        grant = self.authorise(call)
        self.need(grant, _BASIC)
        if grant.kind is TokenKind.SHORT:
            raise errors.bad_parameter("Only long-lived tokens can be refreshed")
        if time.time() - grant.issued_at < REFRESHABLE_AFTER_SECONDS:
            raise errors.bad_parameter("The token is not 24 hours old yet")
        return self._renewed(grant, call.token if self.world.options.refresh_keeps_token else None)

    def _renewed(self, grant: Grant, token: str | None = None) -> object:
        """`{"access_token","token_type":"bearer","expires_in":5183944}` for a new token, or for `token` kept."""
        options = self.world.options
        long = grant.lasting(options.long_life_seconds, TokenKind.LONG)
        if token is None:
            token = self.world.tokens.issue(long)
        self.world.tokens.put(token, long)
        payload = {"access_token": token, "token_type": "bearer", "expires_in": options.long_life_seconds}
        return payload | (
            {"permissions": ",".join(sorted(grant.scopes))} if options.sends_permissions else {}
        )


def _refused(message: str, status: int = 400) -> Answer:
    return json_answer({"error_type": "OAuthException", "code": status, "error_message": message}, status)
