"""Reads and forced refreshes while the Redis that holds cache and broker is killed, or hangs, and Sentinels replace it.

    python -m tests.races.failover [--hang] --down-after 5000 --webs 2 --workers 2

Needs DATABASE_URL of a PostgreSQL server, and redis-server and redis-sentinel. Creates a database there, and starts its
own Redis servers. Prints one line of figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from tests.processes.members import database_of
from tests.processes.redis_servers import (
    PASSWORD,
    SENTINEL_PASSWORD,
    SERVICE,
    WatchedServers,
    watched_servers,
)
from tests.processes.service import Answer, Service, running_service, wait_until
from tests.races import forced_refresh
from tests.races.herds import SEED

FEEDS = 8
READERS = 6
CLIENTS = 4
PAUSE_SECONDS = 0.05  # a reader's, between two reads
LIMIT_SECONDS = 30
_MAKE_DUE = """
UPDATE paris_integration_feed
SET fetched_at = fetched_at - interval '10 days', next_refresh_at = now() WHERE source_value LIKE 'load.herd%'
"""


@dataclass(frozen=True)
class Verdict:
    """Times count from the fault. Read times are in milliseconds."""

    new_primary_after_seconds: float
    first_refresh_after_seconds: float
    all_refreshed_after_seconds: float
    reads: dict[str, int]
    read_median_ms: float
    read_p99_ms: float
    read_longest_ms: float
    forced: dict[str, int]
    units_used: int
    complaints: list[str]

    @property
    def is_right(self) -> bool:
        in_time = self.all_refreshed_after_seconds < LIMIT_SECONDS
        return set(self.reads) == set(self.forced) == {"200"} and not self.complaints and in_time


@contextmanager
def service_with_sentinels(
    folder: Path, *, webs: int, workers: int, down_after_ms: int
) -> Iterator[tuple[Service, WatchedServers]]:
    """Cache and broker are different databases of the same watched servers."""
    with watched_servers(folder, down_after_ms=down_after_ms) as servers:
        login = f":{quote(PASSWORD, safe='')}@"
        options = f"?service={SERVICE}&sentinel_password={quote(SENTINEL_PASSWORD, safe='')}"
        urls = {
            name: f"redis+sentinel://{login}{servers.hosts}/{number}{options}"
            for number, name in enumerate(("REDIS_URL", "BROKER_URL"))
        }
        with running_service(folder, webs=webs, **urls) as service:
            for _ in range(workers):
                service.start_worker()
            service.start_beat()
            yield service, servers


def run(service: Service, servers: WatchedServers, *, workers: int, hang: bool) -> Verdict:
    """End the primary, or stop it, while clients read and refresh; go on until all feeds that are due are refreshed."""
    made: dict[str, str] = service.manage("shell", "-v", "0", "-c", SEED.format(herds=FEEDS))
    names, tokens = list(made), list(made.values())
    for token in tokens:
        assert service.read(token).json["posts"]
    wait_until(lambda: service.log().count(" ready.") == workers, 30)
    over = threading.Event()
    answers: list[Answer] = []

    def read(place: int) -> None:
        # Each its own query: the answers differ, and come from Redis or PostgreSQL instead of the process.
        for number in itertools.takewhile(lambda _: not over.is_set(), itertools.count()):
            token = tokens[number % FEEDS]
            query = f"&maxPosts={1 + number % 40}"
            answers.append(service.read(token, web=place % len(service.web_ports), query=query))
            time.sleep(PAUSE_SECONDS)

    def force() -> forced_refresh.Verdict:
        endless = itertools.takewhile(lambda _: not over.is_set(), itertools.count())
        return forced_refresh.run(service, cap=100_000, posts=endless, clients=CLIENTS, with_kills=False)

    with ThreadPoolExecutor(max_workers=READERS + 1) as load:
        forcing = load.submit(force)
        readers = []
        try:
            wait_until(lambda: forcing.done() or _calls(service, "load.race100000") > 0, 180)
            readers = [load.submit(read, place) for place in range(READERS)]
            time.sleep(2)
            before = servers.primary_port()
            servers.servers[before].send_signal(signal.SIGSTOP if hang else signal.SIGKILL)
            began = time.monotonic()
            known = {name: _calls(service, name) for name in names}
            with database_of(service) as database:
                database.execute(_MAKE_DUE)
            times: dict[str, float] = {}

            def note() -> bool:
                now = time.monotonic() - began
                if "primary" not in times and servers.primary_port() != before:
                    times["primary"] = now
                for name in names:
                    if name not in times and _calls(service, name) > known[name]:
                        times[name] = now
                return len(times) == FEEDS + 1

            wait_until(note, 2 * LIMIT_SECONDS)
            time.sleep(1)
        finally:
            over.set()
        for reader in readers:
            reader.result()
        forced = forcing.result()
    seconds = sorted(answer.seconds * 1_000 for answer in answers)
    refreshed = [times[name] for name in names]
    return Verdict(
        new_primary_after_seconds=round(times["primary"], 1),
        first_refresh_after_seconds=round(min(refreshed), 1),
        all_refreshed_after_seconds=round(max(refreshed), 1),
        reads=dict(Counter(str(answer.status) for answer in answers)),
        read_median_ms=round(seconds[len(seconds) // 2], 1),
        read_p99_ms=round(seconds[len(seconds) * 99 // 100], 1),
        read_longest_ms=round(seconds[-1], 1),
        forced=dict(forced.answers),
        units_used=forced.used,
        complaints=forced.complaints(with_kills=False),
    )


def _calls(service: Service, username: str) -> int:
    return sum(call["username"] == username for call in service.standin.calls)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hang", action="store_true", help="stop the primary instead of killing it")
    parser.add_argument("--down-after", type=int, default=5_000, help="of the Sentinels, in milliseconds")
    parser.add_argument("--webs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        service_with_sentinels(
            Path(folder), webs=options.webs, workers=options.workers, down_after_ms=options.down_after
        ) as (service, servers),
    ):
        verdict = run(service, servers, workers=options.workers, hang=options.hang)
    print(json.dumps(asdict(verdict) | {"isRight": verdict.is_right}), flush=True)
    return 0 if verdict.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
