"""The stand-in's own endpoint, `/_control`, for what Meta's hosts cannot be asked to do.

`GET` shows the whole state. `POST` takes a JSON object with an `action`, which is a method of World or of one of its
parts, and the arguments of that method:

    {"action": "faults.add", "fault": "status", "status": 503, "username": "acme.bakery", "times": 1}
    {"action": "tokens.change", "change": "revoke", "select": {"family": "facebook"}, "subcode": 458}
    {"action": "set", "call_count": 93}

Answers are JSON. An action that is not understood is answered with 400 and changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import asdict, is_dataclass
from operator import attrgetter
from typing import Any

from instagram_standin.messages import Answer, Request, fingerprint, fitted, json_answer
from instagram_standin.tokens import Grant
from instagram_standin.world import World

CONTROL_PATH = "/_control"
ACTIONS = (
    "reset", "set", "faults.add", "faults.clear", "calls.clear", "links.expire", "links.live_for",
    "profiles.plant", "hashtags.use_up",
    "hashtags.age", "codes.expire", "tokens.add", "tokens.change", "callbacks.send",
)  # fmt: skip


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Answer:
        if request.path != CONTROL_PATH:
            return json_answer({"error": f"the control is at {CONTROL_PATH}"}, 404)
        if request.method in ("GET", "HEAD"):
            return json_answer(self._state())
        try:
            given = request.object()
            name = given.pop("action", None)
            if name not in ACTIONS:
                raise ValueError(f"action is one of {', '.join(ACTIONS)}")
            action = attrgetter(str(name))(self._world)
            result: Any = action(**fitted(action, given))
            done = asdict(result) if is_dataclass(result) else result  # type: ignore[arg-type]
            return json_answer(done or {"status": "done"})
        except (ValueError, TypeError) as error:
            return json_answer({"error": str(error)}, 400)

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
