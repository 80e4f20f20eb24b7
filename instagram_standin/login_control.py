"""The controls of logins, people and tokens. JSON in, JSON out; every ValueError is answered with 400.

Which tokens are meant is said by any of `token`, `token_hash`, `username`, `account_id`, `user_id` and `family`, so
that a test need not know what the product keeps sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import get_type_hints

from instagram_standin.fault_book import fitted
from instagram_standin.logins import LoginOptions
from instagram_standin.messages import Request
from instagram_standin.people import Person
from instagram_standin.scopes import Family
from instagram_standin.tokens import DENIED
from instagram_standin.world import World

Handler = Callable[[Request], object]

_SELECTORS = {"token", "token_hash", "username", "account_id", "user_id", "family"}


class LoginControl:
    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "logins": {"GET": self._show_options, "PUT": self._set_options},
            "apps": {"GET": self._show_apps},
            "apps/": {"PUT": self._set_redirects},
            "people": {"GET": lambda _: [asdict(person) for person in self._world.people.all()]},
            "people/": {"PUT": self._plant_person},
            "codes/expire": {"POST": self._expire_codes},
            "tokens": {"GET": self._show_tokens, "POST": self._add_token},
            "tokens/expire": {"POST": self._expire},
            "tokens/revoke": {"POST": self._revoke},
            "tokens/age": {"POST": self._set_age},
            "tokens/expiry": {"POST": self._set_expiry},
            "tokens/permissions": {"POST": self._change_permissions},
        }

    # Logins

    def _show_options(self, _: Request) -> object:
        return asdict(self._world.logins.options)

    def _set_options(self, request: Request) -> object:
        hints = get_type_hints(LoginOptions)
        given = request.object()
        for name in given.keys() - hints.keys():
            raise ValueError(f"logins have no {name}; they have {', '.join(hints)}")
        values = {name: fitted(value, hints[name], name) for name, value in given.items()}
        for name, value in values.items():
            setattr(self._world.logins.options, name, value)
        return self._show_options(request)

    def _show_apps(self, _: Request) -> object:
        return {
            app.family: {"app_id": app.id, "redirect_uris": sorted(app.redirect_uris)}
            for app in self._world.logins.apps.values()
        }

    def _set_redirects(self, request: Request) -> object:
        """`PUT apps/instagram {"redirect_uris": [...]}`; an empty list allows any again."""
        uris = request.object().get("redirect_uris")
        if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
            raise ValueError("redirect_uris is a list of addresses")
        self._world.logins.register_redirects(Family(_last(request)), uris)
        return self._show_apps(request)

    def _expire_codes(self, _: Request) -> object:
        self._world.logins.expire_codes()
        return {"status": "expired"}

    def _plant_person(self, request: Request) -> object:
        person: Person = self._world.people.plant(_last(request), request.json())
        return asdict(person)

    # Tokens

    def _show_tokens(self, _: Request) -> object:
        return self._world.tokens.as_json()

    def _add_token(self, request: Request) -> object:
        """`{"token", "family", "username" or "account_id", "scopes"?}`"""
        given = request.object()
        token, account_id, scopes = given.get("token"), account_id_in(given, self._world), given.get("scopes")
        if not isinstance(token, str) or not token or account_id is None:
            raise ValueError("a token needs token, family, and username or account_id")
        if scopes is not None and not isinstance(scopes, list):
            raise ValueError("scopes is a list")
        family = Family(str(given.get("family")))
        self._world.tokens.add(token, account_id, family, scopes=scopes)
        return self._show_tokens(request)

    def _expire(self, request: Request) -> object:
        return self._to_each(request, set(), self._world.tokens.expire)

    def _revoke(self, request: Request) -> object:
        """`{..., "subcode": 458 | 460 | 463 | 467 | null}`"""
        subcode = request.object().get("subcode")
        if subcode is not None and type(subcode) is not int:
            raise ValueError("subcode is a number or null")
        return self._to_each(request, {"subcode"}, lambda token: self._world.tokens.revoke(token, subcode))

    def _set_age(self, request: Request) -> object:
        """`{..., "seconds": 90000}`"""
        seconds = _number(request.object().get("seconds"))
        return self._to_each(request, {"seconds"}, lambda token: self._world.tokens.set_age(token, seconds))

    def _set_expiry(self, request: Request) -> object:
        """`{..., "seconds": 3600}` from now; null is for ever."""
        given = request.object().get("seconds")
        seconds = None if given is None else _number(given)
        return self._to_each(
            request, {"seconds"}, lambda token: self._world.tokens.set_expiry(token, seconds)
        )

    def _change_permissions(self, request: Request) -> object:
        """`{..., "remove": [...], "restore": [...], "code": 10 | 200}`"""
        given = request.object()
        removed, restored = given.get("remove", []), given.get("restore", [])
        code = given.get("code", DENIED)
        if not isinstance(removed, list) or not isinstance(restored, list) or type(code) is not int:
            raise ValueError("remove and restore are lists of permissions, code is 10 or 200")

        def change(token: str) -> None:
            for scope in removed:
                self._world.tokens.remove_permission(token, str(scope), code=code)
            for scope in restored:
                self._world.tokens.restore_permission(token, str(scope))

        return self._to_each(request, {"remove", "restore", "code"}, change)

    def _to_each(self, request: Request, others: set[str], change: Callable[[str], None]) -> object:
        given = request.object()
        unknown = given.keys() - _SELECTORS - others
        selectors = given.keys() & _SELECTORS
        if unknown or not selectors or not all(isinstance(given[name], str) for name in selectors):
            raise ValueError(f"say which tokens by {', '.join(sorted(_SELECTORS))}")
        family = given.get("family")
        chosen = self._world.tokens.select(
            token=_text(given, "token"),
            token_hash=_text(given, "token_hash"),
            account_id=account_id_in(given, self._world),
            user_id=_text(given, "user_id"),
            family=None if family is None else Family(str(family)),
        )
        for token in chosen:
            change(token)
        return {"count": len(chosen)}


def account_id_in(given: Mapping[str, object], world: World) -> str | None:
    """The account that a body names by `username` or `account_id`. Raises ValueError for an unknown name."""
    username = _text(given, "username")
    if username is None:
        return _text(given, "account_id")
    profile = world.profiles.find(username)
    if profile is None:
        raise ValueError(f"there is no account {username}")
    return profile.id


def _last(request: Request) -> str:
    return request.path.rpartition("/")[2]


def _text(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    return value if isinstance(value, str) else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("seconds is a number")
    return float(value)
