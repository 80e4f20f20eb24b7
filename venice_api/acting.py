"""Who acts in this request or command, for what is written into the audit trail below forms and views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from paris_integration import public as paris

GetResponse = Callable[[HttpRequest], HttpResponse]

_actor: ContextVar[Callable[[], paris.Actor]] = ContextVar("actor", default=lambda: paris.SERVICE)


def current_actor() -> paris.Actor:
    """The signed-in user or the command; the service itself where neither is known."""
    return _actor.get()()


@contextmanager
def acting_as(actor: paris.Actor) -> Iterator[None]:
    token = _actor.set(lambda: actor)
    try:
        yield
    finally:
        _actor.reset(token)


class ActorMiddleware:
    """Names the request's user to `current_actor`. Nothing is looked up before something asks."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _actor.set(lambda: _actor_of(request))
        try:
            return self.get_response(request)
        finally:
            _actor.reset(token)


def _actor_of(request: HttpRequest) -> paris.Actor:
    user = request.user
    return paris.Actor(user.pk, user.get_username()) if user.is_authenticated else paris.SERVICE
