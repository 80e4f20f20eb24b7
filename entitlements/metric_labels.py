"""Chooses the workspaces that have their own label in the metrics: the oldest METRICS_WORKSPACE_LIMIT.

Every process asks the database, so that all choose the same workspaces and the number of labels stays limited.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

from django.conf import settings

from entitlements.models import Workspace
from foundation import statements
from foundation.cache import StoreAway, guarded_load

OTHER_WORKSPACES = "_other"  # the label of all workspaces beyond METRICS_WORKSPACE_LIMIT
ASK_AGAIN_SECONDS = 60.0
LOOK_SECONDS = 1.0
MOST_MISSING = 10_000


class Labels:
    """The labelled workspaces, as this process knows them."""

    def __init__(self) -> None:
        self._labelled: frozenset[str] = frozenset()
        self._missing: dict[str, float] = {}
        self._lock = threading.Lock()

    def label_of(self, workspace_id: UUID | str) -> str:
        """The workspace's id, or `_other`; also `_other` for a new workspace while the database is away."""
        name = str(workspace_id)
        is_new = name not in self._labelled and len(self._labelled) < settings.METRICS_WORKSPACE_LIMIT
        # Concurrent callers wait for one query, but not for a database that hangs.
        if is_new and self._lock.acquire(timeout=LOOK_SECONDS):
            try:
                self._look_for(name)
            finally:
                self._lock.release()
        return name if name in self._labelled else OTHER_WORKSPACES

    def forget(self) -> None:
        self._labelled = frozenset()
        self._missing.clear()

    def _look_for(self, name: str) -> None:
        """Reload the labelled workspaces. For the same unknown workspace, at most once a minute."""
        now = time.monotonic()
        if name in self._labelled or now - self._missing.get(name, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
            return
        try:
            with statements.limited_to(LOOK_SECONDS):
                self._labelled = guarded_load(_first_workspaces, patience_seconds=0)
        except StoreAway:
            return
        if name not in self._labelled:
            if len(self._missing) >= MOST_MISSING:
                self._missing.clear()
            self._missing[name] = now


def _first_workspaces() -> frozenset[str]:
    rows = Workspace.objects.order_by("created_at", "pk").values_list("pk", flat=True)
    return frozenset(str(pk) for pk in rows[: settings.METRICS_WORKSPACE_LIMIT])


labels = Labels()
