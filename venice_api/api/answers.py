"""The API's answers: one serializer per body, which also defines the schema.

Unknown values are left out, and never null, unless the field gives null a meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rest_framework import serializers

from paris_integration.public import (
    BlockReason,
    Cause,
    CauseCode,
    ExternalProfile,
    FeedCondition,
    FeedView,
    Source,
    SourceType,
    Warning,
)
from venice_api import appearance
from venice_api.api.shapes import Shape
from venice_api.instances import Instance

MEDIA_TYPES = ["IMAGE", "VIDEO", "CAROUSEL_ALBUM"]
ERRORS = [
    "INVALID_REQUEST",
    "AUTHENTICATION_REQUIRED",
    "FORBIDDEN",
    "ORIGIN_NOT_ALLOWED",
    "INSTANCE_NOT_FOUND",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "REFRESH_BLOCKED",
    "SOURCE_MISMATCH",
    "REQUEST_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "THROTTLED",
    "TEMPORARILY_UNAVAILABLE",
    "INTERNAL_ERROR",
]
_REASONS = [reason.value for reason in BlockReason]
_WARNING_ORDER = {warning: position for position, warning in enumerate(Warning)}


class Answer(Shape):
    # Reads each field from an object, by its `source`. DRF's own loop also reads dicts, and takes twice as long.

    def to_representation(self, instance: Any) -> dict[str, Any]:
        sent = {}
        for name, field in self.fields.items():
            value = instance
            for attribute in field.source_attrs:
                value = getattr(value, attribute)
            if value is not None:
                sent[name] = field.to_representation(value)
            elif field.allow_null:
                sent[name] = None
        return sent


class Time(serializers.DateTimeField):
    """UTC, whole seconds, `Z`."""

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


class Colour(serializers.RegexField):
    def __init__(self, **kwargs: Any) -> None:
        help_text = "The picture's dominant colour, such as #a0b1c2."
        super().__init__(r"^#[0-9a-f]{6}$", help_text=help_text, **kwargs)


class PictureSize(Answer):
    """Our copy of a picture in one size, as JPEG and as AVIF."""

    url = serializers.URLField(help_text="JPEG.")
    avifUrl = serializers.URLField()
    width = serializers.IntegerField(help_text="Pixels.")
    height = serializers.IntegerField(help_text="Pixels.")


class PictureSizes(Answer):
    """Our copies of a picture: 320, 640 and 1080 pixels wide, but never wider than the original."""

    small = PictureSize()
    medium = PictureSize()
    large = PictureSize()


_SIZES_WORDS = "Left out until the picture has been copied."


class Child(Answer):
    """One picture or video of an album."""

    id = serializers.CharField()
    mediaType = serializers.ChoiceField(MEDIA_TYPES)
    mediaUrl = serializers.URLField(required=False)
    thumbnailUrl = serializers.URLField(required=False)
    width = serializers.IntegerField(required=False, help_text="Pixels, of the original.")
    height = serializers.IntegerField(required=False, help_text="Pixels, of the original.")
    placeholder = Colour(required=False)
    sizes = PictureSizes(required=False, help_text=_SIZES_WORDS)
    altText = serializers.CharField(required=False)


class Post(Answer):
    id = serializers.CharField()
    mediaType = serializers.ChoiceField(MEDIA_TYPES)
    permalink = serializers.URLField()
    timestamp = Time(help_text="UTC.")
    caption = serializers.CharField(required=False)
    mediaUrl = serializers.URLField(required=False, help_text="Always present for VIDEO.")
    thumbnailUrl = serializers.URLField(required=False)
    width = serializers.IntegerField(required=False, help_text="Pixels, of the original.")
    height = serializers.IntegerField(required=False, help_text="Pixels, of the original.")
    placeholder = Colour(required=False)
    sizes = PictureSizes(required=False, help_text=_SIZES_WORDS)
    children = Child(many=True, required=False)
    altText = serializers.CharField(required=False)
    username = serializers.CharField(required=False)
    isReel = serializers.BooleanField(required=False)


class Profile(Answer):
    username = serializers.CharField()
    profilePictureUrl = serializers.URLField(required=False)
    sizes = PictureSizes(required=False, help_text=_SIZES_WORDS)

    def to_representation(self, instance: ExternalProfile) -> Any:
        return instance  # stored as it is sent


class SourceEcho(Answer):
    """The source the posts come from, normalised."""

    type = serializers.ChoiceField([kind.value for kind in SourceType])
    value = serializers.CharField()


class RefreshState(Answer):
    """The state of forced refreshes, for members."""

    remainingToday = serializers.IntegerField(
        source="remaining_today", allow_null=True, help_text="null is unlimited."
    )
    remainingThisHour = serializers.IntegerField(
        source="remaining_this_hour", allow_null=True, help_text="null is unlimited."
    )
    forcedAllowedAt = Time(source="allowed_at", required=False)
    reasonCode = serializers.ChoiceField(_REASONS, source="reason", required=False)
    upgradeHint = serializers.CharField(
        source="upgrade_hint",
        required=False,
        help_text="The lowest higher plan that would allow a refresh now.",
    )


class Warnings(serializers.ListField):
    child = serializers.ChoiceField([warning.value for warning in Warning])

    def to_representation(self, data: Iterable[Warning]) -> list[str]:
        return [warning.value for warning in sorted(data, key=_WARNING_ORDER.__getitem__)]


class Columns(Answer):
    """How many columns the feed has from 900 pixels of its width on, and below."""

    wide = serializers.IntegerField(min_value=1, max_value=appearance.MAX_COLUMNS_WIDE)
    narrow = serializers.IntegerField(min_value=1, max_value=appearance.MAX_COLUMNS_NARROW)


class Appearance(Answer):
    """How the widget looks, as saved in the editor. Attributes of the widget's element win over it."""

    layout = serializers.ChoiceField(["grid", "carousel", "masonry"])
    columns = Columns()
    gap = serializers.IntegerField(min_value=0, max_value=appearance.MAX_PIXELS, help_text="Pixels.")
    radius = serializers.IntegerField(min_value=0, max_value=appearance.MAX_PIXELS, help_text="Pixels.")
    tileRatio = serializers.ChoiceField(["1:1", "4:5", "original"])
    header = serializers.BooleanField(help_text="The account's picture and name above the posts.")
    headerText = serializers.CharField(max_length=appearance.MAX_HEADER_TEXT, allow_blank=True)
    followButton = serializers.BooleanField()
    captions = serializers.ChoiceField(["none", "hover", "below"])
    captionLength = serializers.IntegerField(
        min_value=0, max_value=appearance.MAX_CAPTION_LENGTH, help_text="Characters; 0 for whole captions."
    )
    showDate = serializers.BooleanField()
    click = serializers.ChoiceField(["lightbox", "instagram", "none"])
    theme = serializers.ChoiceField(["auto", "light", "dark"])
    pageSize = serializers.IntegerField(
        min_value=0,
        max_value=appearance.MAX_PAGE_SIZE,
        help_text="Posts before the button for more; 0 for all.",
    )

    def to_representation(self, instance: Any) -> Any:
        return instance  # stored as it is sent


