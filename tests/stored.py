"""Everything the service has stored, as text: all rows of all tables and all cache entries."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from django.core.cache import cache
from django.db import connection


def everything_stored() -> str:
    return "\n".join([*_rows(), *_cache_entries()])


def _rows() -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - a name from the database itself
            found += [" ".join(_text(value) for value in row) for row in cursor.fetchall()]
    return found


def _cache_entries() -> list[str]:
    store: Any = cache
    if hasattr(store, "_dir"):  # Django's file cache: pickled, then compressed
        return [_unpacked(path.read_bytes()) for path in Path(store._dir).rglob("*.djcache")]
    client = store._cache.get_client(None)
    return [_text(key) + " " + _text(client.get(key) or b"") for key in client.scan_iter(count=1_000)]


def _unpacked(content: bytes) -> str:
    head, mark, packed = content.partition(b"\x78\x9c")
    return _text(head + (zlib.decompress(mark + packed) if packed else b""))


def _text(value: object) -> str:
    raw = bytes(value) if isinstance(value, memoryview) else value
    return raw.decode("latin-1") if isinstance(raw, bytes) else str(raw)
