"""Models of `quota`: units used, the ledger of forced refreshes, and receipts of requests."""

from __future__ import annotations

from django.db import models

from entitlements.models import Workspace
from paris_integration.models.feeds import Feed
from paris_integration.types import SourceType


class QuotaWindow(models.Model):
    """The units of one calendar day or hour (UTC) for one source of a widget.

    `used` rises with every forced refresh and falls when a unit is refunded. `granted`: units added by staff.
    """

    class Kind(models.TextChoices):
        DAY = "day", "day"
        HOUR = "hour", "hour"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    instance_id = models.CharField(max_length=200)
    source_type = models.CharField(max_length=16, choices=[(t.value, t.value) for t in SourceType])
    source_value = models.CharField(max_length=100)
    kind = models.CharField(max_length=4, choices=Kind)
    starts_at = models.DateTimeField()
    used = models.PositiveIntegerField(default=0)
    granted = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "instance_id", "source_type", "source_value", "kind", "starts_at"],
                name="quota_window",
            )
        ]
        indexes = [models.Index(fields=["starts_at"], name="quota_window_age")]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.kind} {self.starts_at:%Y-%m-%d %H}h: {self.used}"


class ForcedRefresh(models.Model):
    """The ledger of forced refreshes: one line per charged unit, written before the call and settled after it.

    A line left open by a process that died is settled as in doubt, and its unit stays charged.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", "under way"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed, unit given back"
        IN_DOUBT = "in_doubt", "in doubt, unit kept"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    instance_id = models.CharField(max_length=200)
    source_type = models.CharField(max_length=16, choices=[(t.value, t.value) for t in SourceType])
    source_value = models.CharField(max_length=100)
    feed = models.ForeignKey(Feed, null=True, on_delete=models.SET_NULL, related_name="+")
    fence = models.BigIntegerField()  # the number of the refresh that the unit paid for
    user_id = models.BigIntegerField(null=True)  # not a foreign key: the ledger outlives the user
    username = models.CharField(max_length=150, blank=True)
    reserved_at = models.DateTimeField()
    day_starts_at = models.DateTimeField()
    hour_starts_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State, default=State.RESERVED)
    settled_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = "manual refresh"
        verbose_name_plural = "manual refreshes"
        indexes = [
            models.Index(fields=["reserved_at"], name="forced_open", condition=models.Q(state="reserved")),
            models.Index(fields=["workspace", "reserved_at"], name="forced_by_workspace"),
            models.Index(fields=["settled_at"], name="forced_age"),
            # For the admin's list, the newest first.
            models.Index(fields=["reserved_at"], name="forced_by_time"),
            models.Index(fields=["instance_id", "reserved_at"], name="forced_by_instance"),
            models.Index(
                fields=["fault", "reserved_at"], name="forced_by_fault", condition=~models.Q(fault="")
            ),
            models.Index(fields=["settled_at"], name="forced_in_doubt", condition=models.Q(state="in_doubt")),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.reserved_at:%Y-%m-%d %H:%M:%S} {self.state}"

    @property
    def unit_is_kept(self) -> bool:
        return self.state != self.State.FAILED


class RefreshReceipt(models.Model):
    """A refresh request with an Idempotency-Key, and the unit it was charged. Valid for a day; stores no answer.

    Written in the same transaction as the charge, so that a repeat finds it even if the first request was cut off.
    """

    user_id = models.BigIntegerField()
    instance_id = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    forced_refresh = models.ForeignKey(ForcedRefresh, null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "instance_id", "key"], name="refresh_receipt_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="refresh_receipt_age")]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.created_at:%Y-%m-%d %H:%M:%S}"
