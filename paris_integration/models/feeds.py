"""Models of `feeds`: the cached feed with its schedule, back-off and lease; pauses, rate limits and previews."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from django.db import models, transaction
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Subquery

from entitlements.models import Workspace
from foundation import cache
from paris_integration import clock
from paris_integration.models.retention import ErasedInstance
from paris_integration.types import FeedKey, FeedState, Mode, Source, SourceType, Warning

# Part of the cache key. Raise it only if older copies can't be read any more: with the same key, deleting a feed also
# deletes the copy that a process of the previous release stored.
COPY_VERSION = 1


class StoredTimes(Protocol):
    """The times of a feed, as both its row and its cached copy have them."""

    @property
    def fetched_at(self) -> datetime | None: ...
    @property
    def backoff_set_at(self) -> datetime | None: ...
    @property
    def blocked_until(self) -> datetime | None: ...
    @property
    def paused_at(self) -> datetime | None: ...
    @property
    def paused_until(self) -> datetime | None: ...
    @property
    def slowed_until(self) -> datetime | None: ...
    @property
    def jitter(self) -> float: ...
    @property
    def fault(self) -> str: ...


def state_of(stored: StoredTimes, now: datetime) -> FeedState:
    """The feed's state, with each wait limited to its ceiling. Used both to announce times and to enforce them."""

    def counted(until: datetime | None, set_at: datetime | None, ceiling: timedelta) -> datetime | None:
        return clock.counted_until(until, set_at=set_at, ceiling=ceiling, now=now)

    return FeedState(
        fetched_at=stored.fetched_at,
        blocked_until=counted(
            stored.blocked_until, stored.backoff_set_at, clock.backoff_ceiling(stored.fault)
        ),
        jitter=stored.jitter,
        paused_until=counted(stored.paused_until, stored.paused_at, clock.PAUSE_CEILING),
        slowed_until=counted(stored.slowed_until, stored.fetched_at, clock.LONG_CEILING),
    )


def copy_key(key: FeedKey, mode: Mode) -> str:
    """The cache key of this feed's copy."""
    parts = [*key.columns.values(), mode.value]
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()
    return f"paris:feed:v{COPY_VERSION}:{digest}"


class FeedQuerySet(models.QuerySet["Feed"]):
    def of_key(self, key: FeedKey, mode: Mode) -> FeedQuerySet:
        """The one feed of this cache key, if there is one."""
        return self.filter(**key.columns, mode=mode.value)

    def of_instance(self, key: FeedKey) -> FeedQuerySet:
        """The instance's feeds, whatever their source and mode."""
        return self.filter(workspace_id=key.workspace_id, instance_id=key.instance_id)

    def with_orders(self) -> FeedQuerySet:
        """With what else decides about a feed: `is_in_flight`, `is_erased`, `ordered_pause_at` and `_until`."""
        pause = Pause.objects.filter(pk=OuterRef("instance_id"))
        erased = ErasedInstance.objects.filter(
            workspace_id=OuterRef("workspace_id"), instance_id=OuterRef("instance_id")
        )
        return self.annotate(  # type: ignore[no-redef]
            is_in_flight=ExpressionWrapper(~clock.is_free("lease_expires_at"), BooleanField()),
            is_erased=Exists(erased),
            ordered_pause_at=Subquery(pause.values("ordered_at")),
            ordered_pause_until=Subquery(pause.values("until")),
        )

    def without_posts(self) -> FeedQuerySet:
        return self.defer("posts_encoded", "profile", "copies")

    def hold(self) -> list[Feed]:
        """Lock the feeds in the order of their keys, and return them without their posts."""
        return list(self.without_posts().select_for_update().order_by("pk"))

    @transaction.atomic
    def purge(self) -> list[Feed]:
        """Delete the feeds and, after the commit, their cached copies. Returns the feeds."""
        # Locked first: a plain DELETE updates the ledger's rows before it deletes the feed, and would miss a line added
        # in between. Deleting by primary key leaves a feed that was created meanwhile.
        held = self.hold()
        Feed.objects.filter(pk__in=[feed.pk for feed in held]).delete()
        transaction.on_commit(lambda: forget_copies(held))
        return held


def forget_copies(feeds: Iterable[Feed]) -> None:
    cache.forget(*(feed.copy_key for feed in feeds))


