"""Django settings: those fixed for every deployment, and those read from environment variables, which the README lists.

A variable that holds a secret, NAME, may also be given as a file, NAME_FILE.
"""

import hashlib
import logging
import os
import re
import socket
import ssl
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import kombu.transport
from django.core.exceptions import ImproperlyConfigured

from foundation import redis_urls
from foundation.environment import parse_encryption_keys, with_password, with_secret_files
from foundation.logs import to_stderr
from paris_integration import log_secrets as secrets_of_meta
from venice_api import log_secrets as secrets_of_links

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_NAMES = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "TOKEN_ENCRYPTION_KEYS",
    "DATABASE_URL",
    "DATABASE_PASSWORD",
    "REDIS_URL",
    "REDIS_PASSWORD",
    "BROKER_URL",
    "INSTAGRAM_APP_SECRET",
    "FACEBOOK_APP_SECRET",
    "PUBLIC_MODE_ACCESS_TOKEN",
    "METRICS_TOKEN",
    "EMAIL_URL",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
)


class Env(environ.Env):  # type: ignore[misc]
    ENVIRON = with_secret_files(os.environ, SECRET_NAMES)

    def get_value(self, var, cast=None, default=environ.Env.NOTSET, parse_default=False):  # type: ignore[no-untyped-def]
        """Treat an empty variable as unset, and take text literally: environ would expand `$` in a secret."""
        text = self.ENVIRON.get(var, "")
        if text == "" and default is not environ.Env.NOTSET:
            return default
        if cast is str and text:
            return text
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var}: not a valid {getattr(cast, '__name__', 'value')}.") from error


env = Env()


def positive(name: str, default: float, *, at_most: float) -> float:
    value: float = env.float(name, default=default)
    if not 0 < value <= at_most:
        raise ImproperlyConfigured(f"{name} must be above 0 and at most {at_most:g}.")
    return value


def base_url(name: str, default: str) -> str:
    value: str = env.str(name, default=default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"{name} must be an http or https address without query or fragment.")
    return value


# --- The process -----------------------------------------------------------------------------------------------

DEBUG: bool = env.bool("DEBUG", default=False)

# These commands only write files and need no secret.
_NEEDS_NO_SECRET = len(sys.argv) > 1 and sys.argv[1] in {"collectstatic", "makemigrations"}
_UNSAFE_SECRET = "only-for-tests-and-tools"  # noqa: S105


def is_weak_key(key: str) -> bool:
    return len(key) < 32 or key.startswith(("django-insecure-", _UNSAFE_SECRET))


SECRET_KEY: str = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not (DEBUG or _NEEDS_NO_SECRET):
        raise ImproperlyConfigured("SECRET_KEY is not set. Use at least 32 random characters.")
    SECRET_KEY = _UNSAFE_SECRET
elif not DEBUG and is_weak_key(SECRET_KEY):
    raise ImproperlyConfigured("SECRET_KEY must be at least 32 random characters.")
# Embed tokens and sessions signed with these keys stay valid. Separated by commas or newlines.
SECRET_KEY_FALLBACKS = [
    key for part in re.split(r"[,\n]", env.str("SECRET_KEY_FALLBACKS", default="")) if (key := part.strip())
]
if not DEBUG and any(map(is_weak_key, SECRET_KEY_FALLBACKS)):
    raise ImproperlyConfigured("SECRET_KEY_FALLBACKS: each key must be at least 32 random characters.")

PUBLIC_BASE_URL = base_url("PUBLIC_BASE_URL", "http://127.0.0.1:8000")
_public = urlsplit(PUBLIC_BASE_URL)
_is_https = _public.scheme == "https"

_given_hosts: list[str] = env.list("ALLOWED_HOSTS", default=[]) or [str(_public.hostname)]
# Health checks run on the same host and use a loopback address.
ALLOWED_HOSTS = list(dict.fromkeys([*_given_hosts, "127.0.0.1", "localhost", "[::1]"]))
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", default=0)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "django_htmx",
    "django_prometheus",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "outbox",
    "entitlements",
    "paris_integration",
    "venice_api",
]

