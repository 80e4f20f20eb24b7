"""Rows of `retention`: the instances that were erased recently."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models

from paris_integration.types import FeedKey


class ErasedInstanceManager(models.Manager["ErasedInstance"]):
    def note(self, key: FeedKey, *, now: datetime) -> None:
        self.update_or_create(
            workspace_id=key.workspace_id, instance_id=key.instance_id, defaults={"erased_at": now}
        )

    def withdraw(self, key: FeedKey) -> None:
        """The instance has come back to this workspace."""
        self.filter(workspace_id=key.workspace_id, instance_id=key.instance_id).delete()

    def covers(self, key: FeedKey) -> bool:
        """Whether the instance was erased recently."""
        return self.filter(workspace_id=key.workspace_id, instance_id=key.instance_id).exists()


class ErasedInstance(models.Model):
    """An instance that was deleted, or left this workspace, recently: nothing is called or written for it any more.

    A reader or a refresh that found the widget a moment before its end still has its key. Neither takes more than a
    minute; a day is remembered. No foreign key, as the workspace may be deleted with it.
    """

    REMEMBERED_FOR = timedelta(days=1)

    workspace_id = models.UUIDField()
    instance_id = models.CharField(max_length=200)
    erased_at = models.DateTimeField()

    objects = ErasedInstanceManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace_id", "instance_id"], name="erased_once")]

    def __str__(self) -> str:
        return self.instance_id
