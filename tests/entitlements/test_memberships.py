"""Memberships and their roles."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from entitlements.memberships import Role, can_edit, role_in, roles_of, workspaces_of
from entitlements.models import Membership, Workspace


@pytest.mark.parametrize(
    ("role", "may"),
    [
        pytest.param(Role.VIEWER, False, id="a viewer only looks"),
        pytest.param(Role.EDITOR, True, id="an editor edits"),
        pytest.param(Role.OWNER, True, id="an owner edits"),
    ],
)
def test_a_role_applies_only_in_its_workspace(
    workspace: Workspace, neighbour: Workspace, role: Role, may: bool
) -> None:
    user = User.objects.create_user("anna")
    Membership.objects.create(workspace=workspace, user=user, role=role)

    assert role_in(user.pk, workspace.pk) is role
    assert can_edit(role) is may
    assert role_in(user.pk, neighbour.pk) is None
    assert roles_of(user.pk) == {workspace.pk: role}
    assert list(workspaces_of(user.pk)) == [workspace]


def test_an_outsider_has_no_role(workspace: Workspace) -> None:
    outsider = User.objects.create_user("outsider")

    assert role_in(outsider.pk, workspace.pk) is None
    assert roles_of(outsider.pk) == {}
    assert list(workspaces_of(outsider.pk)) == []
