"""graph.facebook.com: what a Facebook token may read. The only host with Business Discovery and hashtags.

Source: IG User "Business Discovery" (2026-08-12); "Secure requests" for `appsecret_proof`; see also facebook_pages.py,
facebook_tokens.py and hashtag_graph.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from instagram_standin import graph_errors
from instagram_standin.calls import Call
from instagram_standin.facebook_pages import AccountTeller, FacebookPages
from instagram_standin.facebook_tokens import FacebookTokens
from instagram_standin.fields import Field
from instagram_standin.graph import GraphHost, cut, selection_of
from instagram_standin.hashtag_graph import HashtagGraph
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.profiles import Profile
from instagram_standin.scopes import Family
from instagram_standin.tokens import Grant
from instagram_standin.world import World

DISCOVERY = "business_discovery"
_BASIC = frozenset({"instagram_basic"})
_DISCOVERY_SCOPES = (_BASIC, frozenset({"instagram_manage_insights"}), frozenset({"pages_read_engagement"}))


class FacebookGraph(GraphHost):
    prefix = "/fb-graph"
    family = Family.FACEBOOK
    media_scopes = (_BASIC, frozenset({"pages_show_list", "pages_read_engagement"}))

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tokens = FacebookTokens(world)
        self._pages = FacebookPages(world)
        self._hashtags = HashtagGraph(self)

    def respond(self, call: Call, path: Sequence[str]) -> Answer:
        match path:
            case ["oauth", "access_token"]:
                return json_answer(self._tokens.exchange(call.request))
            case ["debug_token"]:
                return json_answer(self._tokens.debug(call.request))
            case _:
                return super().respond(call, path)

    def read(self, call: Call, path: Sequence[str], grant: Grant) -> Answer:
        self._check_proof(call)
        match path:
            case ["me" | grant.user_id, "permissions", *scope] if len(scope) < 2:
                return self._permissions(call, grant, scope[0] if scope else None)
            case ["me" | grant.user_id] if call.request.method == "GET":
                return json_answer(self._pages.person(grant, selection_of(call.request)))
            case ["me" | grant.user_id, "accounts"] if call.request.method == "GET":
                return self._accounts(call, grant)
            case [page_id] if call.request.method == "GET" and page_id in grant.page_ids:
                return self._page(call, page_id, grant)
            case _:
                return self._hashtags.answer(call, path, grant) or super().read(call, path, grant)

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
        return json_answer(payload, headers=self.world.usage.app_header())

    def _discovered(self, field: Field, request: Request) -> dict[str, object]:
        username = field.modifiers.get("username")
        if username is None:
            raise graph_errors.bad_parameter("The parameter username is required")
        profile = self.world.profiles.find(username)
        if profile is None or not profile.is_professional:
            raise graph_errors.no_such_professional(username)
        return self.user(profile, field.selection or (), request)

    # People and Pages

    def _permissions(self, call: Call, grant: Grant, scope: str | None) -> Answer:
        match call.request.method:
            case "GET":
                return json_answer(self._pages.permissions(grant))
            case "DELETE":
                return json_answer(self._pages.withdraw(grant, scope))
            case method:
                raise graph_errors.no_such_object(method, "permissions")

    def _accounts(self, call: Call, grant: Grant) -> Answer:
        request = call.request
        selection = selection_of(request) or None
        page = cut(self._pages.granted(grant), request.query.get("limit"), request.query.get("after"))
        told = [
            self._pages.page(row, call.token or "", grant, selection, self._teller(request))
            for row in page.rows
        ]
        payload: dict[str, object] = {"data": told}
        if told:
            cursors = {"before": page.before, "after": page.after}
            further = {} if page.is_last else {"next": self.next_url(call, page.after)}
            payload["paging"] = {"cursors": cursors, **further}
        return json_answer(payload, headers=self.world.usage.app_header())

    def _page(self, call: Call, page_id: str, grant: Grant) -> Answer:
        page = self.world.people.find_page(page_id)
        if page is None:
            raise graph_errors.no_such_object("get", page_id)
        selection = selection_of(call.request)
        return json_answer(
            self._pages.page(page, call.token or "", grant, selection, self._teller(call.request))
        )

    def _teller(self, request: Request) -> AccountTeller:
        return lambda profile, selection: self.user(profile, selection, request)

    def _check_proof(self, call: Call) -> None:
        secret, proof = self.world.settings.facebook_app_secret, call.request.query.get("appsecret_proof")
        if secret is None:
            return
        if proof is None:
            if self.world.logins.options.requires_proof:
                raise graph_errors.no_proof()
            return
        expected = hmac.new(secret.encode(), (call.token or "").encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), proof.encode()):
            raise graph_errors.bad_proof()

    def _target(self, request: Request, selection: Sequence[Field]) -> tuple[str | None, str | None]:
        for field in selection:
            if field.name == DISCOVERY:
                media = [inner for inner in field.selection or () if inner.name == "media"]
                after = media[-1].modifiers.get("after") if media else None
                return field.modifiers.get("username"), after
        return super()._target(request, selection)
