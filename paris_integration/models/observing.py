"""Models of `observing`: the audit trail and the daily usage."""

from __future__ import annotations

from django.db import models

from entitlements.models import Workspace
from paris_integration.types import BlockReason

# Refreshes that a member asked for and that the workspace's plan didn't allow.
LIMIT_REACHED = models.Q(
    action="forced_refresh", outcome="refused", reason__in=sorted(reason.value for reason in BlockReason)
)


class AuditEvent(models.Model):
    """Who did what to which widget, with its outcome. Written in the same transaction, never changed; no secrets."""

    class Action(models.TextChoices):
        FORCED_REFRESH = "forced_refresh", "refresh asked for"
        UNITS_GRANTED = "units_granted", "units granted"
        CONNECTED = "connected", "connected"
        DISCONNECTED = "disconnected", "disconnected"
        LINK_MADE = "link_made", "connect link made"
        LINK_OPENED = "link_opened", "login begun with a connect link"
        LINK_WITHDRAWN = "link_withdrawn", "connect link withdrawn"
        TOKEN_DIED = "token_died", "token died"
        TOKEN_RENEWED = "token_renewed", "token renewed"
        TOKEN_ACCEPTED = "token_accepted", "token accepted again"
        REVOKED = "revoked", "revoked at Meta"
        DEAUTHORISED = "deauthorised", "deauthorised at Meta"
        DATA_DELETED = "data_deleted", "data deleted on request"
        BACKOFF_CLEARED = "backoff_cleared", "back-off cleared"
        ON_BEHALF = "on_behalf", "refreshed on behalf"
        PAUSED = "paused", "paused"
        PURGED = "purged", "posts purged"
        RECONNECT_ASKED = "reconnect_asked", "asked to reconnect"
        TOKEN_ROTATED = "token_rotated", "embed token rotated"
        WINDOW_OPENED = "window_opened", "rate-limit window opened"
        WIDGET_CREATED = "widget_created", "widget created"
        WIDGET_DELETED = "widget_deleted", "widget deleted"
        WIDGET_MOVED = "widget_moved", "widget moved to another workspace"
        SETTINGS_CHANGED = "settings_changed", "settings changed"
        POST_HIDDEN = "post_hidden", "post hidden"
        POST_SHOWN = "post_shown", "post shown again"
        POST_PINNED = "post_pinned", "post pinned"
        POST_UNPINNED = "post_unpinned", "post unpinned"
        POST_APPROVED = "post_approved", "post approved"
        APPROVAL_WITHDRAWN = "approval_withdrawn", "approval of a post withdrawn"

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        REFUSED = "refused", "refused"
        FAILED = "failed", "failed"
        IN_DOUBT = "in_doubt", "in doubt"

    at = models.DateTimeField()
    # The trail outlives workspaces and users, so `user_id` isn't a foreign key.
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.SET_NULL, related_name="+")
    instance_id = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=150)
    user_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=32, choices=Action)
    outcome = models.CharField(max_length=12, choices=Outcome)
    reason = models.CharField(max_length=40, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["instance_id", "at"], name="audit_by_instance"),
            models.Index(fields=["workspace", "at"], name="audit_by_workspace"),
            models.Index(fields=["at"], name="audit_age"),
            models.Index(fields=["at", "workspace"], name="audit_limit_reached", condition=LIMIT_REACHED),
            # For the filters and the search of the admin's list, the newest first.
            models.Index(fields=["action", "at"], name="audit_by_action"),
            models.Index(fields=["actor", "at"], name="audit_by_actor"),
            models.Index(
                fields=["outcome", "at"], name="audit_not_done", condition=~models.Q(outcome="done")
            ),
            models.Index(fields=["reason", "at"], name="audit_by_reason", condition=~models.Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.outcome}"


class DailyUsage(models.Model):
    """A workspace's usage on one day (UTC), updated by `paris_integration.observing.usage`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    feed_requests = models.PositiveBigIntegerField(default=0)
    automatic_refreshes = models.PositiveBigIntegerField(default=0)
    forced_refreshes = models.PositiveBigIntegerField(default=0)
    blocked_refreshes = models.PositiveBigIntegerField(default=0)
    provider_errors = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "day"], name="daily_usage_once")]
        # By day, the newest first: what is past its time, and the admin's list.
        indexes = [models.Index(fields=["day", "workspace"], name="daily_usage_by_day")]
        verbose_name_plural = "daily usage"

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.day}"
