"""The mails that wait for the mail server, and those that were given up."""

from __future__ import annotations

from django.db import models


class Mail(models.Model):
    """A mail that isn't sent yet. Deleted once it is: its text may contain links that sign people in.

    `next_try_at` null: given up. Then subject and text are deleted, and the rest is kept for support.
    """

    kind = models.CharField(max_length=40)
    recipient = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    queued_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    fault = models.CharField(max_length=80, blank=True)

    class Meta:
        verbose_name = "unsent mail"
        verbose_name_plural = "unsent mails"
        ordering = ["-queued_at", "-id"]
        indexes = [models.Index(fields=["next_try_at"], name="mail_due")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"