MIDDLEWARE = [
    "venice_api.middleware.ConnectionsMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "venice_api.middleware.RequestIdMiddleware",
    "venice_api.middleware.AccessLogMiddleware",
    "venice_api.middleware.SecurityHeadersMiddleware",
    "venice_api.middleware.StorableTextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "venice_api.middleware.StoreUnavailableMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "venice_api.middleware.BodilessAnswersMiddleware",  # outside of the next, which adds the length 0
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "venice_api.acting.ActorMiddleware",
    "venice_api.api.throttles.ThrottleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "venice_api.accounts.second_factor.StaffSecondFactorMiddleware",
    "venice_api.accounts.freshness.FreshSignInMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024  # bytes; larger bodies are refused unread

# --- Database ----------------------------------------------------------------------------------------------------

VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
DATABASE_URL = with_password(
    env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}"),
    env.str("DATABASE_PASSWORD", default=""),
)
_database: dict[str, Any] = env.db_url_config(DATABASE_URL)

# The prefix of this deployment's keys in the cache and broker, so that two services can share one Redis.
_where = f"{_database['ENGINE']} {_database.get('HOST')} {_database.get('PORT')} {_database.get('NAME')}"
NAMESPACE = "igfeed-" + hashlib.sha256(_where.encode()).hexdigest()[:8]

if _database["ENGINE"] == "django.db.backends.sqlite3":
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    # With immediate transactions, concurrent writers wait for each other instead of failing at once.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["ENGINE"] = "foundation.postgresql"
    _database["OPTIONS"] = {**_database.get("OPTIONS", {}), "connect_timeout": 2}
    # They are bound to a session, which PgBouncer gives to others after each transaction.
    _database["DISABLE_SERVER_SIDE_CURSORS"] = True
    _pool_size: int = env.int("DATABASE_POOL_SIZE", default=10)
    if _pool_size < 0:
        raise ImproperlyConfigured("DATABASE_POOL_SIZE must not be below 0.")
    if _pool_size:
        # A pool, because a web process has many more threads than PostgreSQL should have connections. Threads that
        # wait for Meta give their connection back first, so a thread whose turn it is (foundation.postgresql) gets a
        # connection within a second unless the server is away.
        _database["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": _pool_size,
            "timeout": 0.8,  # a read of a widget takes less than a second even if PostgreSQL has just gone
            "max_idle": 60.0,
            "reconnect_timeout": 1.0,  # after this the next caller tries, instead of growing pauses
        }
# The statement timeout of requests and tasks.
DATABASE_STATEMENT_SECONDS = positive("DATABASE_STATEMENT_SECONDS", 5, at_most=3_600)
DATABASES = {"default": _database}

# --- Cache -------------------------------------------------------------------------------------------------------


def check_redis_url(name: str, url: str) -> None:
    try:
        redis_urls.check(url)
    except redis_urls.BadUrl as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from None


REDIS_URL = with_password(env.str("REDIS_URL", default=""), env.str("REDIS_PASSWORD", default=""))
if REDIS_URL:
    check_redis_url("REDIS_URL", REDIS_URL)
    CACHES = {
        "default": {
            "BACKEND": "foundation.cache.ResilientRedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": NAMESPACE,
            "TIMEOUT": 7 * 86_400,
            "OPTIONS": {"socket_connect_timeout": 0.25, "socket_timeout": 0.25},
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "foundation.cache.ResilientFileCache",
            "LOCATION": str(VAR_DIR / "cache" / NAMESPACE),
            "KEY_PREFIX": NAMESPACE,
            "TIMEOUT": 7 * 86_400,
            "OPTIONS": {"MAX_ENTRIES": 20_000},
        }
    }

# --- Celery ------------------------------------------------------------------------------------------------------

BROKER_ADDRESS: str = env.str("BROKER_URL", default=REDIS_URL) or "filesystem://localhost//"
_broker_kind = BROKER_ADDRESS.partition(":")[0].lower()
if _broker_kind in {"redis", "rediss", *redis_urls.ENCRYPTED}:
    check_redis_url("BROKER_URL", BROKER_ADDRESS)
