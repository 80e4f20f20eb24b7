"""The service's settings as tests see them, whatever the developer's shell holds."""

import os

for _name in (
    "ALLOWED_HOSTS", "DEBUG", "DEMO", "HASHTAG_UNICODE", "LOG_LEVEL", "MEDIA_HOSTS", "PUBLIC_BASE_URL",
    "PUBLIC_MODE_ACCESS_TOKEN", "PUBLIC_MODE_IG_USER_ID", "SECRET_KEY", "TOKEN_ENCRYPTION_KEYS",
):  # fmt: skip
    os.environ.pop(_name, None)

from config.settings import *  # noqa: E402, F403
