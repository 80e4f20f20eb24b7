"""Reading what browsers send: pure parsing, each refusal naming its field.

A parameter may come once. What a name does not know is ignored; what it knows must be in range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest, QueryDict

from paris_integration.public import Source, SourceType
from venice_api.values import (
    TEXT_LIMIT,
    FilterChoice,
    InvalidInput,
    clean_text,
    normalised_source,
    parse_filter,
    parse_max_posts,
    parse_type,
)

KNOWN_PARAMETERS = ("instanceId", "sourceType", "sourceValue", "maxPosts", "filterType", "token")
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """The query of a feed read; None where the parameter was left out."""

    instance_id: str | None
    source_type: SourceType | None
    source_value: str | None
    max_posts: int | None
    filter: FilterChoice | None

    def source_or_saved(self, saved: Source) -> Source:
        """The source asked for, completed from the saved one, normalised. Raises InvalidInput."""
        if self.source_value is None:
            if self.source_type in (None, saved.type):
                return saved
            raise InvalidInput("sourceValue", "Must be given with another sourceType.")
        return normalised_source(self.source_type or saved.type, self.source_value)


def parse_feed_query(query: QueryDict) -> FeedQuery:
    """Raises InvalidInput by the first field that is doubled, empty, malformed or out of range."""
    given = single_values(query, KNOWN_PARAMETERS)
    source_type = given.get("sourceType")
    source_value = given.get("sourceValue")
    parsed = FeedQuery(
        instance_id=given.get("instanceId"),
        source_type=parse_type(source_type) if source_type is not None else None,
        source_value=source_value,
        max_posts=parse_max_posts(given["maxPosts"]) if "maxPosts" in given else None,
        filter=FilterChoice(parse_filter(given["filterType"])) if "filterType" in given else None,
    )
    if source_value is not None and parsed.source_type is not None:
        normalised_source(parsed.source_type, source_value)
    return parsed


@dataclass(frozen=True, slots=True)
class RefreshOrder:
    """The body of a forced refresh. The source may be left out; when sent it must be the saved one."""

    instance_id: str
    source_type: SourceType | None
    source_value: str | None

    def names(self, saved: Source) -> bool:
        """Whether what was sent of the source is the saved one. Raises InvalidInput for a malformed value."""
        source_type = self.source_type or saved.type
        if self.source_value is None:
            return source_type is saved.type
        return normalised_source(source_type, self.source_value) == saved


def parse_refresh_order(body: Mapping[str, object]) -> RefreshOrder:
    """Raises InvalidInput by the first field that is missing, of another type, or malformed."""
    source_type = _optional_text(body, "sourceType")
    order = RefreshOrder(
        instance_id=required_text(body, "instanceId"),
        source_type=parse_type(source_type) if source_type is not None else None,
        source_value=_optional_text(body, "sourceValue"),
    )
    if order.source_type is not None and order.source_value is not None:
        normalised_source(order.source_type, order.source_value)
    return order


class NotJson(Exception):
    """A body that does not say it is JSON."""


def json_object(request: HttpRequest) -> dict[str, object]:
    """The body, an object. Raises NotJson, InvalidInput, and RequestDataTooBig before anything is read."""
    body = request.body
    if request.content_type != "application/json":
        raise NotJson
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("body", "Must be a JSON object.") from None
    if not isinstance(value, dict):
        raise InvalidInput("body", "Must be a JSON object.")
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def required_text(body: Mapping[str, object], field: str) -> str:
    text = _optional_text(body, field)
    if text is None:
        raise InvalidInput(field, "Must be given.")
    return text


def parse_idempotency_key(header: str | None) -> str | None:
    """The `Idempotency-Key` header: 1 to 200 visible ASCII characters, or none at all. Raises InvalidInput."""
    if header is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(header):
        raise InvalidInput("Idempotency-Key", "Must be 1 to 200 visible ASCII characters.")
    return header


def _optional_text(body: Mapping[str, object], field: str) -> str | None:
    if field not in body:
        return None
    value = body[field]
    if not isinstance(value, str):
        raise InvalidInput(field, "Must be text.")
    return clean_text(field, value)


def single_values(query: QueryDict, names: tuple[str, ...]) -> dict[str, str]:
    """The values of `names`, each sent once, not empty, of sane length and without control characters."""
    values: dict[str, str] = {}
    for name in names:
        sent = query.getlist(name)
        if not sent:
            continue
        if len(sent) > 1:
            raise InvalidInput(name, "Was sent more than once.")
        values[name] = clean_text(name, sent[0], limit=2_000 if name == "token" else TEXT_LIMIT)
    return values
