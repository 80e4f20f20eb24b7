"""The metrics page, for web processes and for workers with their own port."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.exposition import ThreadingWSGIServer

from foundation import metric_files, threads
from foundation.metrics_access import may_read
from paris_integration.observing.gauges import DatabaseGauges

logger = logging.getLogger(__name__)
_making = threading.Lock()


def metrics_text() -> tuple[bytes, str]:
    """The page and its content type."""
    # One page at a time: building one takes tens of megabytes, and concurrent pages would be identical.
    with _making, metric_files.reading():
        numbers = generate_latest(metric_files.page_registry())
    return numbers + generate_latest(DatabaseGauges()), CONTENT_TYPE_LATEST


def announce_worker_metrics() -> None:
    """Log where a worker's metrics are served. Serves them on WORKER_METRICS_PORT if it is set."""
    directory = str(metric_files.directory())
    if not settings.WORKER_METRICS_PORT:
        logger.info(
            "metrics are served on /metrics of web processes that share PROMETHEUS_MULTIPROC_DIR",
            extra={"fields": {"directory": directory}},
        )
        return
    address = (settings.WORKER_METRICS_HOST, settings.WORKER_METRICS_PORT)
    # One thread per scrape, so that a slow scraper doesn't block others.
    server = make_server(*address, _application, ThreadingWSGIServer, _Handler)
    threads.start(server.serve_forever)
    url = f"http://{address[0]}:{address[1]}/metrics"
    logger.info("metrics are served at %s", url, extra={"fields": {"directory": directory}})


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes aren't logged."""


def _application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return threads.run(_page, environ, start_response)


def _page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ.get("PATH_INFO") != "/metrics":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics\n"]
    if not may_read(environ, settings.METRICS_TOKEN):
        start_response("401 Unauthorized", [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")])
        return [b"Send METRICS_TOKEN as a bearer token.\n"]
    content, content_type = metrics_text()
    start_response("200 OK", [("Content-Type", content_type), ("Cache-Control", "no-store")])
    return [content]
