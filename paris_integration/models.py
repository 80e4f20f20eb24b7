"""Rows of Paris: the cached feed with its schedule, back-off and lease, and the provider's rate-limit windows."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from entitlements.models import Workspace
from paris_integration.types import ConnectionState, Login, Mode, SourceType, Warning
from paris_integration.vault import SealedTokenField


class Connection(models.Model):
    """One Instagram account that a workspace may read by its owner's grant; instances link to it.

    `account_id` is the professional account's id, `app_user_id` the one Meta's callbacks may name instead. The token is
    sealed for this row and opened by the vault alone; `token_version` rises with every new one, so that whoever failed
    with an older one condemns nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="connections")
    login = models.CharField(max_length=16, choices=[(login.value, login.value) for login in Login])
    account_id = models.CharField(max_length=40)
    app_user_id = models.CharField(max_length=40, blank=True)
    username = models.CharField(max_length=60)
    scopes = models.JSONField(default=list, blank=True)

    token = SealedTokenField(null=True, blank=True)
    token_version = models.PositiveIntegerField(default=1)
    obtained_at = models.DateTimeField()
    # Without `expires_at` the token either never ends, as Meta said, or Meta did not say when it does.
    expires_at = models.DateTimeField(null=True, blank=True)
    never_expires = models.BooleanField(default=False, db_default=False)

    state = models.CharField(
        max_length=24,
        choices=[(s.value, s.value) for s in ConnectionState],
        default=ConnectionState.ACTIVE.value,
    )
    cause = models.CharField(max_length=200, blank=True)
    state_changed_at = models.DateTimeField()

    # Renewal: due by `next_renewal_at`, one at a time by the lease, on the database's clock.
    next_renewal_at = models.DateTimeField(null=True, blank=True)
    renewal_lease_expires_at = models.DateTimeField(null=True, blank=True)
    renewal_failures = models.PositiveIntegerField(default=0)
    told_days = models.PositiveSmallIntegerField(null=True, blank=True)

    # What Meta last said of it, on the database's clock. `tried_at`: the last call it answered; `refused_at`: when it
    # last refused to read the account itself, None since it accepts; `check_at`: when to ask whether the token lives.
    tried_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    check_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "login", "account_id"], name="connection_once")
        ]
        indexes = [
            models.Index(fields=["next_renewal_at"], name="connection_due"),
            models.Index(fields=["account_id"], name="connection_account"),
            models.Index(fields=["app_user_id"], name="connection_app_user"),
            models.Index(fields=["login", "tried_at"], name="connection_tried"),
            models.Index(
                fields=["check_at"], name="connection_check", condition=models.Q(check_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.username} ({self.login})"


class Incident(models.Model):
    """The latest time that Meta refused many connections of one login alike; open while `ended_at` is None.

    `narrowed_at`: since when a connection that was never refused is known to work, so that only the refused ones wait.
    `probes` counts the probes made, `next_probe_at` is when the next is due. All times are the database's clock.
    """

    login = models.CharField(
        primary_key=True, max_length=16, choices=[(login.value, login.value) for login in Login]
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    narrowed_at = models.DateTimeField(null=True, blank=True)
    next_probe_at = models.DateTimeField()
    probes = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.login} since {self.began_at:%Y-%m-%d %H:%M}"


class ConnectionLink(models.Model):
    """Which connection an instance reads by; one at most, and of the instance's own workspace.

    On PostgreSQL a foreign key over both columns holds connection and workspace together (migration 0007).
    """

    instance_id = models.CharField(primary_key=True, max_length=200)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="links")
    # Null in links that the previous release wrote.
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="+")
    linked_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.instance_id


class LoginAttempt(models.Model):
    """One way to Meta and back: the state that was sent, who may come back with it, and once back, the choice.

    The state itself is not kept, only its hash. `consumed_at` is set by one conditional write before the code is
    exchanged. When a login brings several accounts, the token waits here, sealed, until one is chosen. The row is the
    right to store what the login brings: storing deletes it, and so does everything that cancels the login.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state_hash = models.CharField(max_length=64, unique=True)
    user_id = models.BigIntegerField()
    session_hash = models.CharField(max_length=64)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    instance_id = models.CharField(max_length=200)
    login = models.CharField(max_length=16, choices=[(login.value, login.value) for login in Login])
    redirect_uri = models.CharField(max_length=500)
    began_at = models.DateTimeField(db_default=Now(), editable=False)  # on the database's clock
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True, blank=True)

    token = SealedTokenField(null=True, blank=True)
    token_expires_at = models.DateTimeField(null=True, blank=True)
    token_never_expires = models.BooleanField(default=False, db_default=False)
    app_user_id = models.CharField(max_length=40, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    accounts = models.JSONField(default=list, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="login_attempt_age")]

    def __str__(self) -> str:
        return f"{self.login} for {self.instance_id}"


class PersonFence(models.Model):
    """The row that is held while something is stored for a person, or erased on their behalf.

    `person_hash` is a keyed hash of the login and one of Meta's ids of the person or account; no id is kept. Logins
    that began at `withdrawn_at` or before store nothing more. Rows outlive the longest login and are then removed.
    """

    person_hash = models.CharField(primary_key=True, max_length=64)
    withdrawn_at = models.DateTimeField(null=True, blank=True)  # on the database's clock, like `held_at`
    held_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["held_at"], name="person_fence_age")]

    def __str__(self) -> str:
        return self.person_hash[:12]


class DeletionRequest(models.Model):
    """Meta's order to delete a person's data, as its status page shows it. Holds no id of the person.

    `signature_hash` identifies the signed request, so that the same one sent again gets the same code.
    """

    code = models.CharField(primary_key=True, max_length=20)
    signature_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001
    login = models.CharField(max_length=16)
    requested_at = models.DateTimeField()
    connections_deleted = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.code


class Feed(models.Model):
    """The cached dataset of one cache key: last good copy, schedule, back-off, and the lease of its one refresher.

    `fence` rises when a flight begins, by compare-and-set, and when it lands. Only the holder of the current number
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
    blocked_at = models.DateTimeField(null=True, blank=True)  # when `blocked_until` was written
    blocked_until = models.DateTimeField(null=True, blank=True)

    # Waits beside the provider's back-off: a pause that staff ordered, and a slower pace of automatic refreshes.
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    slowed_until = models.DateTimeField(null=True, blank=True)

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


