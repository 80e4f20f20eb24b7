"""Which instances were erased of late: for them nothing is called, and nothing is written, any more.

A reader or a refresh that found the widget a moment before its end still has its key. Neither takes more than a
minute; a day is remembered. Logins under way are cancelled by `login_fences`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from paris_integration.models import ErasedInstance
from paris_integration.types import FeedKey

REMEMBERED_FOR = timedelta(days=1)


def note(key: FeedKey, *, now: datetime) -> None:
    ErasedInstance.objects.update_or_create(**_of(key), defaults={"erased_at": now})


def lift(key: FeedKey) -> None:
    """The instance has come to this workspace again."""
    ErasedInstance.objects.filter(**_of(key)).delete()


def is_erased(key: FeedKey) -> bool:
    return ErasedInstance.objects.filter(**_of(key)).exists()


def remembered() -> Iterator[tuple[UUID, str]]:
    """Workspace and instance of each."""
    return ErasedInstance.objects.values_list("workspace_id", "instance_id").iterator()


def _of(key: FeedKey) -> dict[str, Any]:
    return {"workspace_id": key.workspace_id, "instance_id": key.instance_id}
