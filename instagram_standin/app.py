"""Which part of the stand-in answers, with the faults and the call log in between.

A host family is a module with a prefix, a `describe` and an `answer`; a new one is added to `hosts` below.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from instagram_standin.calls import Call
from instagram_standin.cdn import Cdn
from instagram_standin.control import CONTROL_PREFIX, Control
from instagram_standin.facebook_graph import FacebookGraph
from instagram_standin.facebook_login import FacebookConsent
from instagram_standin.instagram_graph import InstagramGraph
from instagram_standin.instagram_login import InstagramApi, InstagramConsent
from instagram_standin.links import MEDIA_PREFIX
from instagram_standin.messages import Answer, Request, text_answer
from instagram_standin.world import World


class Host(Protocol):
    """One of Meta's hosts, under its prefix. `describe` never raises: what cannot be read is not told."""

    @property
    def prefix(self) -> str: ...

    def describe(self, request: Request) -> Call: ...

    def answer(self, call: Call) -> Answer: ...


class App:
    def __init__(self, world: World) -> None:
        self._world = world
        self._hosts: Sequence[Host] = (
            FacebookGraph(world),
            FacebookConsent(world),
            InstagramGraph(world),
            InstagramConsent(world),
            InstagramApi(world),
        )
        self._cdn = Cdn(world)
        self._control = Control(world)

    def answer(self, request: Request) -> Answer:
        if request.path.startswith(CONTROL_PREFIX):
            return self._control.answer(request)
        if request.path.startswith(MEDIA_PREFIX):
            return self._file(request)
        for host in self._hosts:
            if request.path == host.prefix or request.path.startswith(f"{host.prefix}/"):
                return self._call(host, request)
        return text_answer("Nothing of Meta's is played here.", 404)

    def _call(self, host: Host, request: Request) -> Answer:
        call = host.describe(request)
        fault = self._world.faults.take(call)
        normal = partial(host.answer, call)
        answer = normal() if fault is None else fault.spoil(call, normal)
        self._world.calls.add(
            call,
            status=answer.status if answer.is_sent else None,
            fault=fault.kind if fault is not None else None,
        )
        return answer

    def _file(self, request: Request) -> Answer:
        call = Call(request)
        fault = self._world.faults.take(call)
        normal = partial(self._cdn.answer, request)
        return normal() if fault is None else fault.spoil(call, normal)
