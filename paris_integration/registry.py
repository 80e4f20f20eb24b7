"""Builds providers and credentials from the settings. The adapters themselves read no settings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from foundation import threads
from paris_integration.providers.base import Provider
from paris_integration.providers.files import FileClient
from paris_integration.providers.graph import GraphProvider
from paris_integration.providers.http import HttpClient
from paris_integration.providers.login_values import App, Urls
from paris_integration.providers.versions import VersionProbe
from paris_integration.types import Login, Secret

if TYPE_CHECKING:
    from paris_integration.providers.oauth import MetaLogins


def _http_client() -> HttpClient:
    """An HTTP client that gives back its thread's database connection before each call."""
    return HttpClient(before_call=threads.give_back)


@cache
def provider() -> Provider:
    """The provider of this process, with one connection pool for all calls."""
    app_secret = settings.FACEBOOK_APP_SECRET
    return GraphProvider(
        _http_client(),
        facebook_graph_url=settings.FACEBOOK_GRAPH_URL,
        instagram_graph_url=settings.INSTAGRAM_GRAPH_URL,
        version=settings.META_GRAPH_VERSION,
        timeout_seconds=settings.PROVIDER_TIMEOUT_SECONDS,
        app_secret=Secret(app_secret) if app_secret else None,
    )


@cache
def version_probe() -> VersionProbe:
    """Asks both of Meta's Graph hosts which versions they serve."""
    hosts = {Login.INSTAGRAM: settings.INSTAGRAM_GRAPH_URL, Login.FACEBOOK: settings.FACEBOOK_GRAPH_URL}
    return VersionProbe(_http_client(), hosts=hosts, timeout_seconds=settings.PROVIDER_TIMEOUT_SECONDS)


@cache
def file_client() -> FileClient:
    """The client of this process for picture files, with the hosts of MEDIA_HOSTS."""
    return FileClient(allowed_hosts=settings.MEDIA_HOSTS, before_call=threads.give_back)


@cache
def logins() -> MetaLogins:
    """The logins at Meta, with the apps that the operator has configured."""
    # Here, because it is slow to import, and most processes see no login.
    from paris_integration.providers.oauth import MetaLogins

    apps = {
        Login.INSTAGRAM: App(settings.INSTAGRAM_APP_ID, Secret(settings.INSTAGRAM_APP_SECRET)),
        Login.FACEBOOK: App(
            settings.FACEBOOK_APP_ID, Secret(settings.FACEBOOK_APP_SECRET), settings.FACEBOOK_CONFIG_ID
        ),
    }
    urls = Urls(
        instagram_www=settings.INSTAGRAM_WWW_URL,
        instagram_api=settings.INSTAGRAM_API_URL,
        instagram_graph=settings.INSTAGRAM_GRAPH_URL,
        facebook_www=settings.FACEBOOK_WWW_URL,
        facebook_graph=settings.FACEBOOK_GRAPH_URL,
        version=settings.META_GRAPH_VERSION,
    )
    # A login with only one of its two settings is off; a system check warns about it.
    configured = {login: app for login, app in apps.items() if app.client_id and app.secret.reveal()}
    return MetaLogins(_http_client(), urls, configured, timeout_seconds=settings.PROVIDER_TIMEOUT_SECONDS)


def app_secret(login: Login) -> Secret | None:
    """The app secret that signs the callbacks of this login; None if it isn't configured."""
    text = settings.INSTAGRAM_APP_SECRET if login is Login.INSTAGRAM else settings.FACEBOOK_APP_SECRET
    return Secret(text) if text else None


def has_public_mode() -> bool:
    """Whether the operator's own account for Business Discovery is configured."""
    return bool(settings.PUBLIC_MODE_IG_USER_ID and settings.PUBLIC_MODE_ACCESS_TOKEN)
