"""graph.facebook.com: tokens, people, Pages, Business Discovery. Hashtags are in hashtag_edges.py.

Sources: "Manually build a login flow" (2026-03-10), "Get long-lived tokens" (2022-09-14), "debug_token", IG User
"Business Discovery" (2026-08-12), "Secure requests". Codes of token refusals are from memory of the field.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from instagram_standin import errors
from instagram_standin.accounts import FacebookPage, Profile, find_page, find_person
from instagram_standin.errors import GraphRefusal
from instagram_standin.fields import Field
from instagram_standin.graph import selection_of, token_of
from instagram_standin.hashtag_edges import HashtagHost
from instagram_standin.messages import Answer, Call, Request, json_answer
from instagram_standin.tokens import CodeRefused, Family, Grant, TokenKind

DISCOVERY = "business_discovery"
DATA_ACCESS_SECONDS = 90 * 86_400
_BASIC = frozenset({"instagram_basic"})
_DISCOVERY_SCOPES = (_BASIC, frozenset({"instagram_manage_insights"}), frozenset({"pages_read_engagement"}))
_PAGE_FIELDS = tuple(Field(name) for name in ("access_token", "category", "name", "id", "tasks"))


class FacebookGraph(HashtagHost):
    prefix = "/fb-graph"
    family = Family.FACEBOOK
    media_scopes = (_BASIC, frozenset({"pages_show_list", "pages_read_engagement"}))

    def respond(self, call: Call, path: Sequence[str]) -> Answer:
        match path:
            case ["oauth", "access_token"]:
                return json_answer(self._exchange(call.request))
            case ["debug_token"]:
                return json_answer(self._debug(call.request))
            case _:
                return super().respond(call, path)

    def read(self, call: Call, path: Sequence[str], grant: Grant) -> Answer:
        self._check_proof(call)
        is_get = call.request.method == "GET"
        match path:
            case ["me" | grant.user_id, "permissions"] if is_get:
                return json_answer(_permissions(grant))
            case ["me" | grant.user_id, "permissions"] if call.request.method == "DELETE":
                self.world.tokens.forget_user(grant.user_id, self.family)
                return json_answer({"success": True})
            case ["me" | grant.user_id] if is_get:
                return json_answer(self._person(call, grant))
            case ["me" | grant.user_id, "accounts"] if is_get:
                selection = selection_of(call.request) or _PAGE_FIELDS
                return self.edge(
                    call, self._granted_pages(grant), lambda page: self._page(page, call, grant, selection),
                    headers=self.world.options.app_usage(),
                )  # fmt: skip
            case _:
                return self.hashtag_answer(call, path, grant) or super().read(call, path, grant)

    # Business Discovery

    def read_account(self, call: Call, profile: Profile, grant: Grant) -> Answer:
        selection = selection_of(call.request)
        discoveries = [field for field in selection if field.name == DISCOVERY]
        if not discoveries:
            return super().read_account(call, profile, grant)
        self.need(grant, *_DISCOVERY_SCOPES)
        own = [field for field in selection if field.name != DISCOVERY]
        payload = {
            DISCOVERY: self._discovered(discoveries[-1], call.request),
            **self.user(profile, own, call.request),
        }
        return json_answer(payload, headers=self.world.options.app_usage())

    def _discovered(self, field: Field, request: Request) -> dict[str, object]:
        username = field.modifiers.get("username")
        if username is None:
            raise errors.bad_parameter("The parameter username is required")
        profile = self.world.profiles.find(username)
        if profile is None or not profile.is_professional:
            # Unknown and personal accounts are answered alike (developers' measurement, September 2026).
            words = f"The user with username: {username} cannot be found."
            raise errors.for_people("Invalid user id", 110, 2207013, "Cannot find User", words)
        return self.user(profile, field.selection or (), request)

    def target(self, request: Request, selection: Sequence[Field]) -> tuple[str | None, str | None]:
        for field in selection:
            if field.name == DISCOVERY:
                media = [inner for inner in field.selection or () if inner.name == "media"]
                return field.modifiers.get("username"), media[-1].modifiers.get("after") if media else None
        return super().target(request, selection)

    # People and Pages

    def _person(self, call: Call, grant: Grant) -> dict[str, object]:
        """`{"id","name"}`. No person is known behind a planted token."""
        person = find_person(self.world.people, grant.user_id)
        row = {"id": grant.user_id, "name": person.name if person else "Stand-in user"}
        names = [field.name for field in selection_of(call.request)] or list(row)
        for name in names:
            if name not in row:
                raise errors.unknown_field(name, "User")
        return {name: row[name] for name in ("id", *names)}

    def _granted_pages(self, grant: Grant) -> list[FacebookPage]:
        """None at all, and no error either, without `pages_show_list`: a known trap."""
        if "pages_show_list" not in grant.scopes:
            return []
        pages = (find_page(self.world.people, page_id) for page_id in grant.page_ids)
        return [page for page in pages if page is not None]

    def _page(
        self, page: FacebookPage, call: Call, grant: Grant, selection: Sequence[Field]
    ) -> dict[str, object]:
        """`instagram_business_account` is missing without a linked account, and without `instagram_basic`."""
        payload: dict[str, object] = {}
        for field in (*selection, Field("id")):
            match field.name:
                case "id" | "name" | "category":
                    payload[field.name] = getattr(page, field.name)
                case "tasks":
                    payload["tasks"] = ["ANALYZE", "CREATE_CONTENT", "MANAGE"]
                case "access_token":
                    # Nothing reads with Page tokens here, so none is issued.
                    payload["access_token"] = f"EAABP{page.id}"
                case "instagram_business_account":
                    profile = self._linked(page, grant)
                    if profile is not None:
                        payload[field.name] = self.user(profile, field.selection or (), call.request)
                case name:
                    raise errors.unknown_field(name, "Page")
        return payload

    def _linked(self, page: FacebookPage, grant: Grant) -> Profile | None:
        if page.instagram is None or "instagram_basic" not in grant.scopes:
            return None
        profile = self.world.profiles.find(page.instagram)
        return profile if profile is not None and profile.is_professional else None

    # Tokens

    def _exchange(self, request: Request) -> object:
        """A code for a short-lived token, or (`fb_exchange_token`) a good token for a long-lived one.

        `{"access_token","token_type":"bearer","expires_in":5158}`; `expires_in` may be missing.
        """
        if request.method not in ("GET", "POST"):
            raise errors.no_such_object(request.method, "oauth")
        given, app = request.parameters(), self.world.apps[self.family]
        if given.get("client_id") != app.id:
            raise GraphRefusal("Error validating application.", 101)
        if not app.is_secret(given.get("client_secret")):
            raise GraphRefusal("Error validating client secret.", 1)
        match given.get("grant_type", "authorization_code"):
            case "authorization_code":
                grant = self._redeemed(given)
            case "fb_exchange_token":
                token = given.get("fb_exchange_token", "")
                good = self.authorise(Call(request, token=token))
                grant = good.lasting(self.world.options.long_life_seconds, TokenKind.LONG)
            case _:
                raise errors.bad_parameter("Unsupported grant type")
        payload: dict[str, object] = {"access_token": self.world.tokens.issue(grant), "token_type": "bearer"}
        if self.world.options.sends_expires_in and grant.expires_at is not None:
            payload["expires_in"] = round(grant.expires_at - grant.issued_at)
        return payload

    def _redeemed(self, given: Mapping[str, str]) -> Grant:
        try:
            grant = self.world.codes.redeem(given.get("code", ""), self.family, given.get("redirect_uri", ""))
        except CodeRefused as refused:
            raise GraphRefusal(str(refused), 100, refused.subcode) from None
        return grant.lasting(self.world.options.facebook_short_life_seconds, TokenKind.SHORT)

    def _debug(self, request: Request) -> object:
        """`GET debug_token?input_token&access_token={app-id}|{app-secret}`. An invalid token is no error of the call.

        Times in Unix seconds, 0 is never.
        """
        if not self._may_debug(token_of(request) or ""):
            raise errors.bad_token()
        if "input_token" not in request.query:
            raise errors.bad_parameter("The parameter input_token is required")
        grant = self.world.tokens.find(request.query["input_token"], self.family)
        if grant is None:
            return {"data": {"error": _inner(errors.bad_token()), "is_valid": False, "scopes": []}}
        rejection, scopes = grant.rejection_at(time.time()), sorted(grant.scopes)
        payload: dict[str, object] = {
            "app_id": self.world.apps[self.family].id,
            "type": "USER",
            "application": "Stand-in app",
            "is_valid": rejection is None,
            "issued_at": int(grant.issued_at),
            "expires_at": int(grant.expires_at or 0),
            "data_access_expires_at": int(grant.issued_at) + DATA_ACCESS_SECONDS,
            "scopes": scopes,
            "granular_scopes": [_granular(scope, grant) for scope in scopes if scope != "public_profile"],
            "user_id": grant.user_id,
        }
        if rejection is not None:
            payload["error"] = _inner(errors.rejected_token(rejection))
        return {"data": payload}

    def _may_debug(self, token: str) -> bool:
        app_id, bar, secret = token.partition("|")
        app = self.world.apps[self.family]
        if bar:
            return app_id == app.id and app.is_secret(secret)
        grant = self.world.tokens.find(token, self.family)
        return grant is not None and grant.rejection_at(time.time()) is None

    def _check_proof(self, call: Call) -> None:
        secret, proof = self.world.settings.facebook_app_secret, call.request.query.get("appsecret_proof")
        if proof is None and not self.world.options.requires_proof:
            return
        if proof is None:
            raise GraphRefusal("API calls from the server require an appsecret_proof argument", 100)
        expected = hmac.new(secret.encode(), (call.token or "").encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), proof.encode()):
            raise GraphRefusal("Invalid appsecret_proof provided in the API argument", 100)


def _permissions(grant: Grant) -> object:
    """`{"data":[{"permission","status":"granted"|"declined"}]}`"""
    states = {
        **dict.fromkeys(sorted(grant.declined), "declined"),
        **dict.fromkeys(sorted(grant.scopes), "granted"),
    }
    return {"data": [{"permission": scope, "status": status} for scope, status in states.items()]}


def _granular(scope: str, grant: Grant) -> object:
    targets = grant.account_ids if scope.startswith("instagram_") else grant.page_ids
    return {"scope": scope, "target_ids": list(targets)}


def _inner(refusal: GraphRefusal) -> dict[str, object]:
    """The error as debug_token shows it inside `data`: shorter than elsewhere."""
    inner: dict[str, object] = {"code": refusal.code, "message": str(refusal)}
    return inner if refusal.subcode is None else {**inner, "subcode": refusal.subcode}
