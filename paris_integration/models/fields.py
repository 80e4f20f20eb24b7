"""The field for encrypted tokens. `connections.vault` encrypts and decrypts them."""

from __future__ import annotations

from typing import Any

from django.db import models

KEY_ID_BYTES = 4


class SealedToken:
    """Stored ciphertext: version, key id, encrypted bytes. Its `repr` shows no content."""

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
    """Stores a SealedToken or None. Raises TypeError for anything else, such as a plain token."""

    def get_prep_value(self, value: Any) -> Any:
        if value is not None and not isinstance(value, SealedToken):
            raise TypeError("a SealedToken belongs here")
        return super().get_prep_value(value.raw if value is not None else None)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> SealedToken | None:
        return SealedToken(value) if value is not None else None

    def value_to_string(self, obj: Any) -> str:
        return ""  # `dumpdata` must not write tokens
