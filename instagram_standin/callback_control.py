"""The control that has Meta's lifecycle callbacks sent. JSON in, JSON out; a ValueError is answered with 400."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from instagram_standin.callbacks import ALGORITHM, CallbackKind
from instagram_standin.login_control import account_id_in
from instagram_standin.messages import Request
from instagram_standin.people import app_scoped_id
from instagram_standin.scopes import Family
from instagram_standin.world import World

Handler = Callable[[Request], object]

_TEXTS = {"family", "kind", "url", "user_id", "username", "account_id", "person", "algorithm"}
_SWITCHES = {"is_number", "is_forged", "ends_tokens"}


class CallbackControl:
    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        return {"callbacks": {"POST": self._send}}

    def _send(self, request: Request) -> object:
        """`{"family", "kind": "deauthorize" | "data-deletion", "url", ...}` → `{"status", "body", "user_id"}`.

        Who: `user_id` as it stands, `person` (a Facebook person's key), or `username`/`account_id` of an Instagram
        account, which Instagram tells by its app-scoped id. Further: `is_number`, `is_forged`, `ends_tokens`,
        `algorithm`.
        """
        given = request.object()
        texts = {name: str(given[name]) for name in given.keys() & _TEXTS if isinstance(given[name], str)}
        switches = {name: given[name] is True for name in given.keys() & _SWITCHES}
        if given.keys() - texts.keys() - switches.keys():
            raise ValueError(f"a callback is made of {', '.join(sorted(_TEXTS | _SWITCHES))}")
        user_id = self._user_id(texts)
        answer = self._world.callbacks.send(
            Family(texts.get("family", "")),
            CallbackKind(texts.get("kind", "")),
            texts.get("url", ""),
            user_id,
            is_number=switches.get("is_number", False),
            is_forged=switches.get("is_forged", False),
            ends_tokens=switches.get("ends_tokens", True),
            algorithm=texts.get("algorithm", ALGORITHM),
        )
        return {"status": answer.status, "body": answer.body, "user_id": user_id}

    def _user_id(self, given: Mapping[str, str]) -> str:
        if "user_id" in given:
            return given["user_id"]
        if "person" in given:
            person = self._world.people.find(given["person"])
            if person is None:
                raise ValueError(f"there is nobody called {given['person']}")
            return person.id
        account_id = account_id_in(given, self._world)
        if account_id is None:
            raise ValueError("say who by user_id, person, username or account_id")
        return app_scoped_id(account_id)