_sentinels = redis_urls.sentinels_of(BROKER_ADDRESS)
if _sentinels is not None:
    _broker_kind = "sentinel"
elif _broker_kind == "sentinel":
    raise ImproperlyConfigured(
        "BROKER_URL: Sentinels are given as redis+sentinel://host,host/0?service=NAME."
    )
elif _broker_kind.partition("+")[0] not in kombu.transport.TRANSPORT_ALIASES:
    raise ImproperlyConfigured("BROKER_URL: Celery doesn't support this kind of broker.")
elif _broker_kind in {"amqp", "amqps", "pyamqp"}:
    # Several URLs, separated by semicolons, are the nodes of a cluster.
    try:
        _hosts = [(parts.hostname, parts.port) for parts in map(urlsplit, BROKER_ADDRESS.split(";"))]
    except ValueError:
        raise ImproperlyConfigured("BROKER_URL: not a valid URL of RabbitMQ.") from None
    if not all(host for host, _ in _hosts):
        raise ImproperlyConfigured("BROKER_URL: the host is missing.")
if _broker_kind in {"redis", "rediss"}:
    kombu.transport.TRANSPORT_ALIASES[_broker_kind] = "foundation.redis_broker:Transport"
CELERY_BROKER_URL = _sentinels.celery_url if _sentinels else BROKER_ADDRESS
# Otherwise the `celery` command uses the environment's BROKER_URL as it is.
CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CELERY_BROKER_URL
# Without this, Celery encrypts but doesn't verify the server's certificate. The cache verifies by default.
CELERY_BROKER_USE_SSL: dict[str, Any] | None = None
if _sentinels is not None and _sentinels.is_encrypted:
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": "required", **_sentinels.tls}
elif _broker_kind == "rediss" and "ssl_" not in urlsplit(BROKER_ADDRESS).query:
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {}
if _broker_kind in {"redis", "rediss", "redis+socket", "sentinel"}:
    # The broker redelivers a killed worker's message after the visibility timeout. Beat finds the work earlier.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "global_keyprefix": f"{NAMESPACE}:",
        "visibility_timeout": 120,
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        # With these two, a worker leaves a server that hangs after about ten seconds, instead of a minute.
        "health_check_interval": 3,
    }
    if _sentinels is not None:
        CELERY_BROKER_TRANSPORT_OPTIONS |= {
            "master_name": _sentinels.service,
            "sentinel_kwargs": {
                "socket_connect_timeout": 1,
                "socket_timeout": 1,
                **_sentinels.for_sentinels,
            },
        }
elif _broker_kind == "filesystem":
    kombu.transport.TRANSPORT_ALIASES["filesystem"] = "foundation.file_broker:Transport"
    _broker_dir = VAR_DIR / "broker" / NAMESPACE
    for _name in ("queue", "control"):
        (_broker_dir / _name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker_dir / "queue"),
        "data_folder_out": str(_broker_dir / "queue"),
        "control_folder": str(_broker_dir / "control"),
        "polling_interval": 0.1,
    }

# The file that a worker or beat touches while its main loop runs, for probes. Each process needs a separate file.
_heartbeat_file: str = env.str("HEARTBEAT_FILE", default="")
HEARTBEAT_FILE = Path(_heartbeat_file) if _heartbeat_file else None

# --- Sign-in, sessions, transport security: follow the scheme of PUBLIC_BASE_URL ------------------------------------

LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/editor/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Counted by name and address together, so that failures at one address lock out no person at another.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = AXES_ENABLE_ADMIN = False
AXES_HTTP_RESPONSE_CODE = 429
AXES_LOCKOUT_CALLABLE = "venice_api.accounts.lockout.locked_out"
AXES_CLIENT_IP_CALLABLE = "venice_api.accounts.lockout.address_of"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# django-allauth. Accounts are made by invitation or by a command; django-axes counts wrong passwords.
ACCOUNT_ADAPTER = "venice_api.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = (
    "none"  # a new address counts only once it is confirmed; signing in asks for nothing
)
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 1
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_FORMS = {
    "change_password": "venice_api.accounts.forms.ChangePassword",
    "set_password": "venice_api.accounts.forms.SetPassword",
    "reset_password_from_key": "venice_api.accounts.forms.ResetPassword",
}
ACCOUNT_RATE_LIMITS = {
    "login": "",
    "login_failed": "5/5m/key",  # wrong codes of the second step, per person
    "change_password": "5/m/user",
    "manage_email": "10/m/user,20/h/user",
    "reset_password": "20/m/ip,3/h/key",
    "reset_password_from_key": "20/m/ip",
    "reauthenticate": "10/m/user",
    "confirm_email": "3/h/key",
}
PASSWORD_RESET_TIMEOUT = 24 * 3_600  # seconds, as long as its mail waits for the mail server
MFA_ADAPTER = "venice_api.accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds that a phone's clock may be wrong
MFA_ALLOW_UNVERIFIED_EMAIL = True
# Whether the admin opens only after two-step sign-in.
STAFF_MFA: str = env.str("STAFF_MFA", default="optional" if DEBUG else "required")
if STAFF_MFA not in {"required", "optional"}:
    raise ImproperlyConfigured("STAFF_MFA must be required or optional.")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = _is_https
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _is_https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
CSRF_FAILURE_VIEW = "venice_api.api.problems.csrf_failure"

# --- Static files ------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "foundation.static_files.CollectedFiles"
    },
}

# --- Entitlements: no settings; plans are in the database ---------------------------------------------------------

# --- Paris: the provider -------------------------------------------------------------------------------------------

META_GRAPH_VERSION: str = env.str("META_GRAPH_VERSION", default="v26.0")
INSTAGRAM_WWW_URL = base_url("INSTAGRAM_WWW_URL", "https://www.instagram.com")
INSTAGRAM_API_URL = base_url("INSTAGRAM_API_URL", "https://api.instagram.com")
INSTAGRAM_GRAPH_URL = base_url("INSTAGRAM_GRAPH_URL", "https://graph.instagram.com")
FACEBOOK_WWW_URL = base_url("FACEBOOK_WWW_URL", "https://www.facebook.com")
FACEBOOK_GRAPH_URL = base_url("FACEBOOK_GRAPH_URL", "https://graph.facebook.com")
INSTAGRAM_APP_ID: str = env.str("INSTAGRAM_APP_ID", default="")
INSTAGRAM_APP_SECRET: str = env.str("INSTAGRAM_APP_SECRET", default="")
FACEBOOK_APP_ID: str = env.str("FACEBOOK_APP_ID", default="")
FACEBOOK_APP_SECRET: str = env.str("FACEBOOK_APP_SECRET", default="")
FACEBOOK_CONFIG_ID: str = env.str("FACEBOOK_CONFIG_ID", default="")
PUBLIC_MODE_IG_USER_ID: str = env.str("PUBLIC_MODE_IG_USER_ID", default="")
PUBLIC_MODE_ACCESS_TOKEN: str = env.str("PUBLIC_MODE_ACCESS_TOKEN", default="")
PROVIDER_TIMEOUT_SECONDS = positive("PROVIDER_TIMEOUT_SECONDS", 10, at_most=60)
MEDIA_HOSTS: list[str] = env.list("MEDIA_HOSTS", default=["cdninstagram.com", "fbcdn.net"])
TOKEN_ENCRYPTION_KEYS = parse_encryption_keys(env.str("TOKEN_ENCRYPTION_KEYS", default=""))
if not TOKEN_ENCRYPTION_KEYS and not (DEBUG or _NEEDS_NO_SECRET):
    raise ImproperlyConfigured(
        "TOKEN_ENCRYPTION_KEYS is not set. Use 32 random bytes in URL-safe base64 (44 characters)."
    )

# --- Paris: feeds --------------------------------------------------------------------------------------------------

