from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class Stored:
    name: str
    modified_at: datetime


def _path(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / name[:2] / name


def store(name: str, content: bytes) -> None:
    _path(name).parent.mkdir(parents=True, exist_ok=True)
    _path(name).write_bytes(content)


def remove(names: Iterable[str]) -> None:
    for name in names:
        _path(name).unlink(missing_ok=True)


def listing(prefix: str) -> Iterator[Stored]:
    for path in sorted((Path(settings.MEDIA_ROOT) / prefix[:2]).glob(f"{prefix}*")):
        yield Stored(path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC))
