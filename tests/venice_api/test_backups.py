"""What a backup says about its keys, and what a restore says about missing ones."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection

from entitlements.models import Workspace
from paris_integration import public as paris
from paris_integration.connections import vault
from paris_integration.models import Connection
from paris_integration.types import Secret
from tests.conftest import Cast
from venice_api.accounts.second_factor import SEAL, SEALED
from venice_api.ops import backups

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEYS = [urlsafe_b64decode(letter * 43 + "=") for letter in "ABC"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = KEYS[:1]


def connect(workspace: Workspace, number: int) -> Connection:
    row = Connection(
        workspace=workspace, login="instagram", account_id=str(number), username="acme.bakery", obtained_at=NOW,
        state_changed_at=NOW, created_at=NOW,
    )  # fmt: skip
    row.token = vault.seal_token(Secret(f"token-{number}"), row_id=row.pk)
    row.save()
    return row


def key_id(key: bytes) -> str:
    return vault._key_id(key).hex()


def test_a_backup_names_the_keys_that_it_needs(people: Cast, settings: Any) -> None:
    connect(people.workspace, 1)
    settings.TOKEN_ENCRYPTION_KEYS = [KEYS[1], KEYS[0], KEYS[2]]  # the third is used by nothing
    connect(people.workspace, 2)
    connect(people.workspace, 3)
    factor = {SEALED[0]: paris.seal_text("factor", purpose=SEAL)}
    Authenticator.objects.create(user=User.objects.get(username="owner"), type="totp", data=factor)

    facts = backups.describe(now=NOW)

    assert facts["encryptionKeys"] == [
        {"id": key_id(KEYS[1]), "secrets": 3},
        {"id": key_id(KEYS[0]), "secrets": 1},
    ]
    assert facts["unreadableSecrets"] == 0
    assert len(facts["signingKeys"]) == 1 + len(settings.SECRET_KEY_FALLBACKS)
    assert "venice_api.0001_initial" in facts["migrations"]
    assert backups.missing_keys(facts) == []
    assert backups.check_secrets() == (4, [])


def test_missing_keys_are_named(people: Cast, settings: Any) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [KEYS[1], KEYS[0]]
    connect(people.workspace, 1)
    facts = backups.describe(now=NOW)
    settings.TOKEN_ENCRYPTION_KEYS = [KEYS[2], KEYS[0]]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10

    (said,) = backups.missing_keys(facts)
    assert key_id(KEYS[1]) in said
    assert "1 secrets" in said
    assert backups.check_secrets() == (
        0, [f"1 secrets can't be opened: TOKEN_ENCRYPTION_KEYS lacks the key {key_id(KEYS[1])}."]
    )  # fmt: skip
    settings.SECRET_KEY_FALLBACKS = []
    assert "SECRET_KEY_FALLBACKS" in backups.missing_keys(facts)[1]


def test_a_secret_of_another_row_is_damaged(people: Cast) -> None:
    first, second = connect(people.workspace, 1), connect(people.workspace, 2)
    Connection.objects.filter(pk=second.pk).update(token=first.token)

    opened, (said,) = backups.check_secrets()

    assert opened == 1
    assert said == f"1 secrets encrypted with the key {key_id(KEYS[0])} are damaged: they can't be opened."


def test_the_command_fails_for_a_missing_key(people: Cast, settings: Any, tmp_path: Path) -> None:
    connect(people.workspace, 1)
    facts, printed = tmp_path / "backup.json", StringIO()
    call_command("describe_backup", stdout=printed)
    facts.write_text(printed.getvalue())
    said = StringIO()
    call_command("check_restore", str(facts), stdout=said)
    assert json.loads(said.getvalue())["opened"] == 1

    settings.TOKEN_ENCRYPTION_KEYS = KEYS[1:]

    for more in (["--before"], []):
        with pytest.raises(CommandError, match=key_id(KEYS[0])):
            call_command("check_restore", str(facts), *more, stdout=StringIO())
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "format": 99}))
    with pytest.raises(CommandError, match="format 99"):
        call_command("check_restore", str(facts), stdout=StringIO())


def test_the_cache_is_emptied(people: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set("a", 1)
    printed = StringIO()
    call_command("describe_backup", stdout=printed)
    monkeypatch.setattr("sys.stdin", StringIO(printed.getvalue()))

    call_command("check_restore", "-", "--empty-cache", stdout=StringIO())

    assert cache.get("a") is None


def test_the_tables_without_rows_exist_and_are_those_of_the_documented_command() -> None:
    assert set(backups.WITHOUT_ROWS) <= set(connection.introspection.table_names())
    guide = Path("docs/operations.md").read_text()
    assert f"--exclude-table-data={{{','.join(backups.WITHOUT_ROWS)}}}" in guide


def test_the_password_of_the_database_is_quoted_for_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        with pytest.raises(CommandError, match="PostgreSQL"):
            call_command("backup_environment", stdout=StringIO())
        return
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "it's $(secret)")

    lines = backups.shell_environment().splitlines()

    assert """export PGPASSWORD='it'"'"'s $(secret)'""" in lines
    assert f"export PGDATABASE={connection.settings_dict['NAME']}" in lines
