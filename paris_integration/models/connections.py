"""Rows of `connections`: accounts, links, logins under way, incidents, and the ledger of tags."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from entitlements.models import Workspace
from paris_integration.models.fields import SealedTokenField
from paris_integration.types import ConnectionState, Login


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
