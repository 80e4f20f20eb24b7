"""Queue a mail, and deliver those that are due.

The text of a mail is its template `templates/mail/<kind>.txt`: the subject in the first line, then paragraphs with an
empty line between them. The HTML is made from the same text: a paragraph that is only an address becomes a link.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from celery import current_app
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from foundation import threads
from outbox.models import Mail

logger = logging.getLogger(__name__)

DELIVER_TASK = "outbox.tasks.deliver"
LASTS = timedelta(hours=24)  # as long as the links in it
KEPT_AFTER = timedelta(days=30)
LEASE = timedelta(minutes=5)  # longer than a mail server may take
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
BATCH = 50
_ADDRESS = re.compile(r"https?://\S+")


def queue(kind: str, recipient: str, context: Mapping[str, object]) -> Mail:
    """Store a mail, to be sent once the current transaction is committed."""
    subject, text = _written(kind, context)
    now = timezone.now()
    mail = Mail.objects.create(
        kind=kind,
        recipient=recipient,
        subject=subject,
        text=text,
        html=_html(subject, text),
        queued_at=now,
        next_try_at=now,
        expires_at=now + LASTS,
    )
    transaction.on_commit(partial(threads.start, _wake_worker, mail.pk))
    return mail


def deliver(mail_id: int) -> bool:
    """Send one mail if it is due. Returns whether it was sent. A fault of the mail server is noted, not raised."""
    now = timezone.now()
    due = Mail.objects.filter(pk=mail_id, next_try_at__lte=now)
    if not due.update(next_try_at=now + LEASE):  # of several workers, one goes on
        return False
    mail = Mail.objects.get(pk=mail_id)
    threads.give_back()  # a slow mail server must not hold a database connection
    try:
        _send(mail)
    except (OSError, SMTPException) as error:
        _note_failure(mail, error, now=timezone.now())
        return False
    Mail.objects.filter(pk=mail.pk).delete()
    return True


def deliver_due() -> int:
    """Send all mails that are due, and remove old failures. Returns how many were sent."""
    now = timezone.now()
    Mail.objects.filter(next_try_at__isnull=True, queued_at__lte=now - KEPT_AFTER).delete()
    due = Mail.objects.filter(next_try_at__lte=now).order_by("next_try_at")
    return sum(deliver(mail_id) for mail_id in list(due.values_list("pk", flat=True)[:BATCH]))


def _send(mail: Mail) -> None:
    message = EmailMultiAlternatives(mail.subject, mail.text, None, [mail.recipient])
    message.attach_alternative(mail.html, "text/html")
    message.send()


def _note_failure(mail: Mail, error: Exception, *, now: datetime) -> None:
    mail.tries += 1
    mail.fault = _fault_words(error)
    wait = min(FIRST_WAIT * 2 ** (mail.tries - 1), LONGEST_WAIT)
    if _is_final(error) or now + wait >= mail.expires_at:
        mail.next_try_at, mail.subject, mail.text, mail.html = None, "", "", ""
        logger.error(
            "mail given up", extra={"fields": {"mail": mail.pk, "kind": mail.kind, "fault": mail.fault}}
        )
    else:
        mail.next_try_at = now + wait
        logger.warning(
            "mail not sent", extra={"fields": {"mail": mail.pk, "kind": mail.kind, "fault": mail.fault}}
        )
    mail.save(update_fields=["tries", "fault", "next_try_at", "subject", "text", "html"])


def _codes(error: Exception) -> list[int]:
    if isinstance(error, SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [int(error.smtp_code)] if isinstance(error, SMTPResponseException) else []


def _is_final(error: Exception) -> bool:
    """Whether the server refuses this recipient for good."""
    return isinstance(error, SMTPRecipientsRefused) and all(code >= 500 for code in _codes(error))


def _fault_words(error: Exception) -> str:
    """The kind of the fault. Not the server's words: they may repeat the mail."""
    return " ".join([type(error).__name__, *map(str, _codes(error))])[:80]


def _written(kind: str, context: Mapping[str, object]) -> tuple[str, str]:
    written = render_to_string(f"mail/{kind}.txt", dict(context)).strip()
    subject, _, text = written.partition("\n")
    return " ".join(subject.split())[:200], re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"


def _html(subject: str, text: str) -> str:
    paragraphs = [
        {"text": paragraph, "is_address": bool(_ADDRESS.fullmatch(paragraph))}
        for paragraph in (part.strip() for part in text.split("\n\n"))
        if paragraph
    ]
    return render_to_string("mail/base.html", {"subject": subject, "paragraphs": paragraphs})


def _wake_worker(mail_id: int) -> None:
    """A hint. If it is lost, beat finds the mail."""
    try:
        current_app.send_task(DELIVER_TASK, args=(mail_id,), retry=False, expires=60)
    except Exception as error:  # noqa: BLE001 - kombu raises what its transports raise
        logger.warning("mail not sent to the worker: %s", type(error).__name__)
