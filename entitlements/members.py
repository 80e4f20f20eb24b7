"""Changes of a workspace's members: invitations, roles, removals. Each is recorded in the history.

Every change locks the workspace's row first and reads the rights under that lock. So two owners who remove each other
at the same moment leave one owner, and an invitation is accepted once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import transaction

from entitlements.changes import Actor
from entitlements.memberships import Role, role_in
from entitlements.models import EntitlementChange, Invitation, Membership, Workspace
from foundation.batches import delete_in_batches, update_in_batches
from foundation.random_secrets import hash_of, new_secret

INVITATION_LASTS = timedelta(days=7)
KEPT_AFTER = timedelta(days=30)
HISTORY_KEYS = ("member", "invitation")
_signer = signing.Signer(salt="entitlements.invitation")


class NotAnOwner(Exception):
    """The actor isn't an owner of the workspace, or no longer."""


class LastOwner(Exception):
    """The change would leave the workspace without an owner."""


class AlreadyMember(Exception):
    pass


class NoSuchMember(Exception):
    """The person isn't a member, or the invitation isn't open."""


class InvitationState(StrEnum):
    OPEN = "open"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class InvitationClosed(Exception):
    def __init__(self, state: InvitationState) -> None:
        super().__init__(state.value)
        self.state = state


def state_of(invitation: Invitation, *, now: datetime) -> InvitationState:
    if invitation.accepted_at is not None:
        return InvitationState.ACCEPTED
    if invitation.withdrawn_at is not None:
        return InvitationState.WITHDRAWN
    is_current = now < invitation.expires_at <= now + INVITATION_LASTS
    return InvitationState.OPEN if is_current else InvitationState.EXPIRED


@transaction.atomic
def invite(
    workspace_id: UUID, email: str, role: Role, *, actor: Actor, now: datetime
) -> tuple[Invitation, str]:
    """Invite an address. Returns the invitation with its link's code, which replaces the code of an open one.

    Raises NotAnOwner or AlreadyMember.
    """
    workspace = _lock(workspace_id, actor)
    email = email.lower()
    if Membership.objects.filter(workspace=workspace, user__email__iexact=email).exists():
        raise AlreadyMember
    open_one = _open(workspace).filter(email=email).first()
    invitation = open_one or Invitation(workspace=workspace, email=email)
    old = f"{invitation.role}, open" if open_one else "none"
    invitation.role = role.value
    code = _renew(invitation, actor, now)
    _note(actor, workspace, "invitation", old, f"{role.value}, open", email)
    return invitation, code


@transaction.atomic
def resend(workspace_id: UUID, invitation_id: int, *, actor: Actor, now: datetime) -> tuple[Invitation, str]:
    """A new code for an open invitation, for another seven days; the old code stops working. Raises NoSuchMember."""
    workspace = _lock(workspace_id, actor)
    invitation = _open(workspace).filter(pk=invitation_id).first()
    if invitation is None:
        raise NoSuchMember
    code = _renew(invitation, actor, now)
    _note(
        actor,
        workspace,
        "invitation",
        f"{invitation.role}, open",
        f"{invitation.role}, sent again",
        invitation.email,
    )
    return invitation, code


@transaction.atomic
def withdraw(workspace_id: UUID, invitation_id: int, *, actor: Actor, now: datetime) -> None:
    """Withdraw an open invitation. Raises NoSuchMember."""
    _withdraw(_lock(workspace_id, actor), invitation_id, actor=actor, now=now)


@transaction.atomic
def withdraw_by_staff(invitation: Invitation, *, actor: Actor, now: datetime) -> None:
    """The same, by staff, who need not be owners. Raises NoSuchMember."""
    _withdraw(_lock(invitation.workspace_id), invitation.pk, actor=actor, now=now, by=", by staff")


def _withdraw(workspace: Workspace, invitation_id: int, *, actor: Actor, now: datetime, by: str = "") -> None:
    if not _open(workspace).filter(pk=invitation_id).update(withdrawn_at=now):
        raise NoSuchMember
    invitation = Invitation.objects.get(pk=invitation_id)
    _note(actor, workspace, "invitation", f"{invitation.role}, open", "withdrawn", f"{invitation.email}{by}")


def find_invitation(code: str) -> Invitation | None:
    """The invitation of a link, in whatever state."""
    try:
        secret = _signer.unsign(code)
    except signing.BadSignature:
        return None
    return Invitation.objects.select_related("workspace").filter(secret_hash=hash_of(secret)).first()


