"""`make test`: all tests, on SQLite without Redis, and on PostgreSQL with Redis. tests/legs.py says what runs where.

    python -m tests [--fast] [arguments for pytest]

DATABASE_URL and REDIS_URL, when set, choose one leg, and it runs everything. Without a PostgreSQL and a Redis on this
machine, their leg is skipped with the reason, or fails when CI is true. `--fast` runs the unit tests of the SQLite leg.
Arguments such as `--durations=20`, `-k` and a path go to pytest; so does `-n 0`, for one process and a debugger.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

POSTGRES = ("127.0.0.1", 5432, "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = ("127.0.0.1", 6379, "redis://127.0.0.1:6379/9")
# Workers side by side. A file's tests stay together, as they share what its fixtures have started.
PARALLEL = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
FAST = [
    "--leg=sqlite",
    "-m",
    "not processes and not slow",
    "--ignore=tests/clients",
    "--ignore=tests/deployment",
]
NO_TESTS = 5  # pytest's exit status where the arguments select none


def main() -> int:
    extra = sys.argv[1:]
    if "--fast" in extra:
        extra.remove("--fast")
        return summary([pytest("SQLite, unit tests", {"REDIS_URL": ""}, [*FAST, *extra])])
    if os.environ.get("DATABASE_URL"):
        return summary([pytest("as DATABASE_URL and REDIS_URL say", {}, extra)])
    legs = [pytest("SQLite, without Redis", {"REDIS_URL": ""}, ["--leg=sqlite", *extra])]
    missing = [f"{host}:{port}" for host, port, _ in (POSTGRES, REDIS) if not listens(host, port)]
    if missing:
        text = f"skipped, as nothing listens on {' and '.join(missing)}"
        legs.append(("PostgreSQL with Redis", 1 if os.environ.get("CI") == "true" else 0, text))
    else:
        urls = {"DATABASE_URL": POSTGRES[2], "REDIS_URL": REDIS[2]}
        legs.append(pytest("PostgreSQL with Redis", urls, ["--leg=postgres", *extra]))
    return summary(legs)


Leg = tuple[str, int, str]


def pytest(title: str, environment: dict[str, str], arguments: list[str]) -> Leg:
    print(f"\n=== {title} ===", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *PARALLEL, *arguments]
    # Tests and packages are compiled once, not by every worker of every leg.
    environment = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": ""}
    status = subprocess.run(command, env=environment).returncode
    said = {0: "passed", NO_TESTS: "no tests selected"}.get(status, "FAILED")
    return title, 0 if status == NO_TESTS else status, f"{said}, {time.monotonic() - began:.0f} s"


def summary(legs: list[Leg]) -> int:
    """One line per leg, and the exit status of all."""
    print()
    for title, status, text in legs:
        print(f"{title}: {text}", file=sys.stderr if status else sys.stdout)
    return max(status for _, status, _ in legs)


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
