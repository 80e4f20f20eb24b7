"""The registry: the valid values of each key, and how they are typed."""

from __future__ import annotations

from dataclasses import fields

import pytest

from entitlements import keys
from entitlements.limits import Limits
from tests.entitlements.conftest import CACHE, COPIES, DAY, HASHTAG, HOUR, OAUTH, PROFILE, TTL

TOO_LONG = 5_256_001


def test_the_seven_keys_of_the_prd_in_its_order_and_the_one_for_pictures() -> None:
    assert [key.name for key in keys.KEYS] == [PROFILE, HASHTAG, OAUTH, TTL, DAY, HOUR, CACHE, COPIES]


def test_every_key_has_its_field_in_limits() -> None:
    others = {"plan_key", "plan_name", "plan_rank", "change_at"}

    assert {key.field for key in keys.KEYS} == {field.name for field in fields(Limits)} - others


@pytest.mark.parametrize("key", keys.KEYS, ids=lambda key: key.name)
def test_every_key_has_a_meaning_and_a_valid_default(key: keys.Key) -> None:
    assert key.meaning.endswith(".")
    assert keys.check_value(key.name, key.when_missing) == key.when_missing


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param(HASHTAG, "true", True, id="true"),
        pytest.param(HASHTAG, " YES ", True, id="yes, in capitals and with spaces"),
        pytest.param(HASHTAG, "1", True, id="1 turns a switch on"),
        pytest.param(HASHTAG, "false", False, id="false"),
        pytest.param(HASHTAG, "no", False, id="no"),
        pytest.param(HASHTAG, "0", False, id="0 turns a switch off"),
        pytest.param(DAY, "0", 0, id="a cap of zero"),
        pytest.param(DAY, "007", 7, id="leading zeros"),
        pytest.param(DAY, "1000000", 1_000_000, id="the highest cap"),
        pytest.param(DAY, "unlimited", None, id="unlimited"),
        pytest.param(DAY, "", None, id="an empty cap is unlimited"),
        pytest.param(HOUR, "null", None, id="null"),
        pytest.param(CACHE, "None", None, id="none: falls back to the refresh TTL"),
        pytest.param(CACHE, "1", 1, id="the shortest cache TTL"),
        pytest.param(TTL, "1", 1, id="the shortest TTL"),
        pytest.param(TTL, "5256000", 5_256_000, id="ten years"),
    ],
)
def test_typed_values_are_read(name: str, text: str, value: keys.Value) -> None:
    read = keys.parse_value(name, text)

    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        pytest.param(HASHTAG, "maybe", "must be true or false.", id="a switch is not 'maybe'"),
        pytest.param(HASHTAG, "", "must be true or false.", id="a switch is not empty"),
        pytest.param(HASHTAG, "2", "must be true or false.", id="a switch is not a number"),
        pytest.param(TTL, "0", "must be 1 or more.", id="no TTL of zero"),
        pytest.param(TTL, "-5", "must be 1 or more.", id="no negative TTL"),
        pytest.param(TTL, str(TOO_LONG), "must be 5256000 or less.", id="no TTL over ten years"),
        pytest.param(TTL, "unlimited", "is required.", id="a TTL has an end"),
        pytest.param(TTL, "", "is required.", id="a TTL is not empty"),
        pytest.param(CACHE, "0", "must be 1 or more.", id="no cache TTL of zero"),
        pytest.param(DAY, "-1", "must be 0 or more.", id="no negative cap"),
        pytest.param(DAY, "1000001", "must be 1000000 or less.", id="no cap over a million"),
        pytest.param(
            DAY, "true", "must be a whole number from 0 to 1000000, or unlimited.", id="a cap is not a switch"
        ),
        pytest.param(
            DAY, "1.5", "must be a whole number from 0 to 1000000, or unlimited.", id="not a fraction"
        ),
        pytest.param(DAY, "--5", "must be a whole number from 0 to 1000000, or unlimited.", id="two signs"),
        pytest.param(DAY, "-", "must be a whole number from 0 to 1000000, or unlimited.", id="a sign alone"),
        pytest.param(DAY, "٣", "must be a whole number from 0 to 1000000, or unlimited.", id="other digits"),
        pytest.param(DAY, "1_0", "must be a whole number from 0 to 1000000, or unlimited.", id="underscore"),
        pytest.param(DAY, "9" * 5_000, "must be a whole number from 0 to 1000000, or unlimited.", id="huge"),
        pytest.param(
            CACHE, "x", "must be a whole number from 1 to 5256000, or none.", id="none, by its name"
        ),
        pytest.param(TTL, "x", "must be a whole number from 1 to 5256000.", id="it cannot be empty"),
    ],
)
def test_invalid_values_are_refused_with_the_keys_name(name: str, text: str, why: str) -> None:
    with pytest.raises(keys.InvalidValue) as refused:
        keys.parse_value(name, text)

    assert str(refused.value) == f"{name}: {why}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(HASHTAG, 1, id="1 is not true"),
        pytest.param(DAY, True, id="true is not 1"),
        pytest.param(DAY, 1.0, id="a fraction"),
        pytest.param(DAY, "1", id="text"),
        pytest.param(DAY, [], id="a list"),
    ],
)
def test_values_of_other_types_are_not_converted(name: str, value: object) -> None:
    with pytest.raises(keys.InvalidValue):
        keys.check_value(name, value)


@pytest.mark.parametrize("name", ["instagram.profile", "", "INSTAGRAM.PROFILE.ENABLED"])
def test_an_unknown_key_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(keys.UnknownKey, match=r"instagram\.oauth\.enabled"):
        keys.parse_value(name, "1")


@pytest.mark.parametrize(
    ("name", "value", "text", "words"),
    [
        pytest.param(OAUTH, True, "true", "yes", id="a switch that is on"),
        pytest.param(OAUTH, False, "false", "no", id="a switch that is off"),
        pytest.param(DAY, 24, "24", "24", id="a number"),
        pytest.param(DAY, None, "unlimited", "unlimited", id="no cap"),
        pytest.param(CACHE, None, "none", "as refresh", id="no separate cache TTL"),
    ],
)
def test_values_can_be_formatted_and_parsed_again(
    name: str, value: keys.Value, text: str, words: str
) -> None:
    assert (keys.text_for(name, value), keys.words_for(name, value)) == (text, words)
    assert keys.parse_value(name, text) == value
