"""`make test`: every test, on SQLite without Redis, and again on PostgreSQL with Redis where they are to be had.

A DATABASE_URL set outside chooses one leg. A missing server skips its leg with the reason, and fails when CI is set.
What looks at pages in a browser, at the proxy, or at the client, whatever store is behind, runs in the first leg only.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

POSTGRES = ("127.0.0.1", 5432, "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = ("127.0.0.1", 6379, "redis://127.0.0.1:6379/9")


def main() -> int:
    extra = sys.argv[1:]
    if os.environ.get("DATABASE_URL"):
        return pytest("as DATABASE_URL and REDIS_URL say", {}, extra)
    legs = [pytest("SQLite, without Redis", {"REDIS_URL": ""}, extra)]
    missing = [f"{host}:{port}" for host, port, _ in (POSTGRES, REDIS) if not listens(host, port)]
    if missing:
        print(
            f"\nSkipped: PostgreSQL with Redis, as nothing listens on {' and '.join(missing)}.",
            file=sys.stderr,
        )
        legs.append(1 if os.environ.get("CI") == "true" else 0)
    else:
        urls = {"DATABASE_URL": POSTGRES[2], "REDIS_URL": REDIS[2]}
        legs.append(pytest("PostgreSQL with Redis", urls, ["-m", "not storeless", *extra]))
    return max(legs)


def pytest(title: str, environment: dict[str, str], extra: list[str]) -> int:
    print(f"\n=== {title} ===", flush=True)
    command = [sys.executable, "-m", "pytest", *extra]
    return subprocess.run(command, env={**os.environ, **environment}).returncode


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
