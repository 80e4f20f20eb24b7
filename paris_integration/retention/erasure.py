"""Erases what is held for a widget that is deleted or leaves its workspace.

Call it in the transaction that deletes or moves the widget's row. From then on `ErasedInstance` refuses what was under
way for the widget. What was written while that transaction ran is swept after the commit, and by every clean-up.
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
    """The widget is being deleted: unlink its account, and forget its tokens when no other widget uses them, its
    pending logins, feeds, quota windows, receipts and pause.

    Its ledger and audit trail stay for their time, without the source's name.
    """
    with transaction.atomic():
        _hold(key.workspace_id)
        pauses.end(key.instance_id)
        _erase(key, actor, now)
        audit.note_act(Action.WIDGET_DELETED, key, actor=actor, at=now)


def move_instance(key: FeedKey, *, to: UUID, actor: Actor, now: datetime) -> None:
    """The widget leaves `key`'s workspace for `to`: what it held there is erased. Only a pause goes along."""
    with transaction.atomic():
        _hold(key.workspace_id)
        pauses.move(key.instance_id, to=to)
        _erase(key, actor, now)
        ErasedInstance.objects.withdraw(replace(key, workspace_id=to))
        audit.note_act(Action.WIDGET_MOVED, key, actor=actor, at=now, detail=f"to workspace {to}")


def _erase(key: FeedKey, actor: Actor, now: datetime) -> None:
    ErasedInstance.objects.note(key, now=now)
    mine = {"workspace_id": key.workspace_id, "instance_id": key.instance_id}
    logins.disconnect(key, actor=actor, now=now)
    Feed.objects.of_instance(key).purge()
    QuotaWindow.objects.filter(**mine).delete()
    ForcedRefresh.objects.filter(**mine).update(source_value="")
    RefreshReceipt.objects.filter(instance_id=key.instance_id).delete()
    transaction.on_commit(partial(expiry.sweep, key.workspace_id, key.instance_id), robust=True)


def _hold(workspace_id: UUID) -> None:
    """Hold the workspace's logins, links and connections, in the order that `connections` lays down.

    All of them, because one transaction may erase several of its widgets: held one by one they would be out of order.
    """
    for rows in (
        LoginAttempt.objects.filter(workspace_id=workspace_id),
        ConnectionLink.objects.filter(connection__workspace_id=workspace_id),
        Connection.objects.filter(workspace_id=workspace_id),
    ):
        list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
