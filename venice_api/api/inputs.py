"""The API's inputs: one serializer per query and body.

Each parameter may be sent once. Unknown parameters are ignored; known ones must be valid.
"""

from __future__ import annotations

import re
from typing import Any

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from paris_integration.public import Login, Source, SourceType
from venice_api.api.shapes import Shape
from venice_api.values import (
    MAX_POSTS_LIMIT,
    TEXT_LIMIT,
    FilterChoice,
    InvalidInput,
    clean_text,
    normalised_source,
    parse_filter,
    parse_max_posts,
)

TOKEN_LIMIT = 2_000
URI_LIMIT = 500
KEY_LIMIT = 200
KEY_PATTERN = "[!-~]+"  # visible ASCII
_KEY = re.compile(KEY_PATTERN, re.ASCII)
_TWICE = "Must not be sent more than once."
_MISSING = {"required": "This field is required.", "null": "This field is required."}


def single_values(query: QueryDict, names: tuple[str, ...]) -> dict[str, str]:
    """The values of `names`, each validated and sent at most once. Raises InvalidInput."""
    values: dict[str, str] = {}
    for name in names:
        sent = query.getlist(name)
        if len(sent) > 1:
            raise InvalidInput(name, _TWICE)
        if sent:
            values[name] = clean_text(name, sent[0], limit=TOKEN_LIMIT if name == "token" else TEXT_LIMIT)
    return values


def parse_idempotency_key(header: str | None) -> str | None:
    """The `Idempotency-Key` header: 1 to 200 visible ASCII characters, or None. Raises InvalidInput."""
    if header is not None and not (len(header) <= KEY_LIMIT and _KEY.fullmatch(header)):
        raise InvalidInput("Idempotency-Key", f"Must be 1 to {KEY_LIMIT} visible ASCII characters.")
    return header


class Text(serializers.CharField):
    """A string, unchanged: not empty, at most `limit` characters, without control characters."""

    default_error_messages = {**_MISSING, "invalid": "Must be text.", "blank": "Must not be empty."}

    def __init__(self, *, limit: int = TEXT_LIMIT, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.limit = limit

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return clean_text(str(self.field_name), data, limit=self.limit)


class SourceTypeField(serializers.ChoiceField):
    default_error_messages = {**_MISSING, "invalid_choice": "Must be profile or hashtag."}

    def __init__(self, **options: Any) -> None:
        super().__init__([kind.value for kind in SourceType], **options)

    def to_internal_value(self, data: Any) -> SourceType:
        return SourceType(super().to_internal_value(data))


class FilterField(serializers.ChoiceField):
    default_error_messages = {"invalid_choice": "Must be all, image or video."}

    def __init__(self, **options: Any) -> None:
        super().__init__(["all", "image", "video", "photo"], **options)

    def to_internal_value(self, data: Any) -> FilterChoice:  # type: ignore[override]
        return FilterChoice(parse_filter(super().to_internal_value(data)))


class MaxPostsField(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_POSTS_LIMIT, **options)

    def to_internal_value(self, data: Any) -> int:
        return parse_max_posts(data)


class Query(Shape):
    # A query string or a form. DRF itself takes the last of several values, and an empty one for none.

    _asked: Any = ()

    def to_internal_value(self, data: QueryDict) -> Any:
        sent = {name: data.getlist(name) for name in self.fields if name in data}
        doubled = {name: [_TWICE] for name, values in sent.items() if len(values) > 1}
        if doubled:
            raise serializers.ValidationError(doubled)
        self._asked = [field for name, field in self.fields.items() if name in sent or field.required]
        return super().to_internal_value({name: values[0] for name, values in sent.items()})

    @property
    def _writable_fields(self) -> Any:
        return self._asked  # a field that may be missing, and is, has nothing to say


class NamedSource(Shape):
    # `sourceType` and `sourceValue`, which may be left out, together or alone.

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "sourceType" in attrs and "sourceValue" in attrs:
            try:
                normalised_source(attrs["sourceType"], attrs["sourceValue"])
            except InvalidInput as error:
                raise serializers.ValidationError({error.field: [error.message]}) from None
        return attrs

    def source_or(self, saved: Source) -> Source | None:
        """What was sent, completed from the saved source; None for another type without a value.

        Raises InvalidInput for a value that is invalid for the saved type.
        """
        source_type = self.validated_data.get("sourceType", saved.type)
        value = self.validated_data.get("sourceValue")
        if value is not None:
            return normalised_source(source_type, value)
        return saved if source_type is saved.type else None


class FeedQuery(Query, NamedSource):
    """`GET …/feed`. The permission reads `instanceId`; it is declared here for the schema."""

    instanceId = Text(required=False, help_text="Optional with an embed token.")
    sourceType = SourceTypeField(
        required=False, help_text="Must match the saved source type. Members may preview another."
    )
    sourceValue = Text(
        required=False,
        help_text="A username or hashtag. Must match the saved one. Members may preview another.",
    )
    maxPosts = MaxPostsField(required=False)
    filterType = FilterField(required=False, help_text="`photo` means the same as `image`.")


class InstanceQuery(Query):
    instanceId = Text(help_text="The widget instance to connect.")


class ExplainQuery(Query):
    """`GET …/explain`."""

    instanceId = Text(help_text="The widget instance to explain.")


@extend_schema_field(OpenApiTypes.URI)
class UriField(Text):
    pass


class ConnectQuery(Query):
    """`GET …/connect`, besides the instance. `context`: the allowed `redirect_uris`."""

    redirectUri = UriField(
        required=False,
        limit=URI_LIMIT,
        help_text="Where to send the user afterwards: an entry of EDITOR_REDIRECT_URIS, or the editor's page.",
    )
    login = serializers.ChoiceField(
        [login.value for login in Login],
        required=False,
        help_text="Default: facebook for a hashtag source, else instagram.",
        error_messages={"invalid_choice": "Must be instagram or facebook."},
    )

    def validate_redirectUri(self, uri: str) -> str:
        if uri not in self.context["redirect_uris"]:
            raise serializers.ValidationError("This redirect URI is not allowed.")
        return uri


class InstanceOrder(Shape):
    instanceId = Text(min_length=1, max_length=TEXT_LIMIT)


class DisconnectOrder(InstanceOrder):
    pass


class RefreshOrder(InstanceOrder, NamedSource):
    """The source is optional. When sent, it must match the saved one."""

    sourceType = SourceTypeField(required=False)
    sourceValue = Text(required=False, min_length=1, max_length=TEXT_LIMIT)


class SignedRequest(Query):
    """A form signed by Meta."""

    signed_request = serializers.CharField(
        trim_whitespace=False,
        help_text="The signed payload, as Meta sends it.",
        error_messages={"required": "This field is required.", "blank": "Is not valid."},
    )
