"""graph.facebook.com: what a Facebook token may read. The only host with Business Discovery.

Source: IG User "Business Discovery" (2026-08-12); "Secure requests" for `appsecret_proof`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from instagram_standin import graph_errors
from instagram_standin.calls import Call
from instagram_standin.fields import Field
from instagram_standin.graph import GraphHost, selection_of
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.profiles import Profile
from instagram_standin.tokens import Family, Grant

DISCOVERY = "business_discovery"


class FacebookGraph(GraphHost):
    prefix = "/fb-graph"
    family = Family.FACEBOOK

    def read(self, call: Call, path: Sequence[str], grant: Grant) -> Answer:
        self._check_proof(call)
        return super().read(call, path, grant)

    def read_account(self, call: Call, profile: Profile) -> Answer:
        selection = selection_of(call.request)
        discoveries = [field for field in selection if field.name == DISCOVERY]
        if not discoveries:
            return super().read_account(call, profile)
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

    def _check_proof(self, call: Call) -> None:
        secret, proof = self.world.settings.facebook_app_secret, call.request.query.get("appsecret_proof")
        if secret is None or proof is None:
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
