"""What a backup contains, and whether a restored one works with the configured keys. Used by deploy/backup and restore.

The keys themselves are never part of a backup. It names them by ids that tell nothing about them.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from foundation.cache import ResilientRedisCache
from paris_integration import public as paris

FORMAT = 1
# Not backed up: sessions and the text of mails let their holder act as somebody, pending logins end within minutes, and
# restored mails would be sent again.
WITHOUT_ROWS = (
    "django_session",
    "usersessions_usersession",
    "outbox_mail",
    "paris_integration_loginattempt",
)


def describe(*, now: datetime) -> dict[str, Any]:
    """The facts that are stored beside the dump."""
    applied = sorted(MigrationRecorder(connection).applied_migrations())
    uses = paris.keys_in_use()
    return {
        "format": FORMAT,
        "madeAt": now.isoformat(),
        "migrations": [f"{label}.{name}" for label, name in applied],
        "encryptionKeys": [
            {"id": key_id, "secrets": uses[key_id].sealed}
            for key_id in paris.configured_key_ids()
            if key_id in uses
        ],
        "unreadableSecrets": sum(use.sealed - use.opened for use in uses.values()),
        "signingKeys": _signing_key_ids(),
        "pictures": settings.MEDIA_STORAGE,
    }


def missing_keys(facts: Mapping[str, Any]) -> list[str]:
    """What to say about keys that the backup needs and that aren't configured. Empty when all are there."""
    made_at = facts["madeAt"]
    known = set(paris.configured_key_ids())
    said = [
        f"TOKEN_ENCRYPTION_KEYS lacks the key {key['id']}, which encrypts {key['secrets']} secrets of the backup of "
        f"{made_at}. Add it, after the others."
        for key in facts["encryptionKeys"]
        if key["id"] not in known
    ]
    known = set(_signing_key_ids())
    return said + [
        f"SECRET_KEY and SECRET_KEY_FALLBACKS lack the key {key_id} of the backup of {made_at}: embed codes that it "
        "signed are refused. Add it to SECRET_KEY_FALLBACKS."
        for key_id in facts["signingKeys"]
        if key_id not in known
    ]


def check_secrets() -> tuple[int, list[str]]:
    """How many stored secrets can be opened, and what to say about the others."""
    uses = paris.keys_in_use()
    configured = set(paris.configured_key_ids())
    said = []
    for key_id, use in uses.items():
        closed = use.sealed - use.opened
        if closed and key_id in configured:
            said.append(
                f"{closed} secrets encrypted with the key {key_id} are damaged: they can't be opened."
            )
        elif closed:
            said.append(f"{closed} secrets can't be opened: TOKEN_ENCRYPTION_KEYS lacks the key {key_id}.")
    return sum(use.opened for use in uses.values()), said


def shell_environment() -> str:
    """Assignments for a shell: how PostgreSQL's programs reach the database, and where the pictures are."""
    configured = connection.settings_dict
    _, found = connection.client.settings_to_cmd_args_env(configured, [])
    values = {
        "PGHOST": configured["HOST"],
        "PGPORT": configured["PORT"],
        "PGUSER": configured["USER"],
        "PGDATABASE": configured["NAME"],
        **(found or {}),
    }
    # PgBouncer refuses options. pg_dump must not pass through it: it changes its session, which others get afterwards.
    values["PGOPTIONS"] = f"{values.get('PGOPTIONS', '')} -c statement_timeout=0".strip()
    lines = [f"export {name}={shlex.quote(str(value))}" for name, value in values.items() if value]
    lines += [
        f"WITHOUT_ROWS={shlex.quote(' '.join(WITHOUT_ROWS))}",
        f"MEDIA_STORAGE={shlex.quote(settings.MEDIA_STORAGE)}",
        f"MEDIA_ROOT={shlex.quote(str(settings.MEDIA_ROOT))}",
    ]
    return "\n".join(lines)


def empty_cache() -> int:
    """Delete what this deployment has in Redis: cached values and queued messages. Returns how many keys."""
    cache = caches["default"]
    if not isinstance(cache, ResilientRedisCache):
        cache.clear()
        return 0
    client = cache._cache.get_client(write=True)
    return sum(
        client.delete(*keys) for keys in _batches(client.scan_iter(f"{settings.NAMESPACE}:*", count=500))
    )


def _batches(keys: Iterator[bytes], size: int = 500) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    for key in keys:
        batch.append(key)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _signing_key_ids() -> list[str]:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [hashlib.sha256(f"igfeed/signing-key-id/{key}".encode()).digest()[:4].hex() for key in keys]
