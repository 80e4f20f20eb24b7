"""The one place where settings become providers and credentials; the adapters themselves read no settings."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from paris_integration.providers.base import Provider
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.secret import Secret


@cache
def provider() -> Provider:
    """The provider of this process; one session and connection pool for all its calls."""
    app_secret = settings.FACEBOOK_APP_SECRET
    return GraphProvider(
        HttpClient(),
        facebook_graph_url=settings.FACEBOOK_GRAPH_URL,
        instagram_graph_url=settings.INSTAGRAM_GRAPH_URL,
        version=settings.META_GRAPH_VERSION,
        timeout_seconds=settings.PROVIDER_TIMEOUT_SECONDS,
        app_secret=Secret(app_secret) if app_secret else None,
    )


def has_public_mode() -> bool:
    """Whether the operator's own Business-Discovery account is configured."""
    return bool(settings.PUBLIC_MODE_IG_USER_ID and settings.PUBLIC_MODE_ACCESS_TOKEN)
