"""The registry of entitlement keys (PRD §6.1): kind, meaning, range."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Value = bool | int | None

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_UNLIMITED = {"", "null", "none", "unlimited"}


class Kind(StrEnum):
    BOOL = "bool"
    INT = "int"


@dataclass(frozen=True, slots=True)
class Key:
    """`field` is the name in Limits. `empty_means`: what no value stands for, None where a value must be given."""

    name: str
    kind: Kind
    meaning: str
    field: str
    minimum: int = 0
    maximum: int = 1_000_000
    empty_means: str | None = None


KEYS: tuple[Key, ...] = (
    Key("instagram.profile.enabled", Kind.BOOL, "Allow a profile as source.", "profile_enabled"),
    Key("instagram.hashtag.enabled", Kind.BOOL, "Allow a hashtag as source.", "hashtag_enabled"),
    Key("instagram.oauth.enabled", Kind.BOOL, "Allow connecting an Instagram account.", "oauth_enabled"),
    Key(
        "instagram.refresh.ttlMinutes.min",
        Kind.INT,
        "Minutes between two automatic refreshes, at least.",
        "refresh_ttl_minutes_min",
        minimum=1,
        maximum=5_256_000,
    ),
    Key(
        "instagram.refresh.forcePerDay.max",
        Kind.INT,
        "Forced refreshes in a day (UTC); 0: none in this plan.",
        "force_per_day_max",
        empty_means="unlimited",
    ),
    Key(
        "instagram.refresh.forcePerHour.max",
        Kind.INT,
        "Forced refreshes in an hour (UTC); 0: no separate hour cap.",
        "force_per_hour_max",
        empty_means="unlimited",
    ),
    Key(
        "instagram.cache.ttlMinutes.default",
        Kind.INT,
        "Minutes after which a feed counts as stale.",
        "cache_ttl_minutes_default",
        minimum=1,
        maximum=5_256_000,
        empty_means="as refresh",
    ),
)
BY_NAME = {key.name: key for key in KEYS}


class UnknownKey(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not an entitlement key. Known keys: {', '.join(BY_NAME)}.")


class InvalidValue(ValueError):
    """The message names the key and says what would be right."""


def key_named(name: str) -> Key:
    try:
        return BY_NAME[name]
    except KeyError:
        raise UnknownKey(name) from None


def check_value(name: str, value: object) -> Value:
    """`value` when it is one this key can have. Raises UnknownKey or InvalidValue."""
    key = key_named(name)
    if key.kind is Kind.BOOL:
        if isinstance(value, bool):
            return value
        raise InvalidValue(f"{name}: must be true or false.")
    if value is None:
        if key.empty_means is None:
            raise InvalidValue(f"{name}: must be given.")
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"{name}: must be a whole number.")
    if value < key.minimum:
        raise InvalidValue(f"{name}: must be {key.minimum} or more.")
    if value > key.maximum:
        raise InvalidValue(f"{name}: must be {key.maximum} or less.")
    return value


def parse_value(name: str, text: str) -> Value:
    """A value as people type it. Raises UnknownKey or InvalidValue."""
    key = key_named(name)
    word = text.strip().lower()
    if key.kind is Kind.BOOL:
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise InvalidValue(f"{name}: must be true or false.")
    if word in _UNLIMITED:
        return check_value(name, None)
    if len(word) > 12 or not word.lstrip("-").isdecimal() or not word.isascii():
        raise InvalidValue(f"{name}: must be a whole number{', or unlimited' if key.empty_means else ''}.")
    return check_value(name, int(word))


def words_for(name: str, value: Value) -> str:
    """The value as people read it."""
    key = key_named(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value is not None else str(key.empty_means)