@transaction.atomic
def accept(code: str, user: Any, *, now: datetime) -> Invitation:
    """Make the user a member. Raises InvitationClosed or AlreadyMember."""
    found = find_invitation(code)
    if found is None:
        raise InvitationClosed(InvitationState.UNKNOWN)
    workspace = _lock(found.workspace_id)
    invitation = Invitation.objects.filter(pk=found.pk, secret_hash=found.secret_hash).first()
    state = state_of(invitation, now=now) if invitation else InvitationState.UNKNOWN
    if invitation is None or state is not InvitationState.OPEN:
        raise InvitationClosed(state)
    if role_in(user.pk, workspace.pk) is not None:
        raise AlreadyMember
    Membership.objects.create(workspace=workspace, user=user, role=invitation.role)
    invitation.accepted_at = now
    invitation.save(update_fields=["accepted_at"])
    actor = Actor(user.get_username(), user)
    _note(
        actor,
        workspace,
        "member",
        "none",
        invitation.role,
        f"{user.get_username()}, invited by {invitation.inviter}",
    )
    return invitation


@transaction.atomic
def set_role(workspace_id: UUID, user_id: int, role: Role, *, actor: Actor) -> None:
    """Change a member's role. Raises NotAnOwner, NoSuchMember or LastOwner."""
    workspace = _lock(workspace_id, actor)
    member = _member(workspace, user_id)
    if member.role == role.value:
        return
    _keep_an_owner(workspace, member)
    old, member.role = member.role, role.value
    member.save(update_fields=["role"])
    _note(actor, workspace, "member", old, role.value, member.user.get_username())


@transaction.atomic
def remove(workspace_id: UUID, user_id: int, *, actor: Actor) -> None:
    """Remove a member, who loses access with the next request. Raises NotAnOwner, NoSuchMember or LastOwner."""
    workspace = _lock(workspace_id, actor)
    member = _member(workspace, user_id)
    _keep_an_owner(workspace, member)
    member.delete()
    _note(actor, workspace, "member", member.role, "removed", member.user.get_username())


def note_staff_change(workspace: Workspace, username: str, old: str, new: str, *, actor: Actor) -> None:
    """Record a change that staff made in the admin, where the rules for owners don't hold."""
    _note(actor, workspace, "member", old, new, f"{username}, by staff")


def remove_old_invitations(*, now: datetime) -> int:
    """Delete invitations 30 days after they ended, and their addresses in the history. Returns how many."""
    removed = delete_in_batches(Invitation.objects.filter(expires_at__lt=now - KEPT_AFTER))
    # By age: the invitation may be gone with its workspace.
    changes = EntitlementChange.objects.filter(key="invitation", at__lt=now - INVITATION_LASTS - KEPT_AFTER)
    update_in_batches(changes.exclude(note=""), note="")
    return removed


def _lock(workspace_id: UUID, owner: Actor | None = None) -> Workspace:
    """The workspace, locked until commit. Raises NotAnOwner unless `owner` is one, or Workspace.DoesNotExist."""
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
    if owner is not None and role_in(owner.user.pk, workspace_id) is not Role.OWNER:
        raise NotAnOwner
    return workspace


def _member(workspace: Workspace, user_id: int) -> Membership:
    member = Membership.objects.select_related("user").filter(workspace=workspace, user_id=user_id).first()
    if member is None:
        raise NoSuchMember
    return member


def _keep_an_owner(workspace: Workspace, member: Membership) -> None:
    owners = Membership.objects.filter(workspace=workspace, role=Role.OWNER.value)
    if member.role == Role.OWNER.value and not owners.exclude(pk=member.pk).exists():
        raise LastOwner


def _open(workspace: Workspace) -> Any:
    return Invitation.objects.filter(workspace=workspace, accepted_at__isnull=True, withdrawn_at__isnull=True)


def _renew(invitation: Invitation, actor: Actor, now: datetime) -> str:
    secret = new_secret()
    invitation.secret_hash = hash_of(secret)
    invitation.inviter = actor.name[:150]
    invitation.sent_at, invitation.expires_at = now, now + INVITATION_LASTS
    invitation.save()
    return _signer.sign(secret)


def _note(actor: Actor, workspace: Workspace, key: str, old: str, new: str, whom: str) -> None:
    EntitlementChange.objects.create(
        user=actor.user,
        actor=actor.name,
        workspace=workspace,
        subject=workspace.name,
        key=key,
        old_value=old,
        new_value=new,
        note=whom,
    )
