"""The Content-Security-Policy of each kind of answer."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:"
)


def editor_policy() -> str:
    """Editor pages also show media from Meta's hosts."""
    media = media_sources()
    return f"{PAGE_POLICY} {media}; media-src 'self' {media}"


def frame_policy(allowed_origins: Sequence[str]) -> str:
    framing = " ".join(("'self'", *allowed_origins)) if allowed_origins else "*"
    media = media_sources()
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        f"form-action 'none'; img-src 'self' {media}; media-src 'self' {media}; frame-ancestors {framing}"
    )


def media_sources() -> str:
    """Allowed media sources: any https host (Meta's CDN has many names), and http only from MEDIA_HOSTS."""
    if settings.PUBLIC_BASE_URL.startswith("https://"):
        return "https:"
    return " ".join(["https:", *(f"http://{host.split(':')[0]}:*" for host in settings.MEDIA_HOSTS)])
