"""Authentication. An embed token allows reads of its instance; everything else requires a session."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from entitlements.memberships import Role
from venice_api import embed_tokens
from venice_api.api.inputs import single_values
from venice_api.instances import Instance, find_instance
from venice_api.values import InvalidInput

_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class EmbedCaller:
    """A widget on a publisher's page. `token_in_url`: shared caches may store the answer under the URL."""

    instance: Instance
    token_in_url: bool


@dataclass(frozen=True, slots=True)
class MemberCaller:
    """A signed-in member of the instance's workspace."""

    instance: Instance
    user_id: int
    username: str
    role: Role


class EmbedTokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer …` or `?token=…`; `request.auth` becomes an EmbedCaller."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, EmbedCaller] | None:
        http_request = request._request
        named = single_values(http_request.GET, ("instanceId", "token"))
        header = http_request.META.get("HTTP_AUTHORIZATION", "")
        if not header and "token" not in named:
            return None
        if not header:
            token = named["token"]
        elif "token" in named:
            raise InvalidInput("token", "Send it in the URL or in the Authorization header, not in both.")
        elif header.lower().startswith(_BEARER):
            token = header[len(_BEARER) :].strip()
        else:
            raise AuthenticationFailed
        instance = instance_of_token(token)
        if named.get("instanceId", instance.instance_id) != instance.instance_id:
            raise PermissionDenied("The token belongs to another widget.")
        return AnonymousUser(), EmbedCaller(instance, token_in_url=not header)


class SessionAuthentication(authentication.SessionAuthentication):
    """The signed-in user. Unsafe methods require the CSRF token."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise PermissionDenied("The CSRF token is missing or wrong.") from None


def instance_of_token(token: str) -> Instance:
    """The instance of a valid, current token. Raises AuthenticationFailed."""
    try:
        content = embed_tokens.verify(token)
    except embed_tokens.InvalidEmbedToken:
        raise AuthenticationFailed from None
    instance = find_instance(content.instance_id)
    if instance is None or instance.token_version != content.version:
        raise AuthenticationFailed
    return instance
