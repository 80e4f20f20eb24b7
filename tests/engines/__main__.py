"""`make engines`: the tests of processes and races behind PgBouncer, and with RabbitMQ and a failover of PostgreSQL.

    python -m tests.engines [arguments for pytest]

DATABASE_URL and REDIS_URL name the servers; local ones by default. First runs tests/engines, then tests/processes and
tests/races twice behind a PgBouncer in transaction mode: with the service's own pool, and with DATABASE_POOL_SIZE=0.
With arguments, runs what they select instead of the last two folders.
"""

from __future__ import annotations

import os
import sys

from tests.__main__ import POSTGRES, REDIS, pytest, summary
from tests.processes.pgbouncer import pgbouncer


def main() -> int:
    selected = sys.argv[1:] or ["tests/processes", "tests/races"]
    server = os.environ.get("DATABASE_URL") or POSTGRES[2]
    stores = {"DATABASE_URL": server, "REDIS_URL": os.environ.get("REDIS_URL") or REDIS[2]}
    legs = [pytest("RabbitMQ and failover of PostgreSQL", stores, ["--engines", "tests/engines"])]
    for pool_size in ("10", "0"):
        with pgbouncer(server) as url:
            behind = {"DATABASE_URL": url, "DATABASE_SERVER_URL": server, "DATABASE_POOL_SIZE": pool_size}
            # PgBouncer is still connected to pytest-django's database at the end, so it can't be dropped then.
            kept = ["--reuse-db", "--create-db"]
            title = f"behind PgBouncer, DATABASE_POOL_SIZE={pool_size}"
            legs.append(pytest(title, {**stores, **behind}, [*kept, *selected]))
    return summary(legs)


if __name__ == "__main__":
    sys.exit(main())
