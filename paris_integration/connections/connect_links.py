"""Connect links: with one, somebody without an account connects an Instagram account to one widget, once.

A link's code is 256 random bits, of which only a hash is stored. It works for 72 hours, until a connection was stored
with it or it is withdrawn. Lock order: login attempts before the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from foundation.random_secrets import hash_of, new_secret
from paris_integration.connections import login_fences
from paris_integration.errors import LoginFailed
from paris_integration.models import ConnectLink
from paris_integration.observing import audit
from paris_integration.observing.audit import Action
from paris_integration.types import Actor, FeedKey

LINK_LASTS = timedelta(hours=72)
MAX_OPEN = 5  # per widget
MAX_LOGINS = 20  # begun with one link and not yet forgotten


class LinkState(StrEnum):
    OPEN = "open"
    USED = "used"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A connect link. `user_id`, `creator`: who made it."""

    link_id: UUID
    workspace_id: UUID
    instance_id: str
    user_id: int
    creator: str
    created_at: datetime
    expires_at: datetime
    state: LinkState


class TooManyLinks(Exception):
    """The widget has as many open links, or the link as many logins, as are allowed."""


@transaction.atomic
def make_link(key: FeedKey, *, actor: Actor, now: datetime) -> str:
    """A new link for the widget. Returns its code, which can't be read again. Raises TooManyLinks."""
    if actor.user_id is None:
        raise ValueError("a connect link is made by a user")
    if sum(link.state is LinkState.OPEN for link in links_of(key, now=now)) >= MAX_OPEN:
        raise TooManyLinks
    code = new_secret()
    ConnectLink.objects.create(
        code_hash=hash_of(code),
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        user_id=actor.user_id,
        creator=actor.name[:150],
        created_at=now,
        expires_at=now + LINK_LASTS,
    )
    audit.note_act(Action.LINK_MADE, key, actor=actor, at=now)
    return code


def links_of(key: FeedKey, *, now: datetime) -> list[LinkFacts]:
    """The widget's links of the last 30 days, newest first."""
    rows = ConnectLink.objects.filter(workspace_id=key.workspace_id, instance_id=key.instance_id)
    return [_facts(row, now) for row in rows.order_by("-created_at")]


@transaction.atomic
def withdraw_link(key: FeedKey, link_id: UUID, *, actor: Actor, now: datetime) -> bool:
    """Withdraw an open link, and cancel the logins begun with it. Returns whether it was open."""
    rows = ConnectLink.objects.filter(pk=link_id, workspace_id=key.workspace_id, instance_id=key.instance_id)
    return rows.exists() and _withdraw(link_id, actor=actor, now=now)


@transaction.atomic
def withdraw_by_staff(link_id: UUID, *, actor: Actor, now: datetime) -> bool:
    """The same, whoever's widget it is for."""
    return _withdraw(link_id, actor=actor, now=now)


def _withdraw(link_id: UUID, *, actor: Actor, now: datetime) -> bool:
    login_fences.cancel_for_link(link_id)
    open_rows = ConnectLink.objects.filter(pk=link_id, used_at__isnull=True, withdrawn_at__isnull=True)
    if not open_rows.update(withdrawn_at=now):
        return False
    row = ConnectLink.objects.get(pk=link_id)
    audit.note(
        Action.LINK_WITHDRAWN,
        audit.Outcome.DONE,
        workspace_id=row.workspace_id,
        instance_id=row.instance_id,
        actor=actor,
        at=now,
    )
    return True


def find_link(code: str, *, now: datetime) -> LinkFacts | None:
    """The link with this code, in whatever state."""
    row = ConnectLink.objects.filter(code_hash=hash_of(code)).first()
    return _facts(row, now) if row else None


def find_link_by_id(link_id: UUID, *, now: datetime) -> LinkFacts | None:
    row = ConnectLink.objects.filter(pk=link_id).first()
    return _facts(row, now) if row else None


def note_link_opened(link: LinkFacts, key: FeedKey, *, actor: Actor, now: datetime) -> None:
    """Record that a login begins with this link. Raises TooManyLinks."""
    if ConnectLink.objects.get(pk=link.link_id).attempts.count() >= MAX_LOGINS:
        raise TooManyLinks
    audit.note_act(Action.LINK_OPENED, key, actor=actor, at=now)


def use(link_id: UUID, *, now: datetime) -> None:
    """Use up the link, in the transaction that stores the connection. Raises LoginFailed unless it is open."""
    link = ConnectLink.objects.filter(
        pk=link_id, used_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=now
    )
    if not link.update(used_at=now):
        raise LoginFailed("LINK_CLOSED")


def _facts(row: ConnectLink, now: datetime) -> LinkFacts:
    return LinkFacts(
        link_id=row.pk,
        workspace_id=row.workspace_id,
        instance_id=row.instance_id,
        user_id=row.user_id,
        creator=row.creator,
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=_state(row, now),
    )


def _state(row: ConnectLink, now: datetime) -> LinkState:
    if row.used_at is not None:
        return LinkState.USED
    if row.withdrawn_at is not None:
        return LinkState.WITHDRAWN
    # An expiry beyond the longest was written by a wrong clock.
    return LinkState.OPEN if now < row.expires_at <= now + LINK_LASTS else LinkState.EXPIRED
