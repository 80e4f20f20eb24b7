"""Field expressions."""

from __future__ import annotations

import pytest

from instagram_standin.fields import MAX_DEPTH, Field, FieldSyntaxError, names_in, parse_fields


def test_nested_selections_with_modifiers() -> None:
    text = "business_discovery.username(acme.bakery){id,media.limit(25).after(QV=_-){id,children{id}}},name"
    children = (Field("id"), Field("children", {}, (Field("id"),)))
    media = Field("media", {"limit": "25", "after": "QV=_-"}, children)
    discovery = Field("business_discovery", {"username": "acme.bakery"}, (Field("id"), media))
    assert parse_fields(text) == (discovery, Field("name"))
    assert list(names_in(parse_fields("a,b.c(d){e{f},g}"))) == ["a", "b", "e", "f", "g"]
    assert parse_fields("") == parse_fields("   ") == ()


def test_modifiers_and_braces_come_in_any_order() -> None:
    texts = (
        "media.limit(2).after(x){id}",
        "media.after(x).limit(2){id}",
        " media { id } . after( x ) .limit(2) ",
    )
    for text in texts:
        assert parse_fields(text) == (Field("media", {"limit": "2", "after": "x"}, (Field("id"),)),)


WRONG = [
    "id,", ",id", "id name", "media{", "media{}", "media{id", "media}", "media.limit", "media.limit(", "media.(2)",
    "media.limit(2))", "media{id}{id}", "1d", "a.b(c(d))", "a{" * (MAX_DEPTH + 1) + "a" + "}" * (MAX_DEPTH + 1),
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_anything_else_is_a_syntax_error(text: str) -> None:
    with pytest.raises(FieldSyntaxError):
        parse_fields(text)
