"""Erases the data of a widget that is deleted or leaves its workspace.

Call it in the transaction that deletes or moves the widget's row.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from paris_integration.connections import logins
from paris_integration.feeds import pauses
from paris_integration.models import (
    Connection,
    ConnectionLink,
    ErasedInstance,
    Feed,
    ForcedRefresh,
    LoginAttempt,
    QuotaWindow,
    RefreshReceipt,
)
from paris_integration.observing import audit
from paris_integration.observing.audit import Action
from paris_integration.retention import expiry
from paris_integration.types import Actor, FeedKey


def erase_instance(key: FeedKey, *, actor: Actor, now: datetime) -> None:
    """Erase a deleted widget's connection (if no other widget uses it), logins, feeds, quota, receipts and pause.

    Its ledger and audit trail stay for their retention period, without the source's name.
    """
    with transaction.atomic():
        _hold(key.workspace_id)
        pauses.end(key.instance_id)
        _erase(key, actor, now)
        audit.note_act(Action.WIDGET_DELETED, key, actor=actor, at=now)


def move_instance(key: FeedKey, *, to: UUID, actor: Actor, now: datetime) -> None:
    """Erase the data of a widget that moves to workspace `to`. A pause moves with it."""
    with transaction.atomic():
        _hold(key.workspace_id)
        pauses.move(key.instance_id, to=to)
        _erase(key, actor, now)
        ErasedInstance.objects.withdraw(replace(key, workspace_id=to))
        audit.note_act(Action.WIDGET_MOVED, key, actor=actor, at=now, detail=f"to workspace {to}")


def _erase(key: FeedKey, actor: Actor, now: datetime) -> None:
    ErasedInstance.objects.note(key, now=now)  # from the commit on, running requests stop at this row
    mine = {"workspace_id": key.workspace_id, "instance_id": key.instance_id}
    logins.disconnect(key, actor=actor, now=now)
    Feed.objects.of_instance(key).purge()
    QuotaWindow.objects.filter(**mine).delete()
    ForcedRefresh.objects.filter(**mine).update(source_value="")
    RefreshReceipt.objects.filter(instance_id=key.instance_id).delete()
    # Requests that began before this transaction may have written rows since. Clean-up sweeps again if this fails.
    transaction.on_commit(
        partial(expiry.sweep, key.workspace_id, key.instance_id, erased_at=now), robust=True
    )


def _hold(workspace_id: UUID) -> None:
    """Lock the workspace's logins, links and connections, in the order given in `connections.lifecycle`."""
    # One transaction may erase several widgets. Locking widget by widget would break the lock order.
    for rows in (
        LoginAttempt.objects.filter(workspace_id=workspace_id),
        ConnectionLink.objects.filter(connection__workspace_id=workspace_id),
        Connection.objects.filter(workspace_id=workspace_id),
    ):
        list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
