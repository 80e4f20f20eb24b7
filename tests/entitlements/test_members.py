"""Members and invitations: rights, states, and the last owner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from entitlements import members
from entitlements.changes import Actor
from entitlements.members import InvitationClosed, InvitationState
from entitlements.memberships import Role
from entitlements.models import EntitlementChange, Invitation, Membership, Workspace
from tests.stored import everything_stored

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOMES = ["kim@home.example", "max@home.example", "ann@home.example"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(time_machine: Any) -> Any:
    time_machine.move_to(NOW, tick=False)
    return time_machine


def person(name: str, workspace: Workspace | None = None, role: Role = Role.OWNER) -> User:
    user = User.objects.create_user(name, f"{name}@shop.example")
    if workspace:
        Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


def by(user: User) -> Actor:
    return Actor(user.username, user)


def invite(
    workspace: Workspace, owner: User, email: str = "kim@shop.example", role: Role = Role.EDITOR
) -> str:
    return members.invite(workspace.pk, email, role, actor=by(owner), now=NOW)[1]


def closed(code: str, user: User, now: datetime = NOW) -> InvitationState:
    with pytest.raises(InvitationClosed) as refused:
        members.accept(code, user, now=now)
    return refused.value.state


def test_an_invitation_makes_a_member_once(workspace: Workspace) -> None:
    olga, kim, max_ = person("olga", workspace), person("kim"), person("max")
    code = invite(workspace, olga)
    secret = code.partition(":")[0]
    assert len(secret) >= 43
    assert secret not in everything_stored()

    members.accept(code, kim, now=NOW)

    assert Membership.objects.get(user=kim).role == "editor"
    assert closed(code, max_) is InvitationState.ACCEPTED
    assert [(c.key, c.old_value, c.new_value, c.actor) for c in EntitlementChange.objects.all()] == [
        ("member", "none", "editor", "kim"),
        ("invitation", "none", "editor, open", "olga"),
    ]


def test_a_link_ends_after_seven_days(workspace: Workspace) -> None:
    olga, kim = person("olga", workspace), person("kim")
    code = invite(workspace, olga)
    assert closed(code, kim, NOW + 7 * DAY) is InvitationState.EXPIRED
    members.accept(code, kim, now=NOW + 7 * DAY - timedelta(seconds=1))


def test_a_wrong_clock_keeps_no_link_open(workspace: Workspace) -> None:
    olga, kim = person("olga", workspace), person("kim")
    code = invite(workspace, olga)
    assert closed(code, kim, NOW - DAY) is InvitationState.EXPIRED


def test_sending_again_replaces_the_link(workspace: Workspace) -> None:
    olga, kim = person("olga", workspace), person("kim")
    first = invite(workspace, olga)
    (invitation,) = Invitation.objects.all()
    _, second = members.resend(workspace.pk, invitation.pk, actor=by(olga), now=NOW + 5 * DAY)
    third = members.invite(workspace.pk, "KIM@shop.example", Role.VIEWER, actor=by(olga), now=NOW + 6 * DAY)[
        1
    ]

    assert Invitation.objects.count() == 1
    assert closed(first, kim) is InvitationState.UNKNOWN
    assert closed(second, kim) is InvitationState.UNKNOWN
    members.accept(third, kim, now=NOW + 12 * DAY)
    assert Membership.objects.get(user=kim).role == "viewer"


def test_a_withdrawn_link(workspace: Workspace) -> None:
    olga, kim = person("olga", workspace), person("kim")
    code = invite(workspace, olga)
    (invitation,) = Invitation.objects.all()
    members.withdraw(workspace.pk, invitation.pk, actor=by(olga), now=NOW)
    assert closed(code, kim) is InvitationState.WITHDRAWN
    with pytest.raises(members.NoSuchMember):
        members.withdraw(workspace.pk, invitation.pk, actor=by(olga), now=NOW)
    with pytest.raises(members.NoSuchMember):
        members.resend(workspace.pk, invitation.pk, actor=by(olga), now=NOW)


@pytest.mark.parametrize("code", ["", "x", "x:y", "\0", "é" * 50, "a" * 5_000])
def test_a_made_up_link(workspace: Workspace, code: str) -> None:
    assert members.find_invitation(code) is None


def test_members_are_not_invited_again(workspace: Workspace) -> None:
    olga, kim = person("olga", workspace), person("kim")
    code = invite(workspace, olga)
    Membership.objects.create(workspace=workspace, user=kim, role="viewer")
    with pytest.raises(members.AlreadyMember):
        invite(workspace, olga, "Kim@shop.example")
    with pytest.raises(members.AlreadyMember):
        members.accept(code, kim, now=NOW)


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER, None])
def test_only_owners_change_members(workspace: Workspace, neighbour: Workspace, role: Role | None) -> None:
    olga = person("olga", workspace)
    other = person("other", workspace if role else neighbour, role or Role.OWNER)
    invite(workspace, olga)
    (invitation,) = Invitation.objects.all()
    for act in (
        lambda: invite(workspace, other),
        lambda: members.resend(workspace.pk, invitation.pk, actor=by(other), now=NOW),
        lambda: members.withdraw(workspace.pk, invitation.pk, actor=by(other), now=NOW),
        lambda: members.set_role(workspace.pk, other.pk, Role.OWNER, actor=by(other)),
        lambda: members.remove(workspace.pk, olga.pk, actor=by(other)),
    ):
        with pytest.raises(members.NotAnOwner):
            act()


def test_other_workspaces_are_out_of_reach(workspace: Workspace, neighbour: Workspace) -> None:
    olga, there = person("olga", workspace), person("there", neighbour)
    invite(neighbour, there)
    (invitation,) = Invitation.objects.all()
    for act in (
        lambda: members.withdraw(workspace.pk, invitation.pk, actor=by(olga), now=NOW),
        lambda: members.remove(workspace.pk, there.pk, actor=by(olga)),
        lambda: members.set_role(workspace.pk, there.pk, Role.VIEWER, actor=by(olga)),
    ):
        with pytest.raises(members.NoSuchMember):
            act()


def test_the_last_owner_stays(workspace: Workspace) -> None:
    olga, ed = person("olga", workspace), person("ed", workspace, Role.EDITOR)
    for act in (
        lambda: members.remove(workspace.pk, olga.pk, actor=by(olga)),
        lambda: members.set_role(workspace.pk, olga.pk, Role.EDITOR, actor=by(olga)),
    ):
        with pytest.raises(members.LastOwner):
            act()
    members.set_role(workspace.pk, ed.pk, Role.OWNER, actor=by(olga))
    members.remove(workspace.pk, olga.pk, actor=by(olga))
    assert [m.user.username for m in Membership.objects.all()] == ["ed"]


def test_old_invitations_are_removed(workspace: Workspace) -> None:
    invite(workspace, person("olga", workspace))
    assert members.remove_old_invitations(now=NOW + 36 * DAY) == 0
    assert members.remove_old_invitations(now=NOW + 38 * DAY) == 1


def test_the_history_forgets_the_addresses_of_old_invitations(workspace: Workspace, clock: Any) -> None:
    olga, kim = person("olga", workspace), person("kim")
    members.accept(invite(workspace, olga, "kim@home.example"), kim, now=NOW)
    invite(workspace, olga, "max@home.example")
    members.withdraw_by_staff(Invitation.objects.get(email="max@home.example"), actor=by(olga), now=NOW)
    clock.move_to(NOW + 5 * DAY, tick=False)
    members.invite(workspace.pk, "ann@home.example", Role.EDITOR, actor=by(olga), now=NOW + 5 * DAY)

    members.remove_old_invitations(now=NOW + 36 * DAY)
    assert [home for home in HOMES if home in everything_stored()] == HOMES
    members.remove_old_invitations(now=NOW + 38 * DAY)
    assert [home for home in HOMES if home in everything_stored()] == ["ann@home.example"]
    assert [(c.key, c.new_value, c.note) for c in EntitlementChange.objects.all()] == [
        ("invitation", "editor, open", "ann@home.example"),
        ("invitation", "withdrawn", ""),
        ("invitation", "editor, open", ""),
        ("member", "editor", "kim, invited by olga"),
        ("invitation", "editor, open", ""),
    ]


def test_the_history_forgets_addresses_after_its_workspace_is_deleted(workspace: Workspace) -> None:
    invite(workspace, person("olga", workspace), "kim@home.example")
    workspace.delete()
    members.remove_old_invitations(now=NOW + 38 * DAY)
    assert "kim@home.example" not in everything_stored()
