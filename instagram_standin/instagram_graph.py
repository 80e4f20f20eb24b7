"""graph.instagram.com: what an Instagram token may read, which is the account that logged in and no other.

Two endpoints have no version: `access_token` (short for long) and `refresh_access_token`. Both answer
`{"access_token","token_type":"bearer","expires_in":5183944}`. Sources: "Business Login for Instagram" (2026-03-13),
"access_token" (2026-03-09), "me" (2026).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from instagram_standin import graph_errors
from instagram_standin.calls import Call
from instagram_standin.fields import Field
from instagram_standin.graph import GraphHost, selection_of, token_of
from instagram_standin.graph_errors import GraphRefusal
from instagram_standin.logins import Shape
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.people import app_scoped_id
from instagram_standin.profiles import Profile
from instagram_standin.scopes import INSTAGRAM_BASIC, Family
from instagram_standin.tokens import Grant, TokenKind

REFRESHABLE_AFTER_SECONDS = 24 * 3_600
_BASIC = frozenset({INSTAGRAM_BASIC})


class InstagramGraph(GraphHost):
    prefix = "/ig-graph"
    family = Family.INSTAGRAM
    media_scopes = (_BASIC,)

    def answer(self, call: Call) -> Answer:
        match call.request.path.removeprefix(self.prefix).strip("/"):
            case "access_token":
                make = self._exchange
            case "refresh_access_token":
                make = self._refresh
            case _:
                return super().answer(call)
        try:
            return json_answer(make(call))
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
            raise graph_errors.no_such_object(call.request.method, node_id)
        return profile

    # Who is it

    def _me(self, call: Call, grant: Grant) -> Answer:
        """`id` is app-scoped, `user_id` the account's own. A personal account is told by its `account_type`."""
        self.need(grant, _BASIC)
        profile = super().own_profile(call, grant.account_ids[0], grant)
        selection = selection_of(call.request)
        plain = [field for field in selection if field.name not in ("user_id", "account_type")]
        payload = self.user(profile, plain, call.request)
        payload["id"] = self._id(app_scoped_id(profile.id))
        for field in selection:
            if field.name == "user_id":
                payload["user_id"] = self._id(profile.id)
            if field.name == "account_type":
                payload["account_type"] = _account_type(profile)
        is_flat = self.world.logins.options.me_shape is Shape.FLAT
        headers = self.world.usage.business_header(profile.id)
        return json_answer(payload if is_flat else {"data": [payload]}, headers=headers)

    def _id(self, text: str) -> str | int:
        return int(text) if self.world.logins.options.numeric_ids else text

    def _target(self, request: Request, selection: Sequence[Field]) -> tuple[str | None, str | None]:
        username, after = super()._target(request, selection)
        token = token_of(request)
        if username is None and token and request.path.endswith("/media"):
            grant = self.world.tokens.find(token, self.family)
            profile = self.world.profiles.find_by_id(grant.account_ids[0]) if grant else None
            username = profile.username if profile else None
        return username, after

    # Longer lives

    def _exchange(self, call: Call) -> object:
        """`GET /ig-graph/access_token?grant_type=ig_exchange_token&client_secret&access_token`."""
        _need_get(call.request)
        query = call.request.query
        if query.get("grant_type") != "ig_exchange_token":
            raise graph_errors.bad_parameter("grant_type must be ig_exchange_token")
        if not self.world.logins.apps[self.family].is_secret(query.get("client_secret")):
            raise graph_errors.bad_secret()
        grant = self.authorise(call)
        if grant.kind is not TokenKind.SHORT:
            raise graph_errors.bad_parameter("Only short-lived tokens can be exchanged")
        return self._long_lived(self.world.tokens.issue(self._renewed(grant)), grant)

    def _refresh(self, call: Call) -> object:
        """`GET /ig-graph/refresh_access_token?grant_type=ig_refresh_token`, for a good token 24 hours old."""
        _need_get(call.request)
        if call.request.query.get("grant_type") != "ig_refresh_token":
            raise graph_errors.bad_parameter("grant_type must be ig_refresh_token")
        grant = self.authorise(call)
        self.need(grant, _BASIC)
        if grant.kind is TokenKind.SHORT:
            raise graph_errors.bad_parameter("Only long-lived tokens can be refreshed")
        if time.time() - grant.issued_at < REFRESHABLE_AFTER_SECONDS:
            raise graph_errors.bad_parameter("The token is not 24 hours old yet")
        renewed = self._renewed(grant)
        if call.token and self.world.logins.options.refresh_keeps_token:
            self.world.tokens.put(call.token, renewed)
            return self._long_lived(call.token, renewed)
        return self._long_lived(self.world.tokens.issue(renewed), renewed)

    def _renewed(self, grant: Grant) -> Grant:
        now = time.time()
        ends = now + self.world.logins.options.long_life_seconds
        return replace(grant, kind=TokenKind.LONG, issued_at=now, expires_at=ends)

    def _long_lived(self, token: str, grant: Grant) -> object:
        options = self.world.logins.options
        told: dict[str, object] = {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": options.long_life_seconds,
        }
        if options.tells_permissions:
            told["permissions"] = ",".join(sorted(grant.scopes))
        return told


def _need_get(request: Request) -> None:
    if request.method != "GET":
        raise graph_errors.unversioned(request.method)


def _account_type(profile: Profile) -> object:
    if not profile.is_professional:
        return "PERSONAL"
    return profile.details.get("account_type", "BUSINESS")
