"""The stand-in's own face, under `/_control/`: faults, call log, levels, links, profiles. JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields

from instagram_standin.callback_control import CallbackControl
from instagram_standin.fault_book import rule_from_json
from instagram_standin.hashtag_control import HashtagControl
from instagram_standin.login_control import LoginControl
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.usage import Usage
from instagram_standin.world import World

CONTROL_PREFIX = "/_control/"
_PROFILES = "profiles/"

Handler = Callable[[Request], object]


class Control:
    def __init__(self, world: World) -> None:
        self._world = world
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "health": {"GET": lambda _: {"status": "ok"}},
            "faults": {"GET": self._show_faults, "POST": self._add_faults, "DELETE": self._clear_faults},
            "calls": {"GET": self._show_calls, "DELETE": self._clear_calls},
            "calls/count": {"GET": self._count_calls},
            "usage": {"GET": self._show_usage, "PUT": self._set_usage},
            "links": {"POST": self._set_links},
            "profiles": {"GET": lambda _: world.profiles.usernames()},
            _PROFILES: {"PUT": self._plant_profile},
            "reset": {"POST": self._reset},
            **LoginControl(world).routes,
            **HashtagControl(world).routes,
            **CallbackControl(world).routes,
        }

    def answer(self, request: Request) -> Answer:
        path = request.path.removeprefix(CONTROL_PREFIX)
        methods = self._methods(path)
        if methods is None:
            return json_answer({"error": "no such control"}, 404)
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return json_answer({"error": f"use {' or '.join(methods)}"}, 405)
        try:
            return json_answer(handler(request))
        except ValueError as error:
            return json_answer({"error": str(error)}, 400)

    def _methods(self, path: str) -> Mapping[str, Handler] | None:
        """Of that very path, or of the names below one that ends in a slash."""
        below = path.partition("/")[0] + "/"
        return next(
            (self._routes[key] for key in (path, path.rstrip("/"), below) if key in self._routes), None
        )

    def _show_faults(self, _: Request) -> object:
        return self._world.faults.as_json()

    def _add_faults(self, request: Request) -> object:
        """One rule or a list of them; none is added unless all are understood."""
        given = request.json()
        rules = [rule_from_json(item) for item in (given if isinstance(given, list) else [given])]
        self._world.faults.extend(rules)
        return self._world.faults.as_json()

    def _clear_faults(self, _: Request) -> object:
        self._world.faults.clear()
        return []

    def _show_calls(self, _: Request) -> object:
        return list(self._world.calls)

    def _count_calls(self, request: Request) -> object:
        """All calls, or those about `?username=`."""
        username = request.query.get("username")
        counted = self._world.calls if username is None else self._world.calls.of(username.lower())
        return {"count": len(counted)}

    def _clear_calls(self, _: Request) -> object:
        self._world.calls.clear()
        return []

    def _show_usage(self, _: Request) -> object:
        return asdict(self._world.usage)

    def _set_usage(self, request: Request) -> object:
        given = request.object()
        kinds = {level.name: type(getattr(self._world.usage, level.name)) for level in fields(Usage)}
        for name, value in given.items():
            if type(value) is not kinds.get(name):
                raise ValueError(
                    f"usage is made of {', '.join(f'{key} ({kind.__name__})' for key, kind in kinds.items())}"
                )
        for name, value in given.items():
            setattr(self._world.usage, name, value)
        return self._show_usage(request)

    def _set_links(self, request: Request) -> object:
        """`{"expire": true}` ends all links handed out so far; `{"life_seconds": 60}` shortens those to come."""
        given = request.object()
        life = given.get("life_seconds")
        if given.keys() - {"expire", "life_seconds"} or not isinstance(life, int | float | None):
            raise ValueError("links take expire (true) and life_seconds (a number)")
        if life is not None:
            self._world.links.life_seconds = life
        if given.get("expire") is True:
            self._world.links.expire_all()
        return {"life_seconds": self._world.links.life_seconds}

    def _plant_profile(self, request: Request) -> object:
        username = request.path.removeprefix(CONTROL_PREFIX + _PROFILES)
        profile = self._world.profiles.plant(username, request.json())
        return {"id": profile.id, "username": profile.username, "posts": len(profile.posts)}

    def _reset(self, _: Request) -> object:
        self._world.reset()
        return {"status": "reset"}
