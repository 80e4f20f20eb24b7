"""Models of `retention`: recently erased instances."""

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
        """Forget that the instance was erased: it has come back to this workspace."""
        self.filter(workspace_id=key.workspace_id, instance_id=key.instance_id).delete()

    def covers(self, key: FeedKey) -> bool:
        """Whether the instance was erased recently."""
        return self.filter(workspace_id=key.workspace_id, instance_id=key.instance_id).exists()


class ErasedInstance(models.Model):
    """An instance that was recently deleted, or left this workspace. Nothing is fetched or written for it any more."""

    # A request that found the widget just before its deletion still has its key. It takes a minute at most.
    WRITES_END_AFTER = timedelta(minutes=1)
    REMEMBERED_FOR = timedelta(days=1)

    workspace_id = models.UUIDField()  # not a foreign key: the workspace may be deleted, too
    instance_id = models.CharField(max_length=200)
    erased_at = models.DateTimeField()

    objects = ErasedInstanceManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace_id", "instance_id"], name="erased_once")]

    def __str__(self) -> str:
        return self.instance_id
