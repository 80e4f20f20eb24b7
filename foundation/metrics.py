"""Metrics that any service has: cache look-ups, latency by layer, signs of life of worker and beat.

Apps define their own metrics beside the code that counts. METRICS_NAMESPACE is the first word of these names. A label
has a bounded set of values. `metric_files` brings the numbers of all processes onto one page.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

cache_requests = Counter(
    "cache_requests_total",
    "Look-ups in the cache: hit, recheck (too old to be believed), miss; by what was looked for.",
    ["result", "layer"],
    namespace=settings.METRICS_NAMESPACE,
)
latency = Histogram(
    "latency_seconds",
    "How long this layer took to answer.",
    ["layer"],
    namespace=settings.METRICS_NAMESPACE,
    buckets=LATENCY_BUCKETS_SECONDS,
)
# Both are times that pass: the latest counts, whichever process wrote it and whether or not that process still runs.
beat_last_tick = Gauge(
    "beat_last_tick_timestamp_seconds",
    "When beat last sent a task.",
    namespace=settings.METRICS_NAMESPACE,
    multiprocess_mode="max",
)
worker_last_seen = Gauge(
    "worker_last_seen_timestamp_seconds",
    "When a worker last gave a sign of life.",
    namespace=settings.METRICS_NAMESPACE,
    multiprocess_mode="max",
)


@contextmanager
def timed(layer: str) -> Iterator[None]:
    """Observe how long the block took, also when it raises."""
    began = time.perf_counter()
    try:
        yield
    finally:
        latency.labels(layer=layer).observe(time.perf_counter() - began)
