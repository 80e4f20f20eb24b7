"""Rows of Paris: the cached feed with its schedule, back-off and lease, and the provider's rate-limit windows."""

from __future__ import annotations

import uuid

from django.db import models

from entitlements.models import Workspace
from paris_integration.types import Mode, SourceType, Warning


class Feed(models.Model):
    """The cached dataset of one cache key: last good copy, schedule, back-off, and the lease of its one refresher.

    `fence` counts flights: taking the lease raises it by compare-and-set, and only the holder of the current number
    may write. Nothing else in this row is trusted to keep two refreshers apart.
    """

    class Outcome(models.TextChoices):
        NEVER = "", "never tried"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="feeds")
    instance_id = models.CharField(max_length=200)
    source_type = models.CharField(max_length=16, choices=[(t.value, t.value) for t in SourceType])
    source_value = models.CharField(max_length=100)
    mode = models.CharField(max_length=16, choices=[(m.value, m.value) for m in Mode])

    # The last good copy. Posts are kept in the text they leave in, so that no read encodes them again.
    posts_encoded = models.TextField(default="[]")
    profile = models.JSONField(null=True, blank=True)
    data_warnings = models.JSONField(default=list, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)

    # Schedule. `jitter` is this copy's share (0 to 1) of the delay added to the TTL; `next_refresh_at` is when beat
    # looks at the feed again: an index into due work, always re-checked against the limits of that moment.
    jitter = models.FloatField(default=0.0)
    next_refresh_at = models.DateTimeField(null=True, blank=True)
    last_read_at = models.DateTimeField(null=True, blank=True)

    # The last attempt, and the back-off it left.
    attempted_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.NEVER, blank=True)
    fault = models.CharField(max_length=40, blank=True, choices=[(w.value, w.value) for w in Warning])
    fault_detail = models.CharField(max_length=200, blank=True)
    failures = models.PositiveIntegerField(default=0)
    blocked_until = models.DateTimeField(null=True, blank=True)

    # The lease, on the database's clock.
    fence = models.BigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "instance_id", "source_type", "source_value", "mode"],
                name="feed_cache_key",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_refresh_at"], name="feed_due", condition=models.Q(next_refresh_at__isnull=False)
            ),
            models.Index(fields=["instance_id"], name="feed_instance"),
        ]

    def __str__(self) -> str:
        return f"{self.source_type} {self.source_value} ({self.instance_id})"


class ProviderWindow(models.Model):
    """A credential's rate-limit window at the provider: no call with it before `parked_until`.

    One row per credential, `public` for the operator's own: a throttle met by one feed holds back all that share it.
    """

    credential = models.CharField(primary_key=True, max_length=64)
    parked_until = models.DateTimeField(null=True, blank=True)
    throttles = models.PositiveIntegerField(default=0)
    usage_percent = models.FloatField(default=0.0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.credential


class PreviewWindow(models.Model):
    """How many previews of unsaved sources a workspace fetched in one hour (UTC)."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    used = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "starts_at"], name="preview_window")]

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.starts_at:%Y-%m-%d %H}h"
