"""The widget list's filter by what needs attention. The first page's lines lead to it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from paris_integration import public as paris
from venice_api.models import WidgetInstance

CAUSES = {
    paris.Warning.SOURCE_NOT_FOUND: "the profile or hashtag doesn't exist, or isn't public",
    paris.Warning.PROVIDER_RATE_LIMITED: "Instagram's rate limit",
    paris.Warning.PROVIDER_UNAVAILABLE: "Instagram couldn't be reached",
    paris.Warning.PROVIDER_ERROR: "Instagram sent an answer that couldn't be used",
    paris.Warning.RECONNECT_REQUIRED: "the account must be connected again",
    paris.Warning.PERMISSION_MISSING: "a permission is missing",
    paris.Warning.HASHTAG_QUOTA_EXHAUSTED: "30 different hashtags a week are used up",
}
FAILING, LATE, PICTURES = "failing-", "late", "pictures"


class NeedsAttention(admin.SimpleListFilter):
    title = "what needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        causes = [
            (f"{FAILING}{cause.value}", words[0].upper() + words[1:]) for cause, words in CAUSES.items()
        ]
        return [(LATE, "Refresh is late"), *causes, (PICTURES, "Pictures are waiting")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WidgetInstance]
    ) -> QuerySet[WidgetInstance] | None:
        wanted, now = self.value(), timezone.now()
        if wanted is None:
            return None
        if wanted.startswith(FAILING):
            fault = wanted.removeprefix(FAILING)
            return queryset.filter(pk__in=paris.failing_instance_ids(fault, now=now))
        if wanted == LATE:
            return queryset.filter(pk__in=paris.late_instance_ids(now=now))
        if wanted == PICTURES:
            return queryset.filter(pk__in=paris.picture_waiting_instance_ids(now=now))
        return queryset.none()
