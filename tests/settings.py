"""Settings for tests and type checks. They don't depend on the environment variables of the developer's shell.

Each pytest worker uses its own stores: pytest-django chooses its database, this module its Redis database and its data
folder. REDIS_URL names the Redis database of the first worker.
"""

import os
import tempfile
from urllib.parse import urlsplit

_OWN = (
    "ALLOWED_HOSTS", "BROKER_URL", "DATABASE_PASSWORD", "DEBUG", "DEMO", "HASHTAG_UNICODE", "LOG_LEVEL",
    "MEDIA_ACCEL_PREFIX", "MEDIA_COPIES", "MEDIA_HOSTS", "MEDIA_ROOT", "MEDIA_STORAGE", "PUBLIC_BASE_URL",
    "PUBLIC_MODE_ACCESS_TOKEN", "PUBLIC_MODE_IG_USER_ID", "REDIS_PASSWORD", "S3_PUBLIC_URL", "SECRET_KEY_FALLBACKS",
    "STAFF_MFA", "STALE_IF_ERROR_SECONDS", "SUPPORT_EMAIL", "UPGRADE_URL",
)  # fmt: skip
for _name in _OWN:
    os.environ.pop(_name, None)
# A new folder, so that tests don't read the metrics of earlier runs or of other services.
_metrics = tempfile.TemporaryDirectory(prefix="metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics.name
_var = tempfile.TemporaryDirectory(prefix="var-")
os.environ["VAR_DIR"] = _var.name
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
if os.environ.get("REDIS_URL"):
    _redis = urlsplit(os.environ["REDIS_URL"])
    os.environ["REDIS_URL"] = _redis._replace(path=f"/{int(_redis.path.strip('/') or 0) + _worker}").geturl()
_static = tempfile.TemporaryDirectory(prefix="static-")  # WhiteNoise warns if the folder is missing
os.environ["STATIC_ROOT"] = _static.name
os.environ["STAFF_MFA"] = "optional"
os.environ["SECRET_KEY"] = "a-key-that-protects-nothing-but-tests-and-type-checks"
os.environ["TOKEN_ENCRYPTION_KEYS"] = "A" * 43 + "="

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, STORAGES  # noqa: E402

if os.environ.get("TEST_DATABASE_NAME"):  # one that is set up already: pytest --reuse-db
    DATABASES["default"]["TEST"] = {"NAME": os.environ["TEST_DATABASE_NAME"]}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
MEDIA_COPIES = False  # tests of pictures switch them on
USAGE_FLUSH_SECONDS = 0.0  # no background thread: tests flush the counters themselves
DATABASE_STATEMENT_SECONDS = 60.0  # a busy machine may make tests slow
