"""Models of `media`: the stored pictures, and which feeds use them."""

from __future__ import annotations

from django.db import models

from entitlements.models import Workspace
from paris_integration.models.feeds import Feed

# Reasons why a picture doesn't wait for a worker: it needs another file, a new link from a refresh, or more room.
NOT_WAITING = (
    "broken",
    "not_a_picture",
    "too_large",
    "too_many_pixels",
    "unsupported_format",
    "link_not_allowed",
    "host_not_allowed",
    "address_not_allowed",
    "link_expired",
    "not_found",
    "workspace_full",
)


class Picture(models.Model):
    """A picture that was fetched and stored in its sizes. Feeds that show the same file share it.

    Files are written before a feed uses the picture, and removed after the last one has stopped.
    """

    # Of the file as fetched and the way of converting it. The names of its files begin with it.
    digest = models.CharField(primary_key=True, max_length=32)
    width = models.PositiveIntegerField(default=0)  # pixels, of the file as fetched
    height = models.PositiveIntegerField(default=0)
    placeholder = models.CharField(max_length=7, blank=True)  # the dominant colour, such as "#a0b1c2"
    # [width, height] of small, medium and large: a .jpg and an .avif each. Small pictures have equal sizes.
    sizes = models.JSONField(default=list)
    stored_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    # The worker that writes the files; by the database's clock. The sweep leaves the picture alone until then.
    writing_until = models.DateTimeField(null=True, blank=True)
    # Its files are being removed: nothing may use it any more.
    is_leaving = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.digest[:12]


class PictureUse(models.Model):
    """A picture that a feed can show: where to fetch it, and the stored copy."""

    # No constraint in the database: the previous release deletes feeds without their uses. The sweep removes those.
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="picture_uses", db_constraint=False)
    item = models.CharField(
        max_length=80
    )  # the id of the post or album item; "profile" for the profile picture
    url = models.TextField()  # the provider's signed link, from the last refresh
    file_name = models.CharField(
        max_length=200, blank=True
    )  # the end of the link's path: changes with the picture
    place = models.PositiveSmallIntegerField(default=0)  # in the order in which the feed shows them

    picture = models.ForeignKey(Picture, on_delete=models.RESTRICT, null=True, related_name="uses")
    copied_name = models.CharField(max_length=200, blank=True)  # the file_name of `picture`
    wanted_since = models.DateTimeField()
    failures = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=40, blank=True)  # of the last failure
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["feed", "item"], name="picture_use_once")]
        indexes = [
            models.Index(
                fields=["wanted_since"], name="picture_waiting", condition=models.Q(picture__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.feed_id} {self.item}"


class UnusedMark(models.Model):
    """A picture that may have lost its last use. The sweep counts the uses.

    Separate rows, because two deletions that mark the same pictures could deadlock over the pictures' rows.
    """

    picture = models.ForeignKey(Picture, on_delete=models.CASCADE, db_constraint=False, related_name="marks")

    def __str__(self) -> str:
        return self.picture_id


class PictureStore(models.Model):
    """How much a workspace's pictures occupy, as counted when its pictures were last copied or swept."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="+")
    stored_bytes = models.BigIntegerField(default=0)
    is_full = models.BooleanField(
        default=False
    )  # the last copy was refused: MEDIA_BYTES_PER_WORKSPACE is reached
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.workspace_id}: {self.stored_bytes} bytes"
