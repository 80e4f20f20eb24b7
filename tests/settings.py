"""The service's settings as tests and type checks see them, whatever the developer's shell holds."""

import os
import tempfile

_OWN = (
    "ALLOWED_HOSTS", "BROKER_URL", "DATABASE_PASSWORD", "DEBUG", "DEMO", "HASHTAG_UNICODE", "LOG_LEVEL", "MEDIA_HOSTS",
    "PUBLIC_BASE_URL", "PUBLIC_MODE_ACCESS_TOKEN", "PUBLIC_MODE_IG_USER_ID", "REDIS_PASSWORD", "SECRET_KEY_FALLBACKS",
    "STALE_IF_ERROR_SECONDS",
)  # fmt: skip
for _name in _OWN:
    os.environ.pop(_name, None)
# Numbers of earlier runs, and of services this machine runs besides, are none of a test's.
_metrics = tempfile.TemporaryDirectory(prefix="metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics.name
_static = tempfile.TemporaryDirectory(prefix="static-")  # WhiteNoise warns where there is no folder
os.environ["STATIC_ROOT"] = _static.name
os.environ["SECRET_KEY"] = "a-key-that-protects-nothing-but-tests-and-type-checks"
os.environ["TOKEN_ENCRYPTION_KEYS"] = "A" * 43 + "="

from config.settings import *  # noqa: E402, F403
from config.settings import STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; nothing here is worth cracking
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
USAGE_FLUSH_SECONDS = 0.0  # no thread: tests write what was counted when they say so
DATABASE_STATEMENT_SECONDS = 60.0  # statements of tests wait for this machine, not for a hung server