FEED_COLD_WAIT_SECONDS = positive("FEED_COLD_WAIT_SECONDS", 5, at_most=60)
FEED_FETCH_POSTS = int(positive("FEED_FETCH_POSTS", 100, at_most=500))
ACTIVE_FEED_DAYS = positive("ACTIVE_FEED_DAYS", 7, at_most=365)
PREVIEW_FETCHES_PER_HOUR: int = env.int("PREVIEW_FETCHES_PER_HOUR", default=30)
HASHTAG_UNICODE: bool = env.bool("HASHTAG_UNICODE", default=False)
INCIDENT_CONNECTIONS = int(positive("INCIDENT_CONNECTIONS", 5, at_most=1_000_000))
INCIDENT_SHARE_PERCENT = positive("INCIDENT_SHARE_PERCENT", 20, at_most=100)
CELERY_BEAT_SCHEDULE = {
    "enqueue-due-refreshes": {
        "task": "paris_integration.tasks.enqueue_due_refreshes",
        "schedule": 15.0,
        # A late tick is useless: the next one does the same.
        "options": {"expires": 60},
    },
    "settle-orphans": {
        "task": "paris_integration.tasks.settle_orphans",
        "schedule": 15.0,
        "options": {"expires": 60},
    },
    "look-after-connections": {
        "task": "paris_integration.tasks.look_after_connections",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "reconcile-hashtags": {
        "task": "paris_integration.tasks.reconcile_hashtags",
        "schedule": 86_400.0,
        "options": {"expires": 3_600},
    },
    "clean-up": {
        "task": "paris_integration.tasks.clean_up",
        "schedule": 3_600.0,
        "options": {"expires": 3_600},
    },
}
CELERY_BEAT_SCHEDULE.update(
    {
        "enqueue-due-copies": {
            "task": "paris_integration.tasks.enqueue_due_copies",
            "schedule": 15.0,
            "options": {"expires": 15},
        },
        "remove-unused-pictures": {
            "task": "paris_integration.tasks.remove_unused_pictures",
            "schedule": 15.0,
            "options": {"expires": 15},
        },
        "repair-pictures": {
            "task": "paris_integration.tasks.repair_pictures",
            "schedule": 3_600.0,
            "options": {"expires": 3_600},
        },
    }
)
CELERY_BEAT_SCHEDULE["forget-failed-sign-ins"] = {
    "task": "venice_api.tasks.forget_failed_sign_ins",
    "schedule": 3_600.0,
    "options": {"expires": 3_600},
}
CELERY_BEAT_SCHEDULE["remove-old-sightings"] = {
    "task": "venice_api.tasks.remove_old_sightings",
    "schedule": 3_600.0,
    "options": {"expires": 3_600},
}
CELERY_BEAT_SCHEDULE["remove-old-invitations"] = {
    "task": "venice_api.tasks.remove_old_invitations",
    "schedule": 3_600.0,
    "options": {"expires": 3_600},
}
CELERY_BEAT_SCHEDULE["remove-ended-sessions"] = {
    "task": "venice_api.tasks.remove_ended_sessions",
    "schedule": 3_600.0,
    "options": {"expires": 3_600},
}
CELERY_BEAT_SCHEDULE["deliver-due-mails"] = {
    "task": "outbox.tasks.deliver_due",
    "schedule": 30.0,
    "options": {"expires": 30},
}
# The task asks Meta once a day. Beat counts intervals from its own start, so a day might never pass.
CELERY_BEAT_SCHEDULE["check-graph-versions"] = {
    "task": "paris_integration.tasks.check_graph_versions",
    "schedule": 3_600.0,
    "options": {"expires": 3_600},
}
CELERY_TASK_ROUTES = {
    "paris_integration.tasks.copy_pictures": {"queue": "pictures"},
    # Workers of releases before 0.2.0 don't know this task, and don't consume this queue.
    "paris_integration.tasks.refresh_feeds": {"queue": "refreshes"},
}
# What a worker consumes if its command names no queues.
CELERY_TASK_QUEUES = {name: {"exchange": name, "routing_key": name} for name in ("celery", "refreshes")}
AUDIT_RETENTION_DAYS = positive("AUDIT_RETENTION_DAYS", 365, at_most=36_500)
LEDGER_RETENTION_DAYS = positive("LEDGER_RETENTION_DAYS", 90, at_most=36_500)
USAGE_RETENTION_DAYS = positive("USAGE_RETENTION_DAYS", 400, at_most=36_500)
USAGE_FLUSH_SECONDS = 5.0
UNREAD_FEED_RETENTION_DAYS = positive("UNREAD_FEED_RETENTION_DAYS", 90, at_most=36_500)

# --- Paris: pictures -------------------------------------------------------------------------------------------------

MEDIA_COPIES: bool = env.bool("MEDIA_COPIES", default=True)
# With 0, the worker copies no pictures: another process must consume the queue "pictures".
PICTURE_THREADS: int = env.int("PICTURE_THREADS", default=2)
MEDIA_BYTES_PER_WORKSPACE: int = env.int("MEDIA_BYTES_PER_WORKSPACE", default=1024**3)
if MEDIA_BYTES_PER_WORKSPACE < 0:
    raise ImproperlyConfigured("MEDIA_BYTES_PER_WORKSPACE must not be below 0.")
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(VAR_DIR / "media")))
MEDIA_STORAGE: str = env.str("MEDIA_STORAGE", default="file")
# Where the reverse proxy serves MEDIA_ROOT for X-Accel-Redirect, such as /_media/. Empty: the service sends the files.
MEDIA_ACCEL_PREFIX: str = env.str("MEDIA_ACCEL_PREFIX", default="")
S3_ENDPOINT_URL = base_url("S3_ENDPOINT_URL", "") if env.str("S3_ENDPOINT_URL", default="") else ""
S3_BUCKET: str = env.str("S3_BUCKET", default="")
S3_REGION: str = env.str("S3_REGION", default="")
S3_ACCESS_KEY_ID: str = env.str("S3_ACCESS_KEY_ID", default="")
S3_SECRET_ACCESS_KEY: str = env.str("S3_SECRET_ACCESS_KEY", default="")
S3_PUBLIC_URL = base_url("S3_PUBLIC_URL", "") if env.str("S3_PUBLIC_URL", default="") else ""
# A system check reports other values of MEDIA_STORAGE.
STORAGES["media"] = (
    {
        "BACKEND": "paris_integration.media.s3.PictureBucket",
        "OPTIONS": {
            # Without keys, boto3 looks for those of the machine, such as its role at AWS.
            "access_key": S3_ACCESS_KEY_ID or None,
            "secret_key": S3_SECRET_ACCESS_KEY or None,
            "bucket_name": S3_BUCKET,
            "endpoint_url": S3_ENDPOINT_URL or None,
            "region_name": S3_REGION or None,
            "file_overwrite": True,
            "default_acl": None,
            # A name always has the same content. The type comes from the name's end.
            "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
        },
    }
    if MEDIA_STORAGE == "s3"
    else {"BACKEND": "paris_integration.media.files.PictureFiles", "OPTIONS": {"allow_overwrite": True}}
)

