"""Mails wait in the database until the mail server takes them; then nothing of them is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from outbox import sending, tasks
from outbox.models import Mail
from tests.stored import everything_stored

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LINK = "https://feeds.example/accounts/password/reset/canary-key/"
CONTEXT = {"username": "sam <b>", "password_reset_url": LINK}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The faults of the mail server's next answers."""
    faults: list[Exception] = []
    send = EmailBackend.send_messages

    def answer(self: EmailBackend, messages: Any) -> int:
        if faults:
            raise faults.pop(0)
        return int(send(self, messages))

    monkeypatch.setattr(EmailBackend, "send_messages", answer)
    return faults


def queue() -> Mail:
    return sending.queue("password_reset_key", "sam@shop.example", CONTEXT)


def test_a_mail_has_text_and_html_from_one_template_and_is_forgotten_once_sent() -> None:
    queue()
    assert tasks.deliver_due() == 1

    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("Set a new password", ["sam@shop.example"])
    assert f"\n\n{LINK}\n\n" in str(sent.body)
    html, kind = sent.alternatives[0]  # type: ignore[attr-defined]
    assert kind == "text/html"
    assert f'<a href="{LINK}"' in html
    assert "sam &lt;b&gt;" in html
    assert "canary-key" not in everything_stored()
    assert tasks.deliver_due() == 0


def test_a_mail_is_tried_again_until_the_server_takes_it(clock: Any, server: list[Exception]) -> None:
    server += [ConnectionRefusedError(), SMTPServerDisconnected()]
    queued = queue()

    assert tasks.deliver_due() == 0
    queued.refresh_from_db()
    assert (queued.tries, queued.fault, queued.next_try_at) == (1, "ConnectionRefusedError", NOW + MINUTE)
    assert tasks.deliver_due() == 0
    clock.move_to(NOW + MINUTE, tick=False)
    assert tasks.deliver_due() == 0
    clock.move_to(NOW + 3 * MINUTE, tick=False)
    assert tasks.deliver_due() == 1
    assert len(mail.outbox) == 1


def test_a_mail_is_given_up_when_its_links_no_longer_work(clock: Any, server: list[Exception]) -> None:
    server += [ConnectionRefusedError() for _ in range(100)]
    queued = queue()
    for minutes in range(0, 25 * 60, 10):
        clock.move_to(NOW + minutes * MINUTE, tick=False)
        tasks.deliver_due()

    queued.refresh_from_db()
    assert queued.next_try_at is None
    assert "canary-key" not in everything_stored()
    clock.move_to(NOW + timedelta(days=31), tick=False)
    tasks.deliver_due()
    assert not Mail.objects.exists()


@pytest.mark.parametrize(
    ("fault", "is_final", "words"),
    [
        (
            SMTPRecipientsRefused({"sam@shop.example": (550, b"no such user")}),
            True,
            "SMTPRecipientsRefused 550",
        ),
        (SMTPRecipientsRefused({"sam@shop.example": (450, b"later")}), False, "SMTPRecipientsRefused 450"),
        (SMTPDataError(451, b"greylisted: canary-key"), False, "SMTPDataError 451"),
    ],
)
def test_a_refused_recipient_is_given_up_at_once(
    server: list[Exception], fault: Exception, is_final: bool, words: str
) -> None:
    server.append(fault)
    queued = queue()
    tasks.deliver(queued.pk)
    queued.refresh_from_db()
    assert (queued.next_try_at is None, queued.fault) == (is_final, words)


def test_two_workers_send_a_mail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queued = queue()
    send = sending._send

    def while_another_worker_tries(row: Mail) -> None:
        assert not sending.deliver(row.pk)
        send(row)

    monkeypatch.setattr(sending, "_send", while_another_worker_tries)
    assert sending.deliver(queued.pk)
    assert len(mail.outbox) == 1


def test_support_sees_unsent_mails_without_their_text(server: list[Exception]) -> None:
    server.append(ConnectionRefusedError())
    queued = queue()
    tasks.deliver_due()
    desk = Client()
    desk.force_login(User.objects.create_superuser("desk", password="x"))

    listed = desk.get("/admin/outbox/mail/").content.decode()
    shown = desk.get(f"/admin/outbox/mail/{queued.pk}/change/").content.decode()

    assert "sam@shop.example" in listed
    assert "next try at 2026-11-23 12:01 UTC" in listed
    assert "ConnectionRefusedError" in shown
    assert "canary-key" not in listed + shown
    assert desk.post(f"/admin/outbox/mail/{queued.pk}/change/", {}).status_code == 403
