"""Who acts in this request or command, so that code below the views can name them in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from paris_integration import public as paris

GetResponse = Callable[[HttpRequest], HttpResponse]

_actor: ContextVar[Callable[[], paris.Actor]] = ContextVar("actor", default=lambda: paris.SERVICE)


def current_actor() -> paris.Actor:
    """The signed-in user or the command. The service itself if neither is known."""
    return _actor.get()()


@contextmanager
def acting_as(actor: paris.Actor) -> Iterator[None]:
    token = _actor.set(lambda: actor)
    try:
        yield
    finally:
        _actor.reset(token)


class ActorMiddleware:
    """Makes the request's user the `current_actor`. The user is looked up only when it is needed."""

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
