"""Measure warm reads of one feed: requests per second and latency, with everything on one machine.

    python -m benchmarks.warm_reads --clients 16 --seconds 10

Runs on SQLite without Redis unless DATABASE_URL and REDIS_URL are set. The clients share the machine with the service,
so compare the figures only with those of another release on the same machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.processes.service import FEED_PATH, Service, running_service


def read_for(port: int, path: str, seconds: float) -> list[float]:
    """Read on one connection, one request after the other. Returns the milliseconds of each read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    took = []
    ends_at = time.monotonic() + seconds
    while (began := time.monotonic()) < ends_at:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        took.append((time.monotonic() - began) * 1_000)
    connection.close()
    return took


def measure(service: Service, clients: int, seconds: float) -> dict[str, float]:
    token = service.instance(service.workspace(), "acme.bakery")["embedToken"]
    assert service.read(token).json["posts"]
    port, path = service.web_ports[0], f"{FEED_PATH}?token={token}"
    with ThreadPoolExecutor(clients) as pool:
        reads = list(pool.map(lambda _: read_for(port, path, seconds), range(clients)))
    took = sorted(milliseconds for client in reads for milliseconds in client)
    return {
        "clients": clients,
        "readsPerSecond": round(len(took) / seconds),
        "medianMilliseconds": round(statistics.median(took), 1),
        "p99Milliseconds": round(took[int(len(took) * 0.99)], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(
            Path(folder), DEBUG="false", THROTTLE_READS_PER_ADDRESS="0", THROTTLE_READS_PER_INSTANCE="0"
        ) as service,
    ):
        print(json.dumps(measure(service, arguments.clients, arguments.seconds)))


if __name__ == "__main__":
    main()
