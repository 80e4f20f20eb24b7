"""The controls of hashtags. JSON in, JSON out; every ValueError is answered with 400."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from instagram_standin.hashtags import TAGS_PER_WINDOW, TooManyTags
from instagram_standin.login_control import account_id_in
from instagram_standin.messages import Request
from instagram_standin.world import World

Handler = Callable[[Request], object]

_OPTIONS = ("unknown_is_empty", "has_feature")


class HashtagControl:
    def __init__(self, world: World) -> None:
        self._world = world
        self._hashtags = world.hashtags

    @property
    def routes(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "hashtags": {"GET": self._show, "PUT": self._set_options},
            "hashtags/": {"PUT": self._plant},
            "hashtag-searches": {"GET": self._show_searches, "POST": self._change_searches},
        }

    def _show(self, _: Request) -> object:
        options = {name: getattr(self._hashtags, name) for name in _OPTIONS}
        return {**options, "tags": self._hashtags.names()}

    def _set_options(self, request: Request) -> object:
        given = request.object()
        if given.keys() - set(_OPTIONS) or not all(isinstance(value, bool) for value in given.values()):
            raise ValueError(f"hashtags have {' and '.join(_OPTIONS)}, true or false")
        for name, value in given.items():
            setattr(self._hashtags, name, value)
        return self._show(request)

    def _plant(self, request: Request) -> object:
        tag = self._hashtags.plant(request.path.rpartition("/")[2], request.json())
        return {"id": tag.id, "name": tag.name}

    def _show_searches(self, request: Request) -> object:
        """`?username=` or `?account_id=`: the tags that count now, newest first."""
        account_id = account_id_in(request.query, self._world)
        if account_id is None:
            raise ValueError("say whose by username or account_id")
        return {"ids": self._hashtags.asked(account_id), "limit": TAGS_PER_WINDOW}

    def _change_searches(self, request: Request) -> object:
        """`{"username" | "account_id", "use_up": 30}` and/or `{"age_seconds": 604800}`, which ages everybody's."""
        given = request.object()
        account_id = account_id_in(given, self._world)
        count, seconds = given.get("use_up"), given.get("age_seconds")
        if given.keys() - {"username", "account_id", "use_up", "age_seconds"}:
            raise ValueError("searches take username or account_id, use_up and age_seconds")
        if type(count) not in (int, type(None)) or type(seconds) not in (int, float, type(None)):
            raise ValueError("use_up and age_seconds are numbers")
        if isinstance(seconds, int | float):
            self._hashtags.age(seconds)
        if isinstance(count, int):
            if account_id is None:
                raise ValueError("say whose by username or account_id")
            try:
                self._hashtags.use_up(account_id, count)
            except TooManyTags:
                raise ValueError(f"no more than {TAGS_PER_WINDOW} tags can be used up") from None
        return {"status": "changed"}
