"""Who can read an instance, and who can change it."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from entitlements.memberships import Role, can_edit
from venice_api.api import problems
from venice_api.api.authentication import EmbedCaller, MemberCaller
from venice_api.instances import from_row
from venice_api.models import WidgetInstance


class IsEditor(IsAuthenticated):
    """A signed-in user and, for an instance, an editor or owner of its workspace."""

    message = "Only editors and owners of the workspace can do this."

    def has_object_permission(self, request: Request, view: APIView, obj: MemberCaller) -> bool:
        return can_edit(obj.role)


class IsMember(IsAuthenticated):
    """A signed-in user. `find_member` checks membership, whatever the role."""

    def has_object_permission(self, request: Request, view: APIView, obj: MemberCaller) -> bool:
        return True


class IsReader(BasePermission):
    """The bearer of an embed token, or a signed-in user. `find_member` checks membership."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, EmbedCaller) or request.user.is_authenticated


def find_member(user: User | AnonymousUser, instance_id: str) -> MemberCaller:
    """The user as a member of the instance's workspace. Raises Problem 404 for outsiders and unknown instances."""
    user_id = int(user.pk or 0)
    row = WidgetInstance.objects.for_member(user_id).filter(pk=instance_id).first()
    if row is None:
        raise problems.instance_not_found()
    return MemberCaller(from_row(row), user_id, user.get_username(), Role(row.role))
