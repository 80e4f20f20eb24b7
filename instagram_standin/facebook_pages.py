"""People and their Pages on graph.facebook.com: /me, /me/accounts, a Page, /me/permissions.

Sources: "Instagram API with Facebook Login: get started" (2026-06-30); User "accounts" and "permissions".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from instagram_standin import graph_errors
from instagram_standin.fields import Field
from instagram_standin.people import FacebookPage
from instagram_standin.profiles import Profile
from instagram_standin.scopes import Family
from instagram_standin.tokens import Grant, TokenKind
from instagram_standin.world import World

_PAGE_FIELDS = {"id", "name", "category", "access_token", "tasks", "instagram_business_account"}
_USUAL = tuple(Field(name) for name in ("access_token", "category", "name", "id", "tasks"))

# An Instagram account as the Graph host tells it, with the fields asked for.
AccountTeller = Callable[[Profile, Sequence[Field]], dict[str, object]]


class FacebookPages:
    def __init__(self, world: World) -> None:
        self._world = world

    def person(self, grant: Grant, selection: Sequence[Field]) -> dict[str, object]:
        """`{"id","name"}`. A planted token speaks for nobody in particular."""
        person = self._world.people.find(grant.user_id)
        row: dict[str, object] = {"id": grant.user_id, "name": person.name if person else "Stand-in user"}
        for field in selection:
            if field.name not in row:
                raise graph_errors.unknown_field(field.name, "User")
        return {name: row[name] for name in {field.name for field in selection} or row} | {"id": row["id"]}

    def granted(self, grant: Grant) -> list[FacebookPage]:
        """None at all, and no error either, without `pages_show_list`: the trap that Meta lays."""
        if "pages_show_list" not in grant.scopes:
            return []
        pages = (self._world.people.find_page(page_id) for page_id in grant.page_ids)
        return [page for page in pages if page is not None]

    def page(
        self,
        page: FacebookPage,
        token: str,
        grant: Grant,
        selection: Sequence[Field] | None,
        tell_account: AccountTeller,
    ) -> dict[str, object]:
        """A Page with the fields asked for, in /me/accounts the usual ones when there are none.

        `instagram_business_account` is absent when no professional account is linked, and without `instagram_basic`.
        """
        payload: dict[str, object] = {}
        for field in _USUAL if selection is None else selection:
            match field.name:
                case "name":
                    payload["name"] = page.name
                case "category":
                    payload["category"] = page.category
                case "tasks":
                    payload["tasks"] = ["ANALYZE", "CREATE_CONTENT", "MANAGE"]
                case "access_token":
                    payload["access_token"] = self._page_token(page, token, grant)
                case "instagram_business_account":
                    profile = self._linked(page, grant)
                    if profile is not None:
                        payload[field.name] = tell_account(profile, field.selection or ())
                case name if name not in _PAGE_FIELDS:
                    raise graph_errors.unknown_field(name, "Page")
        return {**payload, "id": page.id}

    def permissions(self, grant: Grant) -> dict[str, object]:
        """`{"data":[{"permission","status":"granted"|"declined"}]}`"""
        states = [(scope, "granted") for scope in sorted(grant.scopes)]
        states += [(scope, "declined") for scope in sorted(grant.declined - grant.scopes)]
        return {"data": [{"permission": scope, "status": status} for scope, status in states]}

    def withdraw(self, grant: Grant, scope: str | None) -> dict[str, object]:
        """One permission of the person for this app, or (None) the app as a whole."""
        if scope is None:
            self._world.tokens.forget_user(grant.user_id, Family.FACEBOOK)
        else:
            for token in self._world.tokens.select(user_id=grant.user_id, family=Family.FACEBOOK):
                self._world.tokens.remove_permission(token, scope)
        return {"success": True}

    def _linked(self, page: FacebookPage, grant: Grant) -> Profile | None:
        if page.instagram is None or "instagram_basic" not in grant.scopes:
            return None
        profile = self._world.profiles.find(page.instagram)
        return profile if profile is not None and profile.is_professional else None

    def _page_token(self, page: FacebookPage, token: str, grant: Grant) -> str:
        """The same for the same user token; one read with a long-lived token never expires."""
        digest = hashlib.sha256(f"{page.id}:{token}".encode("utf-8", "surrogatepass")).hexdigest()
        page_token = f"EAABP{digest}"
        if self._world.tokens.find(page_token, Family.FACEBOOK) is None:
            linked = self._linked(page, grant)
            self._world.tokens.put(
                page_token,
                replace(
                    grant,
                    kind=TokenKind.PAGE,
                    account_ids=(linked.id,) if linked else (),
                    page_ids=(page.id,),
                    expires_at=grant.expires_at if grant.kind is TokenKind.SHORT else None,
                ),
            )
        return page_token
