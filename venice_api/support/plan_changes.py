"""Which workspaces have widgets of a kind that a plan would no longer include, for the review of a change of plans."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import QuerySet

from entitlements import keys, reviews
from venice_api.models import WidgetInstance

SourceType = WidgetInstance.SourceType


def register() -> None:
    reviews.count_over_limit("instagram.profile.enabled", partial(_with_widgets, SourceType.PROFILE))
    reviews.count_over_limit("instagram.hashtag.enabled", partial(_with_widgets, SourceType.HASHTAG))


def _with_widgets(kind: str, is_allowed: keys.Value, now: datetime) -> QuerySet[Any, Any] | None:
    return None if is_allowed else WidgetInstance.objects.filter(source_type=kind).values("workspace_id")
