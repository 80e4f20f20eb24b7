"""The end of a widget in a workspace: the one way by which all that is held of it goes.

The widget's owner calls it in the transaction that deletes or moves the row. What was under way for it is refused from
then on (`erased`); what was written while that transaction ran is swept once it has committed, and by every clean-up.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from paris_integration import audit, erased, feed_cache, feed_rows, oauth_pipeline, pauses, retention
from paris_integration.audit import Action, Actor
from paris_integration.models import (
    Connection,
    ConnectionLink,
    Feed,
    ForcedRefresh,
    LoginAttempt,
    QuotaWindow,
    RefreshReceipt,
)
from paris_integration.types import FeedKey


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
        erased.lift(replace(key, workspace_id=to))
        audit.note_act(Action.WIDGET_MOVED, key, actor=actor, at=now, detail=f"to workspace {to}")


def _erase(key: FeedKey, actor: Actor, now: datetime) -> None:
    erased.note(key, now=now)
    mine = {"workspace_id": key.workspace_id, "instance_id": key.instance_id}
    oauth_pipeline.disconnect(key, actor=actor, now=now)
    feeds = feed_rows.delete(Feed.objects.filter(**mine))
    QuotaWindow.objects.filter(**mine).delete()
    ForcedRefresh.objects.filter(**mine).update(source_value="")
    RefreshReceipt.objects.filter(instance_id=key.instance_id).delete()
    transaction.on_commit(lambda: feed_cache.forget_rows(feeds))
    transaction.on_commit(partial(retention.sweep, key.workspace_id, key.instance_id), robust=True)


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
