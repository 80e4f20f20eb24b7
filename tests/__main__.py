"""`make test`: run all tests, on SQLite without Redis and on PostgreSQL with Redis. See tests/legs.py.

    python -m tests [--fast] [arguments for pytest]

If DATABASE_URL is set, all tests run once, with it and REDIS_URL. Otherwise both legs run side by side. When PostgreSQL
or Redis isn't running on this machine, the PostgreSQL leg is skipped, or fails if CI is true. `--fast` runs the unit
tests of the SQLite leg. Other arguments, such as `--durations=20`, `-k` and a path, are passed to pytest. Use `-n 0` to
run in one process, for a debugger.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO

POSTGRES = ("127.0.0.1", 5432, "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = ("127.0.0.1", 6379, "redis://127.0.0.1:6379/9")
# The tests of a file run in one worker, as they share the servers that its fixtures start.
PARALLEL = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
FAST = [
    "--leg=sqlite",
    "-m",
    "not processes and not slow",
    "--ignore=tests/clients",
    "--ignore=tests/deployment",
]
NO_TESTS = 5  # pytest's exit status when the arguments select no tests


def main() -> int:
    extra = sys.argv[1:]
    if "--fast" in extra:
        extra.remove("--fast")
        return summary([pytest("SQLite, unit tests", {"REDIS_URL": ""}, [*FAST, *extra])])
    if os.environ.get("DATABASE_URL"):
        return summary([pytest("DATABASE_URL and REDIS_URL", {}, extra)])
    sqlite = ("SQLite, without Redis", {"REDIS_URL": ""}, ["--leg=sqlite", *extra])
    missing = [f"{host}:{port}" for host, port, _ in (POSTGRES, REDIS) if not listens(host, port)]
    if missing:
        text = f"skipped, nothing listens on {' and '.join(missing)}"
        status = 1 if os.environ.get("CI") == "true" else 0
        return summary([pytest(*sqlite), ("PostgreSQL with Redis", status, text)])
    urls = {"DATABASE_URL": POSTGRES[2], "REDIS_URL": REDIS[2]}
    # Side by side: most of the time, a test of processes waits for them.
    with ThreadPoolExecutor() as pool, tempfile.TemporaryFile() as output:
        other = pool.submit(pytest, "PostgreSQL with Redis", urls, ["--leg=postgres", *extra], output)
        legs = [pytest(*sqlite), other.result()]
        output.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.flush()
    return summary(legs)


Leg = tuple[str, int, str]


def pytest(
    title: str, environment: dict[str, str], arguments: list[str], output: IO[bytes] | None = None
) -> Leg:
    """Run one leg. `output`: where to write what it prints, when another leg is printing."""
    heading = f"\n=== {title} ===\n"
    if output is None:
        print(heading, end="", flush=True)
    else:
        output.write(heading.encode())
        output.flush()
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *PARALLEL, *arguments]
    # Tests and packages are compiled once, not by every worker of every leg.
    environment = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": ""}
    status = subprocess.run(command, env=environment, stdout=output, stderr=output).returncode
    result = {0: "passed", NO_TESTS: "no tests selected"}.get(status, "FAILED")
    return title, 0 if status == NO_TESTS else status, f"{result}, {time.monotonic() - began:.0f} s"


def summary(legs: list[Leg]) -> int:
    """Print one line per leg. Returns the highest exit status."""
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
