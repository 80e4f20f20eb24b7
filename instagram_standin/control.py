"""The stand-in's own endpoint, `/_control`, for what Meta's hosts cannot be asked to do.

`GET` shows the whole state. `POST` takes a JSON object with an `action` and its arguments, which are the ones that the
method of that name has in Python:

    {"action": "faults.add", "fault": "status", "status": 503, "username": "acme.bakery", "times": 1}
    {"action": "tokens.change", "change": "revoke", "account_id": "17841400000000777", "subcode": 458}
    {"action": "set", "call_count": 93}

Answers are JSON. An action that is not understood is answered with 400 and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, is_dataclass, replace
from operator import attrgetter
from typing import Any

from instagram_standin.messages import Answer, Request, fitted, json_answer
from instagram_standin.tokens import Family, Grant, fingerprint
from instagram_standin.world import Options, World

CONTROL_PATH = "/_control"
METHODS = (
    "reset", "faults.add", "faults.clear", "calls.clear", "links.expire", "profiles.plant", "hashtags.use_up",
    "hashtags.age", "codes.expire", "tokens.add", "callbacks.send",
)  # fmt: skip
TOKEN_CHANGES = ("revoke", "set_age", "set_expiry", "remove_permission")


class Control:
    def __init__(self, world: World) -> None:
        self._world = world
        self._own: dict[str, Callable[..., object]] = {
            "set": self._set,
            "tokens.change": self._change_tokens,
        }

    def answer(self, request: Request) -> Answer:
        if request.path != CONTROL_PATH:
            return json_answer({"error": f"the control is at {CONTROL_PATH}"}, 404)
        if request.method in ("GET", "HEAD"):
            return json_answer(self._state())
        try:
            given = request.object()
            action = self._action(given.pop("action", None))
            result: Any = action(**fitted(action, given))
            done = asdict(result) if is_dataclass(result) else result  # type: ignore[arg-type]
            return json_answer(done or {"status": "done"})
        except (ValueError, TypeError) as error:
            return json_answer({"error": str(error)}, 400)

    def _action(self, name: object) -> Callable[..., object]:
        if name in self._own:
            return self._own[str(name)]
        if name not in METHODS:
            raise ValueError(f"action is one of {', '.join((*self._own, *METHODS))}")
        method: Callable[..., object] = attrgetter(str(name))(self._world)
        return method

    def _state(self) -> dict[str, object]:
        world = self._world
        return {
            "status": "ok",
            "options": asdict(world.options),
            "faults": world.faults.as_json(),
            "calls": list(world.calls),
            "profiles": {profile.username: profile.id for profile in world.profiles.all()},
            "people": [asdict(person) for person in world.people],
            "tokens": [_token_state(token, grant) for token, grant in world.tokens.all()],
        }

    def _set(self, **options: Any) -> object:
        """Change some of world.Options."""
        self._world.options = replace(self._world.options, **fitted(Options, options))
        return self._world.options

    def _change_tokens(
        self,
        change: str,
        token: str | None = None,
        token_hash: str | None = None,
        account_id: str | None = None,
        user_id: str | None = None,
        family: Family | None = None,
        **arguments: Any,
    ) -> object:
        """Apply a method of TOKEN_CHANGES to all tokens that the selectors fit."""
        if change not in TOKEN_CHANGES:
            raise ValueError(f"change is one of {', '.join(TOKEN_CHANGES)}")
        tokens = self._world.tokens
        method: Callable[..., object] = getattr(tokens, change)
        changes = fitted(method, {"token": "", **arguments})
        chosen = tokens.select(
            token=token, token_hash=token_hash, account_id=account_id, user_id=user_id, family=family
        )
        for each in chosen:
            method(**{**changes, "token": each})
        return {"count": len(chosen)}


def _token_state(token: str, grant: Grant) -> dict[str, object]:
    """The token as its fingerprint; age and life in seconds."""
    now = time.time()
    rejection = grant.rejection_at(now)
    return {
        "token_hash": fingerprint(token),
        "family": grant.family,
        "kind": grant.kind,
        "user_id": grant.user_id,
        "account_ids": grant.account_ids,
        "page_ids": grant.page_ids,
        "scopes": sorted(grant.scopes),
        "age": round(now - grant.issued_at),
        "expires_in": None if grant.expires_at is None else round(grant.expires_at - now),
        "is_good": rejection is None,
        "subcode": rejection.subcode if rejection else None,
    }
