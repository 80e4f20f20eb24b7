"""Who is asking, and for which instance. Embed tokens open reads of their instance; all else is a session."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import CSRFCheck

from entitlements.memberships import Role, can_edit, role_in
from venice_api import embed_tokens
from venice_api.api import problems
from venice_api.api.inputs import single_values
from venice_api.instances import Instance, find_instance, load_instance
from venice_api.values import InvalidInput

_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class EmbedCaller:
    """A widget on a publisher's page. `token_in_url`: the whole address may be cached by anybody in between."""

    instance: Instance
    token_in_url: bool


@dataclass(frozen=True, slots=True)
class MemberCaller:
    """A signed-in member of the instance's workspace."""

    instance: Instance
    user_id: int
    username: str
    role: Role


def identify_reader(request: HttpRequest) -> EmbedCaller | MemberCaller:
    """Raises Problem (401, 403, 404) and InvalidInput."""
    named = single_values(request.GET, ("instanceId", "token"))
    header = request.headers.get("Authorization", "")
    if header:
        if "token" in named:
            raise InvalidInput("token", "Was sent in the address and in the Authorization header.")
        if not header.lower().startswith(_BEARER):
            raise problems.authentication_required()
        return _embed_caller(header[len(_BEARER) :].strip(), named.get("instanceId"), token_in_url=False)
    if "token" in named:
        return _embed_caller(named["token"], named.get("instanceId"), token_in_url=True)
    return identify_member(request, named.get("instanceId"))


def require_session(request: HttpRequest) -> User:
    """The signed-in user behind a request that changes something, its CSRF token checked. Raises Problem 401, 403.

    An embed token opens nothing here, whatever else is sent along.
    """
    user = signed_in(request)
    check = CSRFCheck(_nothing)
    check.process_request(request)
    if check.process_view(request, _nothing, (), {}) is not None:
        raise problems.forbidden("The CSRF token is missing or wrong.")
    return user


def _nothing(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


def signed_in(request: HttpRequest) -> User:
    """The user behind the session. Raises Problem 401."""
    user = request.user
    if isinstance(user, AnonymousUser) or not user.is_active:
        raise problems.authentication_required()
    return user


def identify_editor(request: HttpRequest, instance_id: str) -> MemberCaller:
    """The member behind the session, who must be an editor or owner. Raises Problem (401, 403, 404)."""
    caller = identify_member(request, instance_id)
    if not can_edit(caller.role):
        raise problems.forbidden("Only editors and owners of the workspace may do this.")
    return caller


def identify_member(request: HttpRequest, instance_id: str | None) -> MemberCaller:
    """The member behind the session. Another workspace's instance is the same 404 as none at all."""
    user = signed_in(request)
    if instance_id is None:
        raise InvalidInput("instanceId", "Must be given.")
    instance = load_instance(instance_id)
    role = role_in(user.pk, instance.workspace_id) if instance else None
    if instance is None or role is None:
        raise problems.instance_not_found()
    return MemberCaller(instance, user.pk, user.get_username(), role)


def instance_of_token(token: str) -> Instance:
    """The instance a valid, current token opens. Raises Problem 401."""
    try:
        said = embed_tokens.verify(token)
    except embed_tokens.InvalidEmbedToken:
        raise problems.authentication_required() from None
    instance = find_instance(said.instance_id)
    if instance is None or instance.token_version != said.version:
        raise problems.authentication_required()
    return instance


def own_origins(request: HttpRequest) -> set[str]:
    """The service's own origins: the configured one, and the address it is being asked under."""
    configured = "/".join(settings.PUBLIC_BASE_URL.split("/")[:3])
    return {configured, f"{request.scheme}://{request.get_host()}"}


def _embed_caller(token: str, named_id: str | None, *, token_in_url: bool) -> EmbedCaller:
    instance = instance_of_token(token)
    if named_id is not None and named_id != instance.instance_id:
        raise problems.forbidden("The token belongs to another widget.")
    return EmbedCaller(instance, token_in_url)