class AnsweredFeed(NamedTuple):
    """The values of a FeedData. `source`: where the posts come from. `video_notice`: False if off, else None."""

    view: FeedView
    source: Source
    video_notice: bool | None
    appearance: dict[str, Any] | None


class FeedData(Answer):
    """InstagramExternalData."""

    posts = Post(many=True, source="view.posts")
    lastUpdated = Time(source="view.last_updated_at", allow_null=True, help_text="null: never filled.")
    stale = serializers.BooleanField(source="view.is_stale")
    nextRefreshAllowedAt = Time(source="view.next_refresh_allowed_at", required=False)
    sourceEcho = SourceEcho(source="source")
    profile = Profile(source="view.profile", required=False)
    warnings = Warnings(source="view.warnings")
    refresh = RefreshState(source="view.forced", required=False, help_text="For members' sessions.")
    videoNotice = serializers.BooleanField(
        source="video_notice",
        required=False,
        help_text="Only false: the widget doesn't tell visitors that videos are loaded from Instagram.",
    )
    appearance = Appearance(required=False, help_text="Left out while the default is used.")


class _Envelope(FeedData):
    posts = None  # type: ignore[assignment]  # DRF's way to leave out an inherited field


_envelope = _Envelope()


def feed_body(view: FeedView, source: Source, instance: Instance) -> bytes:
    """`FeedData` as UTF-8 JSON. Posts are stored encoded; they are only joined here."""
    posts = ",".join(post.json for post in view.posts)
    looks = appearance.to_send(instance.appearance)
    values = AnsweredFeed(view, source, None if instance.video_notice else False, looks)
    envelope = _envelope.to_representation(values)
    rest = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return f'{{"posts":[{posts}],{rest[1:]}'.encode()


class ExplainedCause(NamedTuple):
    """A cause with its words."""

    cause: Cause
    editor: str
    support: str
    operator: str


class ExplainedFeed(NamedTuple):
    """The values of an `Explained`."""

    condition: FeedCondition
    first: Cause
    causes: list[ExplainedCause]


class CauseOfState(Answer):
    """One reason, in words for each of those who can do something about it."""

    code = serializers.ChoiceField([code.value for code in CauseCode], source="cause.code")
    since = Time(
        source="cause.since", help_text="When it began; if that isn't known, the time of the request."
    )
    until = Time(source="cause.until", required=False, help_text="Left out if waiting doesn't help.")
    editor = serializers.CharField(help_text="A sentence for editors, as on the widget's page.")
    support = serializers.CharField(help_text="For support staff, as at the support desk.")
    operator = serializers.CharField(help_text="For those who run the service.")


class Explained(Answer):
    """Why the posts are as old as they are."""

    state = serializers.ChoiceField([state.value for state in FeedCondition], source="condition")
    since = Time(source="first.since", help_text="Of the first cause.")
    until = Time(source="first.until", required=False, help_text="Of the first cause.")
    causes = CauseOfState(many=True, help_text="At least one, worst first.")


class Error(Answer):
    error = serializers.ChoiceField(ERRORS)
    message = serializers.CharField(help_text="A sentence for people. Its words may change.")
    reasonCode = serializers.ChoiceField(_REASONS, source="reason_code", required=False)
    nextRefreshAllowedAt = Time(source="next_refresh_allowed_at", required=False)
    upgradeHint = serializers.CharField(source="upgrade_hint", required=False)
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="The error messages of each field.",
    )
    requestId = serializers.CharField(source="request_id")


class Disconnected(Answer):
    status = serializers.ChoiceField(["disconnected"])


class Deauthorised(Answer):
    status = serializers.ChoiceField(["deauthorised"])


class DeletionAccepted(Answer):
    url = serializers.URLField(help_text="A page where the person can check the status.")
    confirmation_code = serializers.CharField()
