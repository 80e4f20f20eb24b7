"""What Meta's secrets look like in a log line. Knows no Django: it is needed before the settings are read."""

from __future__ import annotations

from foundation import logs

NAMES = ("input_token", "fb_exchange_token", "appsecret_proof", "signed_request")
TOKENS = r"\b(?:IGAA|EAA)[A-Za-z0-9_-]{8,}"  # tokens of the Instagram login begin with IGAA, of Facebook's with EAA


def redact_in_logs() -> None:
    """Keep Meta's secrets out of every log line of this process."""
    logs.also_redact(names=NAMES, forms=[TOKENS])
