"""gunicorn's settings, from the environment. Requests that wait for Meta occupy threads; slow clients don't."""

import os
import resource
import sys
from pathlib import Path

# gunicorn adds this path only after it has read this file.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from foundation.logs import to_stderr
from paris_integration import log_secrets as secrets_of_meta
from venice_api import log_secrets as secrets_of_links

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY") or "1")
worker_class = "foundation.web_worker.PatientWorker"
# At most 176 requests wait for Meta (paris_integration.waiting). The other threads keep answering.
threads = int(os.environ.get("WEB_THREADS") or "192")
backlog = 2048
# At this limit, the client that has kept the worker waiting longest is dropped for a new one.
worker_connections = int(os.environ.get("WEB_CONNECTIONS") or "2000")
# Each connection needs a file descriptor; 200 more are for everything else.
_files, _files_at_most = resource.getrlimit(resource.RLIMIT_NOFILE)
if _files < worker_connections + 200 and (_files_at_most == -1 or _files_at_most >= worker_connections + 200):
    resource.setrlimit(resource.RLIMIT_NOFILE, (worker_connections + 200, _files_at_most))
keepalive = 15
timeout = 60
graceful_timeout = 25
limit_request_line = 8190
control_socket_disable = True
logger_class = "foundation.gunicorn_logger.NoAccessLog"  # the URL of a feed may contain an embed token
loglevel = (os.environ.get("LOG_LEVEL") or "info").lower()
# gunicorn's own lines quote requests that it cannot parse, so they're redacted like the service's. The master process
# never reads the Django settings.
secrets_of_meta.redact_in_logs()
secrets_of_links.redact_in_logs()
logconfig_dict = {
    **to_stderr(os.environ.get("LOG_FORMAT") or "json"),
    "root": {"handlers": ["stderr"]},
    "loggers": {
        name: {"handlers": ["stderr"], "propagate": False} for name in ("gunicorn.error", "gunicorn.access")
    },
}


def worker_exit(server: object, worker: object) -> None:
    """Write the counts that are still in memory."""
    from foundation.buffers import flush_all

    flush_all()
