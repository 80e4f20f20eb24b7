"""The vault: a token can be decrypted only for its row, and only with a known key."""

from __future__ import annotations

from typing import Any

import pytest

from paris_integration.connections.vault import (
    CannotOpen,
    is_on_first_key,
    open_token,
    seal_token,
)
from paris_integration.models.fields import SealedToken, SealedTokenField
from paris_integration.types import Secret

OLD, NEW = b"o" * 32, b"n" * 32
TOKEN = Secret("IGAA-canary-token-Ä")


@pytest.fixture(autouse=True)
def ring(settings: Any) -> Any:
    settings.TOKEN_ENCRYPTION_KEYS = (OLD,)
    return settings


def test_a_token_can_be_decrypted_only_for_its_row() -> None:
    sealed = seal_token(TOKEN, row_id=7)

    assert open_token(sealed, row_id=7) == TOKEN
    assert b"canary" not in sealed.raw
    assert sealed.raw != seal_token(TOKEN, row_id=7).raw
    with pytest.raises(CannotOpen):
        open_token(sealed, row_id=8)


def test_the_first_key_encrypts_and_all_keys_decrypt(ring: Any) -> None:
    old = seal_token(TOKEN, row_id=7)
    ring.TOKEN_ENCRYPTION_KEYS = (NEW, OLD)
    new = seal_token(TOKEN, row_id=7)

    assert (open_token(old, row_id=7), open_token(new, row_id=7)) == (TOKEN, TOKEN)
    assert (is_on_first_key(old), is_on_first_key(new)) == (False, True)
    ring.TOKEN_ENCRYPTION_KEYS = (NEW,)
    assert open_token(new, row_id=7) == TOKEN
    with pytest.raises(CannotOpen):
        open_token(old, row_id=7)


def test_changing_the_secret_key_has_no_effect(ring: Any) -> None:
    sealed = seal_token(TOKEN, row_id=7)
    ring.SECRET_KEY = "quite another secret key, for sessions only"

    assert open_token(sealed, row_id=7) == TOKEN


def test_every_changed_byte_is_detected() -> None:
    sealed = seal_token(TOKEN, row_id=7)
    for place in range(len(sealed.raw)):
        altered = bytearray(sealed.raw)
        altered[place] ^= 1
        with pytest.raises(CannotOpen):
            open_token(SealedToken(bytes(altered)), row_id=7)
    for raw in (b"", b"\x01", sealed.raw[:-1], sealed.raw[:20], b"plain text"):
        with pytest.raises(CannotOpen):
            open_token(SealedToken(raw), row_id=7)


def test_a_secret_is_never_shown_or_stored_unencrypted() -> None:
    sealed = seal_token(TOKEN, row_id=7)

    assert "canary" not in f"{TOKEN!r} {TOKEN} {[TOKEN]} {sealed!r} {sealed}"
    field = SealedTokenField()
    with pytest.raises(TypeError):
        field.get_prep_value("IGAA-in-clear")
    with pytest.raises(TypeError):
        field.get_prep_value(TOKEN)