# --- Venice --------------------------------------------------------------------------------------------------------

EDITOR_REDIRECT_URIS: list[str] = env.list("EDITOR_REDIRECT_URIS", default=[])
# How long a proxy or CDN may serve its cached posts during an outage; 0 to disable.
STALE_IF_ERROR_SECONDS: int = env.int("STALE_IF_ERROR_SECONDS", default=86_400)
if not 0 <= STALE_IF_ERROR_SECONDS <= 7 * 86_400:
    raise ImproperlyConfigured("STALE_IF_ERROR_SECONDS must be at least 0 and at most 604800 (seven days).")
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "venice_api.api.negotiation.JsonAlways",
    "EXCEPTION_HANDLER": "venice_api.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "venice_api.api.schema.ApiSchema",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Instagram feeds",
    "DESCRIPTION": "The HTTP API for browsers, editors' tools and Meta.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enum_id_removal",
        "venice_api.api.schema.complete",
    ],
}

# --- Mail -----------------------------------------------------------------------------------------------------------

EMAIL_URL: str = env.str("EMAIL_URL", default="consolemail://")
vars().update(environ.Env.email_url_config(EMAIL_URL))
# Goes through the sign-in page, which redirects users who are already signed in.
RECONNECT_URL = f"{PUBLIC_BASE_URL}{LOGIN_URL}?next=/v1/integrations/instagram/connect%3F{{query}}"
EMAIL_TIMEOUT = 30  # seconds
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="Instagram feeds <feeds@localhost>")
# Where "Upgrade" leads on the editor's pages: a URL with the placeholders {workspace} and {plan}, else a mail.
UPGRADE_URL: str = env.str("UPGRADE_URL", default="")
SUPPORT_EMAIL: str = env.str("SUPPORT_EMAIL", default="")