class ErasedInstance(models.Model):
    """An instance that was deleted, or left this workspace, a short time ago: what was under way for it then may not
    write any more. No foreign key, as the workspace may be deleted with it.
    """

    workspace_id = models.UUIDField()
    instance_id = models.CharField(max_length=200)
    erased_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace_id", "instance_id"], name="erased_once")]

    def __str__(self) -> str:
        return self.instance_id


class Pause(models.Model):
    """Staff's order to fetch nothing for an instance before `until`, whatever it shows and however it is connected.

    Its feeds carry it as `paused_until`; a feed that is made meanwhile takes it from here.
    """

    instance_id = models.CharField(primary_key=True, max_length=200)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    ordered_at = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.instance_id} until {self.until:%Y-%m-%d %H:%M}"


class ProviderWindow(models.Model):
    """A credential's rate-limit window at the provider: no call with it before `parked_until`.

    One row per credential, `public` for the operator's own: a throttle met by one feed holds back all that share it.
    """

    credential = models.CharField(primary_key=True, max_length=64)
    parked_at = models.DateTimeField(null=True, blank=True)  # when `parked_until` was written
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


class QuotaWindow(models.Model):
    """Units of one calendar day or hour (UTC) of one source of one widget.

    `used` rises by one conditional write per forced refresh and falls when the unit is given back. `granted`: units
    that staff added to this window.
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
    """The ledger of forced refreshes: one line per unit charged, opened before the call and settled after it.

    A line left open by a process that died is settled as in doubt, its unit kept.
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
    fence = models.BigIntegerField()
    user_id = models.BigIntegerField(null=True)
    username = models.CharField(max_length=150, blank=True)
    reserved_at = models.DateTimeField()
    day_starts_at = models.DateTimeField()
    hour_starts_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State, default=State.RESERVED)
    settled_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name_plural = "forced refreshes"
        indexes = [
            models.Index(fields=["reserved_at"], name="forced_open", condition=models.Q(state="reserved")),
            models.Index(fields=["workspace", "reserved_at"], name="forced_by_workspace"),
            models.Index(fields=["settled_at"], name="forced_age"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.reserved_at:%Y-%m-%d %H:%M:%S} {self.state}"

    @property
    def unit_is_kept(self) -> bool:
        return self.state != self.State.FAILED


class RefreshReceipt(models.Model):
    """That a refresh was asked for with an Idempotency-Key, and the unit it was charged; counts for a day.

    Written with the charge, so that a repeat finds it whatever became of the first request. Keeps no answer.
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


class AuditEvent(models.Model):
    """Who did what to which widget, and what came of it. Written with the act, never altered; holds no secret."""

    class Action(models.TextChoices):
        FORCED_REFRESH = "forced_refresh", "refresh asked for"
        UNITS_GRANTED = "units_granted", "units granted"
        CONNECTED = "connected", "connected"
        DISCONNECTED = "disconnected", "disconnected"
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

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        REFUSED = "refused", "refused"
        FAILED = "failed", "failed"
        IN_DOUBT = "in_doubt", "in doubt"

    at = models.DateTimeField()
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
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.outcome}"


class DailyUsage(models.Model):
    """What a workspace used on one day (UTC); `paris_integration.usage` adds to it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    feed_requests = models.PositiveBigIntegerField(default=0)
    automatic_refreshes = models.PositiveBigIntegerField(default=0)
    forced_refreshes = models.PositiveBigIntegerField(default=0)
    blocked_refreshes = models.PositiveBigIntegerField(default=0)
    provider_errors = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "day"], name="daily_usage_once")]
        indexes = [models.Index(fields=["day"], name="daily_usage_age")]
        verbose_name_plural = "daily usage"

    def __str__(self) -> str:
        return f"{self.workspace_id} {self.day}"


class HashtagNumber(models.Model):
    """Meta's number of a tag, static and the same for all accounts; or that there is no such tag, for a while."""

    tag = models.CharField(primary_key=True, max_length=100)
    number = models.CharField(max_length=40, blank=True)
    unavailable_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"#{self.tag}"


class HashtagAccount(models.Model):
    """The row that is held while an account's ledger is counted and written."""

    account_id = models.CharField(primary_key=True, max_length=40)

    def __str__(self) -> str:
        return self.account_id


class HashtagSearch(models.Model):
    """A tag that an Instagram account searched, since when: 30 different ones count within 7 days."""

    account_id = models.CharField(max_length=40)
    tag = models.CharField(max_length=100)
    first_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "tag"], name="hashtag_search_once")]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.tag}"


class HashtagRefusal(models.Model):
    """A tag that Meta refused to one account without saying that it does not exist: not searched before `until`."""

    account_id = models.CharField(max_length=40)
    tag = models.CharField(max_length=100)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "tag"], name="hashtag_refusal_once")]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.tag}"
