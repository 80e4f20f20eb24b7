"""The members of workspaces and their roles."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from entitlements.models import Membership, Workspace

Role = Membership.Role


def role_in(user_id: int, workspace_id: UUID | str) -> Role | None:
    """The user's role in the workspace, or None if they aren't a member."""
    role = (
        Membership.objects.filter(user_id=user_id, workspace_id=workspace_id)
        .values_list("role", flat=True)
        .first()
    )
    return Role(role) if role else None


def roles_of(user_id: int) -> dict[UUID, Role]:
    """The user's role in each of their workspaces."""
    rows = Membership.objects.filter(user_id=user_id).values_list("workspace_id", "role")
    return {workspace_id: Role(role) for workspace_id, role in rows}


def can_edit(role: Role) -> bool:
    return role in (Role.EDITOR, Role.OWNER)


def workspaces_of(user_id: int) -> QuerySet[Workspace]:
    return Workspace.objects.filter(memberships__user_id=user_id)
