"""Plans with their values, workspaces with members and overrides, and the history of changes."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from entitlements import keys

KEY_CHOICES = [(key.name, key.name) for key in keys.KEYS]


class Plan(models.Model):
    """A plan that workspaces buy. A higher rank is a higher plan."""

    key = models.SlugField(max_length=40, unique=True)
    name = models.CharField("display name", max_length=80)
    rank = models.PositiveSmallIntegerField(unique=True)
    billing_code = models.CharField(
        max_length=80, blank=True, help_text="The plan's name in the billing system."
    )

    class Meta:
        ordering = ("rank",)

    def __str__(self) -> str:
        return self.name


class PlanEntitlement(models.Model):
    """One cell of the plan matrix. Write it only with `changes`, which validates the value."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="entitlements")
    key = models.CharField(max_length=80, choices=KEY_CHOICES)
    value = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["plan", "key"], name="plan_entitlement_once")]

    def __str__(self) -> str:
        return f"{self.plan_id}: {self.key}"


class Workspace(models.Model):
    """A customer: owns widgets and connections, and has a plan."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="workspaces")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a workspace."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        EDITOR = "editor", "Editor"
        OWNER = "owner", "Owner"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.EDITOR)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "editor", "owner"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"


class Invitation(models.Model):
    """An invitation to a workspace, sent by mail. Written by `members`. Only a hash of the link's secret is stored."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=Membership.Role)
    secret_hash = models.CharField(max_length=64, unique=True)
    inviter = models.CharField(max_length=150)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"],
                name="invitation_open_once",
                condition=models.Q(accepted_at__isnull=True, withdrawn_at__isnull=True),
            )
        ]
        indexes = [models.Index(fields=["expires_at"], name="invitation_age")]

    def __str__(self) -> str:
        return f"{self.email} {self.role}"


class EntitlementOverride(models.Model):
    """A workspace's own value for a key, until `ends_at` if set.

    Write it only with `changes`, which validates the value. `created_by`: who set it last.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="overrides")
    key = models.CharField(max_length=80, choices=KEY_CHOICES)
    value = models.JSONField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="override_once")]

    def __str__(self) -> str:
        return self.key


class EntitlementChange(models.Model):
    """Who changed what. Written in the same transaction, never changed.

    Only the address of an invited person, which is the note, is deleted some time after the invitation.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    actor = models.CharField(max_length=150, help_text="The user's name, or the command.")
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.SET_NULL, related_name="changes")
    subject = models.CharField(max_length=200, help_text="The plan or workspace that changed.")
    key = models.CharField(max_length=80)
    old_value = models.CharField(max_length=200)
    new_value = models.CharField(max_length=200)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "change"
        verbose_name_plural = "history of changes"
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.subject}: {self.key}"


class MatrixChange(models.Model):
    """One saved change of plans' values, with all its cells. Written by `changes`, never changed.

    `cells`: [plan key, key, old value, new value] of each changed cell. `undoes`: the change that this one undid, which
    can be undone once only.
    """

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.CharField(max_length=150)
    cells = models.JSONField()
    undoes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="undone_by")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor}"
