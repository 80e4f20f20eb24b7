"""What the secrets in our links look like in a log line. Knows no Django: it is needed before the settings are read."""

from __future__ import annotations

from foundation import logs

LINKS = (
    r"(?<=/connect/)[A-Za-z0-9_-]{43}",
    r"(?<=/invitations/)[A-Za-z0-9_:%-]{43,}",
    r"(?<=/accounts/password/reset/)[0-9A-Za-z]+-[A-Za-z0-9-]+",
    r"(?<=/accounts/email/confirm/)[A-Za-z0-9_:%-]+",
)


def redact_in_logs() -> None:
    """Keep the codes of links out of every log line of this process."""
    logs.also_redact(forms=LINKS)
