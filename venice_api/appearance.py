"""How a widget looks. Editors save it, and the feed's answer tells the widget, whose attributes win over it.

Stored and sent in the same form. A widget without a saved appearance has `{}` and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

MAX_COLUMNS_WIDE, MAX_COLUMNS_NARROW = 12, 6
MAX_PIXELS = 60
MAX_HEADER_TEXT = 200
MAX_CAPTION_LENGTH = 2_200  # the longest caption that Instagram allows
MAX_PAGE_SIZE = 48

Pixels = Annotated[int, msgspec.Meta(ge=0, le=MAX_PIXELS)]


class Columns(msgspec.Struct, frozen=True):
    """How many columns a feed has from 900 pixels of width on, and below."""

    wide: Annotated[int, msgspec.Meta(ge=1, le=MAX_COLUMNS_WIDE)] = 4
    narrow: Annotated[int, msgspec.Meta(ge=1, le=MAX_COLUMNS_NARROW)] = 2


class Appearance(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`gap` and `radius`: pixels. `caption_length`: characters, 0 for whole captions. `page_size`: 0 for all posts."""

    layout: Literal["grid", "carousel", "masonry"] = "grid"
    columns: Columns = Columns()
    gap: Pixels = 10
    radius: Pixels = 10
    tile_ratio: Literal["1:1", "4:5", "original"] = "1:1"
    header: bool = True
    header_text: Annotated[str, msgspec.Meta(max_length=MAX_HEADER_TEXT)] = ""
    follow_button: bool = False
    captions: Literal["none", "hover", "below"] = "hover"
    caption_length: Annotated[int, msgspec.Meta(ge=0, le=MAX_CAPTION_LENGTH)] = 150
    show_date: bool = False
    click: Literal["lightbox", "instagram", "none"] = "lightbox"
    theme: Literal["auto", "light", "dark"] = "auto"
    page_size: Annotated[int, msgspec.Meta(ge=0, le=MAX_PAGE_SIZE)] = 0


msgspec.json.Decoder(Appearance)  # describes the type before there are threads; see foundation.cache


class InvalidAppearance(ValueError):
    """The message names the field."""


def default_for(source_type: str) -> Appearance:
    """The appearance of a widget that has none saved. Only profiles have a header."""
    return Appearance(header=source_type == "profile")


def stored(appearance: Appearance) -> dict[str, Any]:
    """The form in which an appearance is stored and sent: all fields, with names in camelCase."""
    found: dict[str, Any] = msgspec.to_builtins(appearance)
    return found


def parse(value: object) -> Appearance:
    """The reverse of `stored`. Missing fields get their default, unknown ones are ignored. Raises InvalidAppearance."""
    try:
        return msgspec.convert(value, Appearance)
    except msgspec.ValidationError as error:
        raise InvalidAppearance(str(error)) from None


def to_send(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """The appearance of a row as the feed's answer has it. None if nothing is saved, or nothing readable."""
    if not value:
        return None
    try:
        return stored(parse(value))
    except InvalidAppearance:
        return None
