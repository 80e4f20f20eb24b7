"""The mails that the mail server hasn't taken. Read-only, without their text, which may contain sign-in links."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from outbox.models import Mail


@admin.register(Mail)
class MailAdmin(admin.ModelAdmin):
    list_display = ("recipient", "kind", "state", "tries", "fault", "queued_at")
    list_filter = ("kind", "fault")
    search_fields = ("recipient",)
    search_help_text = "Search by address."
    fields = ("recipient", "kind", "state", "tries", "fault", "queued_at", "expires_at")

    @admin.display(description="State", ordering="next_try_at")
    def state(self, mail: Mail) -> str:
        if mail.next_try_at is None:
            return "given up"
        return f"next try at {mail.next_try_at:%Y-%m-%d %H:%M} UTC" if mail.tries else "waiting"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Mail | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Mail | None = None) -> bool:
        return False
