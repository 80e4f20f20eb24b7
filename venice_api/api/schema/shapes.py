"""The bodies of the API, field by field, for the schema alone. What is not always there is absent, never null."""

from __future__ import annotations

from rest_framework import serializers

from paris_integration.public import BlockReason, SourceType, Warning

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


class Child(serializers.Serializer):  # type: ignore[type-arg]
    """One picture or video of an album."""

    id = serializers.CharField()
    mediaType = serializers.ChoiceField(MEDIA_TYPES)
    mediaUrl = serializers.URLField(required=False)
    thumbnailUrl = serializers.URLField(required=False)
    altText = serializers.CharField(required=False)


class Post(serializers.Serializer):  # type: ignore[type-arg]
    id = serializers.CharField()
    mediaType = serializers.ChoiceField(MEDIA_TYPES)
    permalink = serializers.URLField()
    timestamp = serializers.DateTimeField(help_text="UTC.")
    caption = serializers.CharField(required=False)
    mediaUrl = serializers.URLField(required=False, help_text="Always there for VIDEO.")
    thumbnailUrl = serializers.URLField(required=False)
    width = serializers.IntegerField(required=False, help_text="Pixels.")
    height = serializers.IntegerField(required=False, help_text="Pixels.")
    children = Child(many=True, required=False)
    altText = serializers.CharField(required=False)
    username = serializers.CharField(required=False)
    isReel = serializers.BooleanField(required=False)


class Profile(serializers.Serializer):  # type: ignore[type-arg]
    username = serializers.CharField()
    profilePictureUrl = serializers.URLField(required=False)


class SourceEcho(serializers.Serializer):  # type: ignore[type-arg]
    """The source the posts come from, normalised."""

    type = serializers.ChoiceField([kind.value for kind in SourceType])
    value = serializers.CharField()


class RefreshState(serializers.Serializer):  # type: ignore[type-arg]
    """What members may know of forced refreshes."""

    remainingToday = serializers.IntegerField(allow_null=True, help_text="null is unlimited.")
    remainingThisHour = serializers.IntegerField(allow_null=True, help_text="null is unlimited.")
    forcedAllowedAt = serializers.DateTimeField(required=False)
    reasonCode = serializers.ChoiceField([reason.value for reason in BlockReason], required=False)
    upgradeHint = serializers.CharField(
        required=False, help_text="The lowest higher plan that would allow it."
    )


class FeedData(serializers.Serializer):  # type: ignore[type-arg]
    """InstagramExternalData."""

    posts = Post(many=True)
    lastUpdated = serializers.DateTimeField(allow_null=True, help_text="null: never filled.")
    stale = serializers.BooleanField()
    nextRefreshAllowedAt = serializers.DateTimeField(required=False)
    sourceEcho = SourceEcho()
    profile = Profile(required=False)
    warnings = serializers.ListField(child=serializers.ChoiceField([warning.value for warning in Warning]))
    refresh = RefreshState(required=False, help_text="For members' sessions.")


class Error(serializers.Serializer):  # type: ignore[type-arg]
    error = serializers.ChoiceField(ERRORS)
    message = serializers.CharField(help_text="A sentence for people.")
    reasonCode = serializers.ChoiceField([reason.value for reason in BlockReason], required=False)
    nextRefreshAllowedAt = serializers.DateTimeField(required=False)
    upgradeHint = serializers.CharField(required=False)
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong, by field.",
    )
    requestId = serializers.CharField()


class RefreshOrder(serializers.Serializer):  # type: ignore[type-arg]
    instanceId = serializers.CharField(min_length=1, max_length=200)
    sourceType = serializers.ChoiceField([kind.value for kind in SourceType], required=False)
    sourceValue = serializers.CharField(min_length=1, max_length=200, required=False)


class DisconnectOrder(serializers.Serializer):  # type: ignore[type-arg]
    instanceId = serializers.CharField(min_length=1, max_length=200)


class Disconnected(serializers.Serializer):  # type: ignore[type-arg]
    status = serializers.ChoiceField(["disconnected"])


class Deauthorised(serializers.Serializer):  # type: ignore[type-arg]
    status = serializers.ChoiceField(["deauthorised"])


class DeletionAccepted(serializers.Serializer):  # type: ignore[type-arg]
    url = serializers.URLField(help_text="A status page for the person.")
    confirmation_code = serializers.CharField()


class SignedRequest(serializers.Serializer):  # type: ignore[type-arg]
    signed_request = serializers.CharField(help_text="As Meta signs it.")
