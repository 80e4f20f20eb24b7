"""Facebook Login: the consent page of www.facebook.com.

Sources: "Manually build a login flow" (2026-03-10), "Facebook Login for Business" (2026-05-05).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from instagram_standin.consent import ConsentHost, Decision, LoginRefused
from instagram_standin.consent_pages import Choice
from instagram_standin.logins import Consent, LoginApp
from instagram_standin.messages import Request
from instagram_standin.people import FacebookPage, Person
from instagram_standin.scopes import CONFIGURED, PUBLIC_PROFILE, Family

_VERSION = re.compile(r"v[0-9]+\.0", re.ASCII)
_DENIAL = {
    "error": "access_denied",
    "error_code": "200",
    "error_description": "Permissions error",
    "error_reason": "user_denied",
}


class FacebookConsent(ConsentHost):
    """`GET /fb-www/{version}/dialog/oauth`, with `scope`, or with `config_id` as Login for Business does."""

    prefix = "/fb-www"
    family = Family.FACEBOOK
    title = "Sign in with Facebook"
    fragment = "#_=_"
    wrong_app = "Invalid App ID: The provided app ID does not look like a valid app ID."
    usual_response_type = "code"

    def is_dialog(self, path: Sequence[str]) -> bool:
        return len(path) == 3 and bool(_VERSION.fullmatch(path[0])) and list(path[1:]) == ["dialog", "oauth"]

    def denial(self) -> Mapping[str, str]:
        return _DENIAL

    def scopes_asked(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return CONFIGURED if given.get("config_id") else super().scopes_asked(given)

    def decision(self, request: Request, given: Mapping[str, str], asked: Sequence[str]) -> Decision | None:
        """With a configuration consent is all or nothing."""
        decision = super().decision(request, given, asked)
        if decision is not None and decision.declined and given.get("config_id"):
            return replace(decision, declined=frozenset(asked))
        return decision

    def choices(self) -> Sequence[Choice]:
        return [_choice(person) for person in self.world.people.all()]

    def consent(self, decision: Decision, app: LoginApp, asked: Sequence[str], redirect_uri: str) -> Consent:
        person = self.world.people.find(decision.account or self.world.people.all()[0].key)
        if person is None:
            raise LoginRefused(f"There is nobody called {decision.account}.")
        pages = [page for page in person.pages if decision.pages is None or page.id in decision.pages]
        return Consent(
            family=self.family,
            app_id=app.id,
            redirect_uri=redirect_uri,
            user_id=person.id,
            account_ids=tuple(filter(None, (self._account_id(page) for page in pages))),
            scopes=(frozenset(asked) - decision.declined) | {PUBLIC_PROFILE},
            declined=decision.declined,
            page_ids=tuple(page.id for page in pages),
        )

    def _account_id(self, page: FacebookPage) -> str | None:
        profile = self.world.profiles.find(page.instagram) if page.instagram else None
        return profile.id if profile is not None and profile.is_professional else None


def _choice(person: Person) -> Choice:
    pages = [
        Choice(
            page.id, page.name, f"Instagram: @{page.instagram}" if page.instagram else "No Instagram account"
        )
        for page in person.pages
    ]
    counted = {0: "No Pages", 1: "1 Page"}.get(len(pages), f"{len(pages)} Pages")
    return Choice(person.key, person.name, counted, inner=pages)