# --- Throttles: requests per minute; 0 for no limit ---------------------------------------------------------------

THROTTLE_READS_PER_ADDRESS: int = env.int("THROTTLE_READS_PER_ADDRESS", default=30_000)
THROTTLE_READS_PER_INSTANCE: int = env.int("THROTTLE_READS_PER_INSTANCE", default=30_000)
THROTTLE_POSTS_PER_USER: int = env.int("THROTTLE_POSTS_PER_USER", default=6_000)
THROTTLE_SIGN_INS_PER_ADDRESS: int = env.int("THROTTLE_SIGN_INS_PER_ADDRESS", default=120)
THROTTLE_FAILURES_PER_ADDRESS: int = env.int("THROTTLE_FAILURES_PER_ADDRESS", default=6_000)

# --- Demo: the pages and seeds of `make run`, never part of production ----------------------------------------------

DEMO: bool = env.bool("DEMO", default=False)
if DEMO:
    INSTALLED_APPS.append("demo")

# --- Metrics: one directory per host; prometheus_client reads its path on first import ------------------

METRICS_NAMESPACE = "instagram"  # the first word of every metric's name
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
METRICS_WORKSPACE_LIMIT: int = env.int("METRICS_WORKSPACE_LIMIT", default=500)
if METRICS_WORKSPACE_LIMIT < 0:
    raise ImproperlyConfigured("METRICS_WORKSPACE_LIMIT must not be below 0.")
WORKER_METRICS_HOST: str = env.str("WORKER_METRICS_HOST", default="127.0.0.1")
WORKER_METRICS_PORT: int = env.int("WORKER_METRICS_PORT", default=0)
# The host name separates containers that share a volume: their process ids may be the same.
PROMETHEUS_MULTIPROC_DIR = Path(
    env.str("PROMETHEUS_MULTIPROC_DIR", default=str(VAR_DIR / "metrics" / NAMESPACE / socket.gethostname()))
)
PROMETHEUS_MULTIPROC_DIR.mkdir(parents=True, exist_ok=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(PROMETHEUS_MULTIPROC_DIR)
PROMETHEUS_EXPORT_MIGRATIONS = False

# --- Logs ----------------------------------------------------------------------------------------------------------

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").upper()
LOG_FORMAT: str = env.str("LOG_FORMAT", default="json")
# A system check reports an unknown level. An error from here would not name the setting.
_log_level = LOG_LEVEL if LOG_LEVEL in logging.getLevelNamesMapping() else "INFO"
secrets_of_meta.redact_in_logs()
secrets_of_links.redact_in_logs()
LOGGING = {
    **to_stderr(LOG_FORMAT),
    "root": {"handlers": ["stderr"], "level": _log_level},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "django.request": {"level": "ERROR"},  # its warnings repeat the access line, with the path
        # Client libraries write URLs, headers or message bodies below WARNING.
        **{
            name: {"level": "WARNING"}
            for name in ("requests", "amqp", "kombu", "redis", "psycopg", "boto3", "botocore")
        },
        "urllib3": {"level": "ERROR"},  # its warnings of malformed headers contain the URL
        # Its DEBUG lines contain SQL statements with their values.
        "django.db.backends": {"level": "WARNING"},
        "django.security.DisallowedHost": {"level": "ERROR"},
    },
}
