"""The registry of entitlement keys: kind, meaning and range."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

Value = bool | int | None

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_NOTHING = {"", "null", "none", "unlimited"}
# Eighteen digits are far above every maximum, and safe to convert.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


class Kind(StrEnum):
    BOOL = "bool"
    INT = "int"


@dataclass(frozen=True, slots=True)
class Key:
    """`field`: the name in Limits. `empty_means`: the meaning of an empty value; None if a value is required.

    `when_missing`: the value if the plan has no row for this key. It grants nothing, as a missing row may be an error.
    """

    name: str
    kind: Kind
    meaning: str
    field: str
    when_missing: Value
    minimum: int = 0
    maximum: int = 1_000_000
    empty_means: str | None = None


KEYS: tuple[Key, ...] = (
    Key("instagram.profile.enabled", Kind.BOOL, "Allow profiles as sources.", "profile_enabled", False),
    Key("instagram.hashtag.enabled", Kind.BOOL, "Allow hashtags as sources.", "hashtag_enabled", False),
    Key(
        "instagram.oauth.enabled", Kind.BOOL, "Allow connecting an Instagram account.", "oauth_enabled", False
    ),
    Key(
        "instagram.refresh.ttlMinutes.min",
        Kind.INT,
        "Minimum minutes between automatic refreshes.",
        "refresh_ttl_minutes_min",
        1440,
        minimum=1,
        maximum=5_256_000,
    ),
    Key(
        "instagram.refresh.forcePerDay.max",
        Kind.INT,
        "Manual refreshes per day (UTC). 0: none in this plan.",
        "force_per_day_max",
        0,
        empty_means="unlimited",
    ),
    Key(
        "instagram.refresh.forcePerHour.max",
        Kind.INT,
        "Manual refreshes per hour (UTC). 0: no hourly limit.",
        "force_per_hour_max",
        0,
        empty_means="unlimited",
    ),
    Key(
        "instagram.cache.ttlMinutes.default",
        Kind.INT,
        "Minutes until a feed counts as stale.",
        "cache_ttl_minutes_default",
        None,
        minimum=1,
        maximum=5_256_000,
        empty_means="as refresh",
    ),
    Key("instagram.media.copies.enabled", Kind.BOOL, "Store copies of pictures.", "copies_enabled", False),
)
BY_NAME = {key.name: key for key in KEYS}


class UnknownKey(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not an entitlement key. Known keys: {', '.join(BY_NAME)}.")


class InvalidValue(ValueError):
    """The message names the key and says what is allowed."""


def key_named(name: str) -> Key:
    try:
        return BY_NAME[name]
    except KeyError:
        raise UnknownKey(name) from None


def check_value(name: str, value: object) -> Value:
    """Return `value` if it is valid for this key. Raises UnknownKey or InvalidValue."""
    key = key_named(name)
    if key.kind is Kind.BOOL:
        if isinstance(value, bool):
            return value
        raise InvalidValue(f"{name}: must be true or false.")
    if value is None:
        if key.empty_means is None:
            raise InvalidValue(f"{name}: is required.")
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"{name}: must be a whole number.")
    if value < key.minimum:
        raise InvalidValue(f"{name}: must be {key.minimum} or more.")
    if value > key.maximum:
        raise InvalidValue(f"{name}: must be {key.maximum} or less.")
    return value


def usable_value(name: str, value: object) -> Value:
    """The stored value, or the key's `when_missing` if it is invalid. Raises UnknownKey."""
    try:
        return check_value(name, value)
    except InvalidValue:
        return key_named(name).when_missing


def parse_value(name: str, text: str) -> Value:
    """Parse a value as entered by a person. Raises UnknownKey or InvalidValue.

    Accepts true, yes, on, 1 and their opposites; whole numbers; and, for keys that may be empty, unlimited, null, none
    or no text.
    """
    key = key_named(name)
    word = text.strip().lower()
    if key.kind is Kind.BOOL:
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise InvalidValue(f"{name}: must be true or false.")
    if word in _NOTHING:
        return check_value(name, None)
    if not _WHOLE_NUMBER.fullmatch(word):
        otherwise = f", or {text_for(name, None)}" if key.empty_means else ""
        raise InvalidValue(f"{name}: must be a whole number from {key.minimum} to {key.maximum}{otherwise}.")
    return check_value(name, int(word))


def text_for(name: str, value: Value) -> str:
    """The value as text that `parse_value` accepts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is not None:
        return str(value)
    return "unlimited" if key_named(name).empty_means == "unlimited" else "none"


def words_for(name: str, value: Value) -> str:
    """The value in words, for display."""
    key = key_named(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value is not None else str(key.empty_means)
