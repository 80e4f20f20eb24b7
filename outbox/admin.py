"""The mails that the mail server hasn't taken. Read-only, without their text, which may contain sign-in links."""

from __future__ import annotations

from django.contrib import admin

from foundation.staff_pages import (
    ReadOnlyAdmin,
    code_column,
    moment_column,
    text_column,
    worded_filter,
)
from outbox.models import Mail

KINDS = {
    "connect_link": "connect link",
    "connection": "notice about a connection",
    "factor_removed": "two-step sign-in switched off",
    "email_changed": "address changed",
    "email_confirmation": "confirmation of an address",
    "invitation": "invitation",
    "password_changed": "password changed",
    "password_reset": "password reset",
    "password_reset_key": "new password",
}
# By the name of the exception; an answer's code may follow.
FAULTS = {
    "SMTPRecipientsRefused": "the server refuses the address",
    "SMTPSenderRefused": "the server refuses our sender",
    "SMTPDataError": "the server refuses the mail",
    "SMTPAuthenticationError": "the server refuses our password",
    "SMTPServerDisconnected": "the server ended the connection",
    "ConnectionRefusedError": "the server can't be reached",
    "TimeoutError": "the server is too slow",
    "gaierror": "the server's name isn't known",
}


def fault_words(fault: str) -> str:
    """The name of the exception in words, with the server's code."""
    name, _, codes = fault.partition(" ")
    return " ".join(filter(None, (FAULTS.get(name, name), codes)))


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = ("to", "about", "state", "tries", "why", "queued")
    list_filter = (("kind", worded_filter(KINDS)), ("fault", worded_filter(fault_words)))
    search_fields = ("recipient",)
    search_help_text = "Search by address."
    fields = ("recipient", "about", "state", "tries", "why", "queued", "expires")

    to = text_column("recipient", 40, "To")
    about = code_column("kind", KINDS, "About")
    why = code_column("fault", fault_words, "Fault")
    queued = moment_column("queued_at", "Queued")
    expires = moment_column("expires_at", "Given up at")

    @admin.display(description="State", ordering="next_try_at")
    def state(self, mail: Mail) -> str:
        if mail.next_try_at is None:
            return "given up"
        return f"next try at {mail.next_try_at:%Y-%m-%d %H:%M} UTC" if mail.tries else "waiting"
