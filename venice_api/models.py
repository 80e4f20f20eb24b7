"""Venice's model: the widget's configuration. It holds no provider tokens and no refresh times (PRD §7.1)."""

from __future__ import annotations

import secrets
import string
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from entitlements.models import Workspace
from venice_api import appearance
from venice_api.values import (
    DEFAULT_MAX_POSTS,
    MAX_POSTS_LIMIT,
    InvalidInput,
    parse_allowed_origin,
    saved_source,
)

ID_PREFIX = "wgt_instagramfeed_u_"
_KEY_ALPHABET = string.ascii_lowercase + string.digits
_KEY_LENGTH = 20


def new_instance_id() -> str:
    return ID_PREFIX + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_LENGTH))


class WidgetInstanceQuerySet(models.QuerySet["WidgetInstance"]):
    def for_member(self, user_id: int) -> WidgetInstanceQuerySet:
        """The widgets of the user's workspaces, each with the user's `role` there."""
        return self.filter(workspace__memberships__user_id=user_id).annotate(  # type: ignore[no-redef]
            role=models.F("workspace__memberships__role")
        )


class WidgetInstance(models.Model):
    """One configured widget of a workspace."""

    class SourceType(models.TextChoices):
        PROFILE = "profile", "Profile"
        HASHTAG = "hashtag", "Hashtag"

    class FilterType(models.TextChoices):
        ALL = "all", "All posts"
        IMAGE = "image", "Images"
        VIDEO = "video", "Videos"

    id = models.CharField(primary_key=True, max_length=200, default=new_instance_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="instances")
    name = models.CharField(
        max_length=200, blank=True, help_text="For the editor's list; visitors never see it."
    )
    source_type = models.CharField(max_length=16, choices=SourceType, default=SourceType.PROFILE)
    source_value = models.CharField(max_length=200, help_text="A username or tag, without @ or #.")
    max_posts = models.PositiveSmallIntegerField(
        default=DEFAULT_MAX_POSTS, validators=[MinValueValidator(1), MaxValueValidator(MAX_POSTS_LIMIT)]
    )
    filter_type = models.CharField(max_length=8, choices=FilterType, default=FilterType.ALL)
    hidden_post_ids = models.JSONField(default=list, blank=True)
    allowed_origins = models.JSONField(
        default=list,
        blank=True,
        help_text='Sites that may show the widget, such as ["https://shop.example"].',
    )
    video_notice = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Tell visitors that videos are loaded from Instagram (Meta) before the first one plays.",
    )
    appearance = models.JSONField(default=dict, db_default={}, blank=True, help_text="Empty: the default.")
    pinned_post_ids = models.JSONField(
        default=list, db_default=[], blank=True, help_text="Shown first, in this order."
    )
    required_words = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Only posts with one of these words or tags are shown.",
    )
    excluded_words = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Posts with one of these words or tags are not shown.",
    )
    needs_approval = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Posts of a hashtag are shown only after an editor has approved them.",
    )
    approved_post_ids = models.JSONField(default=list, db_default=[], blank=True)
    alt_texts = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="Alternative texts written by editors, by post ID."
    )
    token_version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WidgetInstanceQuerySet.as_manager()

    class Meta:
        verbose_name = "widget instance"
        permissions = [("act_for_customer", "Can act for a customer")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(max_posts__gte=1, max_posts__lte=MAX_POSTS_LIMIT),
                name="instance_max_posts_range",
            )
        ]
        indexes = [models.Index(fields=["source_value"], name="instance_source")]

    def __str__(self) -> str:
        return self.name or self.id

    role: str  # the user's, set only by `for_member`
    _saved: WidgetInstance | None = None  # the row before a save, for the signals

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save in one transaction with what the save signals write."""
        with transaction.atomic():
            super().save(*args, **kwargs)

    def clean(self) -> None:
        """Normalise and validate the settings. ValidationError names the field."""
        errors: dict[str, str] = {}
        try:
            self.source_value = saved_source(self.source_type, self.source_value).value
        except InvalidInput as error:
            errors["source_value"] = error.message
        for name in ("hidden_post_ids", "pinned_post_ids", "approved_post_ids"):
            if not _is_list_of_text(getattr(self, name)):
                errors[name] = "Must be a list of post ids."
        for name in ("required_words", "excluded_words"):
            if not _is_list_of_text(getattr(self, name)):
                errors[name] = "Must be a list of words."
        try:
            self.appearance = appearance.stored(appearance.parse(self.appearance)) if self.appearance else {}
        except appearance.InvalidAppearance as error:
            errors["appearance"] = str(error)
        if not _is_list_of_text(self.allowed_origins):
            errors["allowed_origins"] = "Must be a list of origins."
        else:
            try:
                self.allowed_origins = [parse_allowed_origin(origin) for origin in self.allowed_origins]
            except InvalidInput as error:
                errors["allowed_origins"] = error.message
        if errors:
            raise ValidationError(errors)


class PageSighting(models.Model):
    """A host whose pages show the widget. Written by `venice_api.sightings`."""

    instance = models.ForeignKey(WidgetInstance, on_delete=models.CASCADE, related_name="+")
    host = models.CharField(max_length=255)
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instance", "host"], name="page_sighting_once")]
        indexes = [
            models.Index(fields=["last_seen_at"], name="page_sighting_age"),
            models.Index(fields=["host"], name="page_sighting_host"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.host}"


class DailyReads(models.Model):
    """How often the widget's feed was read on one day (UTC). Written by `venice_api.sightings`."""

    instance = models.ForeignKey(WidgetInstance, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    reads = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instance", "day"], name="daily_reads_once")]
        indexes = [models.Index(fields=["day"], name="daily_reads_age")]
        verbose_name_plural = "daily reads"

    def __str__(self) -> str:
        return f"{self.instance_id} {self.day}"


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
