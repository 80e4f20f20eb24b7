"""Models of `connections`: accounts, links, pending logins, incidents, and hashtag searches."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from entitlements.models import Workspace
from paris_integration.models.fields import SealedTokenField
from paris_integration.types import ConnectionState, Login, Trouble, VersionState

_TROUBLES = [(trouble.value, trouble.value) for trouble in Trouble]


class Connection(models.Model):
    """An Instagram account that a workspace may read with its owner's grant. Instances link to it.

    `account_id` is the professional account's id; Meta's callbacks may name `app_user_id` instead. `token_version`
    rises with every new token, so that a failed call with an older token can't change the state.
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
    # Null: the token never expires (`never_expires`), or Meta didn't say when it does.
    expires_at = models.DateTimeField(null=True, blank=True)
    never_expires = models.BooleanField(default=False, db_default=False)

    state = models.CharField(
        max_length=24,
        choices=[(s.value, s.value) for s in ConnectionState],
        default=ConnectionState.ACTIVE.value,
    )
    cause = models.CharField(max_length=200, blank=True)
    state_changed_at = models.DateTimeField()

    # Renewal. The lease allows one at a time, on the database's clock.
    next_renewal_at = models.DateTimeField(null=True, blank=True)
    renewal_lease_expires_at = models.DateTimeField(null=True, blank=True)
    renewal_failures = models.PositiveIntegerField(default=0)
    # The last notice sent: days before expiry, or 0 for the one about reconnecting.
    told_days = models.PositiveSmallIntegerField(null=True, blank=True)

    # The last calls, on the database's clock. `tried_at`: the last one, answered or not. `refused_at`:
    # when Meta last refused to read the account itself; null if it accepts. `check_at`: when to check whether the token
    # still works.
    tried_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    check_at = models.DateTimeField(null=True, blank=True)
    # The last failure for which Meta or our app may be the cause, except refusals; empty after a success.
    # `trouble_until`: how long Meta asked us to wait, if it did.
    trouble = models.CharField(max_length=16, choices=_TROUBLES, blank=True, default="", db_default="")
    trouble_at = models.DateTimeField(null=True, blank=True)
    trouble_until = models.DateTimeField(null=True, blank=True)

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
            models.Index(fields=["username"], name="connection_username"),
            models.Index(fields=["state", "expires_at"], name="connection_state"),
            models.Index(
                fields=["check_at"], name="connection_check", condition=models.Q(check_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.username} ({self.login})"


class Incident(models.Model):
    """The latest time that calls with many connections of one login failed alike. Open while `ended_at` is null.

    `cause`: what they failed with. `narrowed_at`: since when a connection that didn't fail is known to work, so that
    only those that failed wait. `probes`: the number of probes made. All times use the database's clock.
    """

    login = models.CharField(
        primary_key=True, max_length=16, choices=[(login.value, login.value) for login in Login]
    )
    cause = models.CharField(
        max_length=16, choices=_TROUBLES, default=Trouble.REFUSED.value, db_default=Trouble.REFUSED.value
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    narrowed_at = models.DateTimeField(null=True, blank=True)
    next_probe_at = models.DateTimeField()
    probes = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.login} since {self.began_at:%Y-%m-%d %H:%M}"


class GraphVersion(models.Model):
    """How the host of a login answered the last probe of a version of the Graph API.

    `answered_as`: the version that Meta's answer names, if it names one. `since`: since when the state is the same.
    """

    login = models.CharField(max_length=16, choices=[(login.value, login.value) for login in Login])
    version = models.CharField(max_length=8)
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in VersionState], blank=True
    )
    answered_as = models.CharField(max_length=8, blank=True)
    since = models.DateTimeField()
    checked_at = models.DateTimeField()

    class Meta:
        verbose_name = "Graph API version"
        constraints = [models.UniqueConstraint(fields=["login", "version"], name="graph_version_once")]

    def __str__(self) -> str:
        return f"{self.version} ({self.login})"


