"""The memory of refused fields, shared by the threads of a process."""

from __future__ import annotations

from paris_integration.providers.fields import OWN_MEDIA, Fields, Level, RefusedFields
from paris_integration.types import Login

KIND = (Login.INSTAGRAM, "own media")


def left_out(asked: Fields, name: str) -> set[Level]:
    return {level for level, names in OWN_MEDIA.items() if name in names and name not in asked[level]}


def test_simultaneous_refusals_try_the_same_guess() -> None:
    memory = RefusedFields()
    asked = memory.without(KIND, OWN_MEDIA)

    assert memory.refuse(KIND, "alt_text", asked=asked, fields=OWN_MEDIA)
    assert memory.refuse(KIND, "alt_text", asked=asked, fields=OWN_MEDIA)

    assert left_out(memory.without(KIND, OWN_MEDIA), "alt_text") == {Level.CHILD}


def test_the_levels_are_tried_in_order_until_none_is_left() -> None:
    memory = RefusedFields()
    tried = []
    while memory.refuse(KIND, "alt_text", asked=memory.without(KIND, OWN_MEDIA), fields=OWN_MEDIA):
        tried.append(left_out(memory.without(KIND, OWN_MEDIA), "alt_text"))

    assert tried == [{Level.CHILD}, {Level.POST}, {Level.CHILD, Level.POST}]
