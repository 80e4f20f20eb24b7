"""How much a workspace's pictures may occupy."""

from __future__ import annotations

import logging
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Sum

from paris_integration import clock
from paris_integration.models import Picture, PictureStore, PictureUse

logger = logging.getLogger(__name__)


def stored_bytes(workspace_id: UUID) -> int:
    """The size of the pictures that the workspace's feeds use. Shared pictures count once."""
    used = PictureUse.objects.filter(feed__workspace_id=workspace_id, picture__isnull=False)
    total = Picture.objects.filter(pk__in=used.values("picture")).aggregate(total=Sum("stored_bytes"))
    return int(total["total"] or 0)


def is_full(workspace_id: UUID) -> bool:
    """Whether the workspace has reached MEDIA_BYTES_PER_WORKSPACE. The last picture may exceed it."""
    return _reaches_limit(stored_bytes(workspace_id))


def count(workspace_id: UUID) -> None:
    """Record the workspace's use, for metrics and support. Logs a warning when it becomes full."""
    number = stored_bytes(workspace_id)
    is_full = _reaches_limit(number)
    before = PictureStore.objects.filter(pk=workspace_id).first()
    if is_full and not (before and before.is_full):
        logger.warning("the workspace's pictures have reached MEDIA_BYTES_PER_WORKSPACE")
    values = {"stored_bytes": number, "is_full": is_full, "counted_at": clock.database_now()}
    try:
        PictureStore.objects.update_or_create(workspace_id=workspace_id, defaults=values)
    except IntegrityError:
        return  # the workspace was deleted meanwhile


def _reaches_limit(number: int) -> bool:
    return number >= settings.MEDIA_BYTES_PER_WORKSPACE
