"""What logins take and return. Apart from `oauth`, whose libraries take a fifth of a second to import."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from paris_integration.types import Secret


@dataclass(frozen=True, slots=True)
class App:
    """A Meta app of one login. `config_id`: a Facebook Login for Business configuration, or empty."""

    client_id: str
    secret: Secret
    config_id: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A professional account behind a login."""

    account_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Token:
    """`expires_at` None without `never_expires`: Meta didn't say when the token expires."""

    secret: Secret
    expires_at: datetime | None
    never_expires: bool = False


@dataclass(frozen=True, slots=True)
class LoginResult:
    """A long-lived token and the accounts it may read. `app_user_id`: the person's id for this app."""

    token: Token
    app_user_id: str
    accounts: tuple[Account, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Urls:
    """Meta's base URLs, without a trailing slash."""

    instagram_www: str
    instagram_api: str
    instagram_graph: str
    facebook_www: str
    facebook_graph: str
    version: str