class ConnectionLink(models.Model):
    """The connection that an instance uses: at most one, and of the same workspace."""

    instance_id = models.CharField(primary_key=True, max_length=200)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="links")
    # Null in links written by the previous release. On PostgreSQL a foreign key over both columns makes sure that the
    # connection belongs to the same workspace (migration 0007).
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="+")
    linked_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.instance_id


class ConnectLink(models.Model):
    """A link with which somebody without an account connects an Instagram account to one widget, once.

    Only a hash of the link's code is stored. `user_id`: who made it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code_hash = models.CharField(max_length=64, unique=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    instance_id = models.CharField(max_length=200)
    user_id = models.BigIntegerField()
    creator = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["instance_id"], name="connect_link_widget"),
            models.Index(fields=["expires_at"], name="connect_link_age"),
        ]

    def __str__(self) -> str:
        return f"for {self.instance_id}"


class LoginAttempt(models.Model):
    """A pending login at Meta: its OAuth state (hashed), who may complete it, and later its accounts.

    It belongs to a session, and either to a user or to the holder of a connect link.

    `consumed_at` is set by one conditional write before the code exchange. If the login has several accounts, the
    encrypted token is kept here until one is chosen. Storing the result deletes the row; so does cancelling the login.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state_hash = models.CharField(max_length=64, unique=True)
    user_id = models.BigIntegerField(null=True)
    connect_link = models.ForeignKey(
        ConnectLink, null=True, on_delete=models.CASCADE, related_name="attempts"
    )
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
    """The row to lock while a person's data is stored or erased. Deleted once the longest login is over.

    `person_hash`: a keyed hash of the login and one of Meta's ids of the person or account. Logins that began at
    `withdrawn_at` or earlier are refused.
    """

    person_hash = models.CharField(primary_key=True, max_length=64)
    withdrawn_at = models.DateTimeField(null=True, blank=True)  # on the database's clock, like `held_at`
    held_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["held_at"], name="person_fence_age")]

    def __str__(self) -> str:
        return self.person_hash[:12]


class DeletionRequest(models.Model):
    """A data-deletion request from Meta, for its status page. Holds no id of the person.

    `signature_hash` identifies the signed request: repeating it returns the same code.
    """

    code = models.CharField(primary_key=True, max_length=20)
    signature_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001
    login = models.CharField(max_length=16)
    requested_at = models.DateTimeField()
    connections_deleted = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.code


class UnfinishedErasure(models.Model):
    """What a data deletion still has to erase after its commit. Deleted as soon as that is done.

    The connections, which tell what belongs to the person, are gone by then. `person_hash`: of the id in Meta's
    request, as in `PersonFence`.
    """

    person_hash = models.CharField(max_length=64)
    account_ids = models.JSONField()
    usernames = models.JSONField()
    instance_ids = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["person_hash"], name="unfinished_erasure_person")]

    def __str__(self) -> str:
        return self.person_hash[:12]


class HashtagNumber(models.Model):
    """Meta's number for a hashtag, the same for all accounts; or, for a day, that the hashtag doesn't exist."""

    tag = models.CharField(primary_key=True, max_length=100)
    number = models.CharField(max_length=40, blank=True)
    unavailable_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"#{self.tag}"


class HashtagAccount(models.Model):
    """The row to lock while an account's searches are counted and written."""

    account_id = models.CharField(primary_key=True, max_length=40)

    def __str__(self) -> str:
        return self.account_id


class HashtagSearch(models.Model):
    """A hashtag that an Instagram account searched. Meta allows 30 different ones in 7 days."""

    account_id = models.CharField(max_length=40)
    tag = models.CharField(max_length=100)
    first_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "tag"], name="hashtag_search_once")]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.tag}"


class HashtagRefusal(models.Model):
    """A hashtag that Meta refused to one account without saying that it doesn't exist. Not searched before `until`."""

    account_id = models.CharField(max_length=40)
    tag = models.CharField(max_length=100)
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "tag"], name="hashtag_refusal_once")]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.tag}"