class Feed(models.Model):
    """The cached posts of one cache key, with schedule, back-off and lease.

    `fence` rises, by compare-and-set, when a refresh begins and when it ends. Only the refresh with the current number
    may write.
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

    # The last successful result. Posts are stored in their wire format, so that reads don't encode them again.
    posts_encoded = models.TextField(default="[]")
    profile = models.JSONField(null=True, blank=True)
    data_warnings = models.JSONField(default=list, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)

    # Pictures. `copies` (JSON) holds the stored copies by item. `pictures_reach`: of how many posts, of the images and
    # of the videos readers have requested, so that only these are copied. `pictures_due_at`: when the worker checks the
    # pictures again.
    copies = models.TextField(default="{}", db_default="{}")
    pictures_reach = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField()), blank=True
    )
    pictures_due_at = models.DateTimeField(null=True, blank=True)

    # Schedule. `jitter` (0 to 1) scales the delay added to the TTL. `next_refresh_at` is when beat checks the feed
    # again; the check uses the limits of that moment.
    jitter = models.FloatField(default=0.0)
    next_refresh_at = models.DateTimeField(null=True, blank=True)
    last_read_at = models.DateTimeField(null=True, blank=True)

    # The last attempt and its back-off.
    attempted_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.NEVER, blank=True)
    fault = models.CharField(max_length=40, blank=True, choices=[(w.value, w.value) for w in Warning])
    fault_detail = models.CharField(max_length=200, blank=True)
    failures = models.PositiveIntegerField(default=0)
    blocked_at = models.DateTimeField(null=True, blank=True)  # when `blocked_until` was written
    blocked_until = models.DateTimeField(null=True, blank=True)

    # Other waits: a pause ordered by staff, and a longer wait for automatic refreshes near a rate limit.
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    slowed_until = models.DateTimeField(null=True, blank=True)

    # The lease, on the database's clock.
    fence = models.BigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)

    objects = FeedQuerySet.as_manager()

    # Set by `with_orders` alone.
    is_in_flight: bool
    is_erased: bool
    ordered_pause_at: datetime | None
    ordered_pause_until: datetime | None

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
            # For the clean-up and the admin's list. Each index makes claims slower, as they change an indexed time.
            models.Index(fields=["last_read_at", "created_at"], name="feed_unread"),
            models.Index(
                fields=["fault", "instance_id"], name="feed_failing", condition=models.Q(outcome="failed")
            ),
            models.Index(
                fields=["pictures_due_at"],
                name="feed_pictures_due",
                condition=models.Q(pictures_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_type} {self.source_value} ({self.instance_id})"

    @property
    def key(self) -> FeedKey:
        source = Source(SourceType(self.source_type), self.source_value)
        return FeedKey(self.workspace_id, self.instance_id, source)

    @property
    def copy_key(self) -> str:
        return copy_key(self.key, Mode(self.mode))

    @property
    def backoff_set_at(self) -> datetime | None:
        # The previous release writes a back-off without `blocked_at`.
        return max((at for at in (self.blocked_at, self.attempted_at) if at is not None), default=None)

    def state_at(self, now: datetime) -> FeedState:
        return state_of(self, now)


class Pause(models.Model):
    """An order by staff to fetch nothing for an instance before `until`, whatever its source or connection.

    Copied to its feeds as `paused_until`; feeds created later take it from here.
    """

    instance_id = models.CharField(primary_key=True, max_length=200)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    ordered_at = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instance_id} until {self.until:%Y-%m-%d %H:%M}"


class ProviderWindow(models.Model):
    """The rate limit of one credential: no call with it before `parked_until`.

    `credential`: a connection's id, or `public` for the operator's credentials.
    """

    credential = models.CharField(primary_key=True, max_length=64)
    parked_at = models.DateTimeField(null=True, blank=True)  # when `parked_until` was written
    parked_until = models.DateTimeField(null=True, blank=True)
    throttles = models.PositiveIntegerField(default=0)
    usage_percent = models.FloatField(default=0.0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "rate limit"

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


class LimitsChange(models.Model):
    """Workspaces whose limits have changed, and whose feeds must be checked again. Deleted when that is done."""

    workspace_ids = models.JSONField()

    def __str__(self) -> str:
        return f"{len(self.workspace_ids)} workspaces"
