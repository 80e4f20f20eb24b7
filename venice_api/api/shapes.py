"""What all bodies and queries of the API have in common."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework import serializers


class Shape(serializers.Serializer):  # type: ignore[type-arg]
    """A serializer whose fields are made once per class.

    DRF copies them for every instance, in case one changes them, which takes longer than to read a query with them.
    """

    @property
    def fields(self) -> Any:
        return _fields_of(type(self))


@cache
def _fields_of(shape: type[Shape]) -> dict[str, Any]:
    made: Any = serializers.Serializer()
    made._declared_fields = shape._declared_fields
    return dict(made.fields)
