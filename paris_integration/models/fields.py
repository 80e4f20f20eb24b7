"""The field that holds a sealed token. Sealing and opening belong to `connections.vault`."""

from __future__ import annotations

from typing import Any

from django.db import models

KEY_ID_BYTES = 4


class SealedToken:
    """Ciphertext as it lies in the database: version, key id, sealed bytes. Shows nothing of itself."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = bytes(raw)

    @property
    def key_id(self) -> bytes:
        return self.raw[1 : 1 + KEY_ID_BYTES]

    def __repr__(self) -> str:
        return "SealedToken(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SealedToken) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class SealedTokenField(models.BinaryField):  # type: ignore[type-arg]
    """Holds a SealedToken or None; refuses everything else, a token in clear above all."""

    def get_prep_value(self, value: Any) -> Any:
        if value is not None and not isinstance(value, SealedToken):
            raise TypeError("a SealedToken belongs here")
        return super().get_prep_value(value.raw if value is not None else None)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> SealedToken | None:
        return SealedToken(value) if value is not None else None

    def value_to_string(self, obj: Any) -> str:
        return ""  # what dumps write: nobody restores a token from a fixture
