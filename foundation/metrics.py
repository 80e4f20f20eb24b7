"""Every counter and histogram of the service, by name; how they reach one page stands in `metric_files`.

Labels are `workspace`, `reason`, `kind`, `outcome`, `result` and `layer`, each with a bounded set of values. What
is counted is counted once, in the process where it happened, when it has happened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

UNKNOWN_WORKSPACE = "_unknown"  # the request named no widget that exists
OTHER_WORKSPACES = "_other"  # beyond METRICS_WORKSPACE_LIMIT

LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

feed_requests = Counter(
    "instagram_feed_requests_total",
    "Feed requests answered, by what the reader got. Pre-flights are none.",
    ["workspace", "result"],
)
refresh_attempts = Counter(
    "instagram_refresh_attempts_total",
    "Flights to the provider that ended, by who asked (automatic, forced, cold, preview) and how.",
    ["workspace", "kind", "outcome"],
)
refresh_blocked = Counter(
    "instagram_refresh_blocked_total", "Refreshes asked for and not made, by reason.", ["workspace", "reason"]
)
provider_errors = Counter(
    "instagram_provider_errors_total",
    "Errors of the provider that a refresh or a renewal met, by class.",
    ["workspace", "reason"],
)
provider_calls = Counter(
    "instagram_provider_calls_total",
    "HTTP calls to Meta, by class of answer (2xx, 3xx, 4xx, 5xx, none).",
    ["result"],
)
token_renewals = Counter(
    "instagram_token_renewals_total", "Token renewals tried, by how they ended.", ["outcome"]
)
cache_requests = Counter(
    "instagram_cache_requests_total",
    "Look-ups in the cache: hit, recheck (too old to be believed), miss; by what was looked for.",
    ["result", "layer"],
)
latency = Histogram(
    "instagram_latency_seconds",
    "How long an answer to a feed request took (venice), the feed for it (paris), one HTTP call to Meta (provider).",
    ["layer"],
    buckets=LATENCY_BUCKETS_SECONDS,
)
# Of times that pass, the latest counts, whichever process wrote it and whether or not it lives.
beat_last_tick = Gauge(
    "instagram_beat_last_tick_timestamp_seconds", "When beat last sent a task.", multiprocess_mode="max"
)
worker_last_seen = Gauge(
    "instagram_worker_last_seen_timestamp_seconds",
    "When a worker last gave a sign of life.",
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
