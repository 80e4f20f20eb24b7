"""gunicorn's logger without its access log: the service logs requests itself, by route, without the URL."""

from __future__ import annotations

from gunicorn.glogging import Logger


class NoAccessLog(Logger):  # type: ignore[misc]
    # With `logconfig_dict`, gunicorn would write an access line for each request even if `accesslog` is None.
    @property
    def access_log_enabled(self) -> bool:
        return False
