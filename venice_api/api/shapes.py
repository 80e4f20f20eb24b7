"""What all bodies and queries of the API have in common."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework import serializers


class Shape(serializers.Serializer):  # type: ignore[type-arg]
    # DRF copies the declared fields for every instance, in case one changes them, which takes longer than to read a
    # query with them. Here they are made once per class. (No docstring: the schema would show it for every body.)

    @property
    def fields(self) -> Any:
        return _fields_of(type(self))


@cache
def _fields_of(shape: type[Shape]) -> dict[str, Any]:
    made: Any = serializers.Serializer()
    made._declared_fields = shape._declared_fields
    return dict(made.fields)
