"""`make faults`: the service under faults, and its figures.

    python -m tests.faults [FIGURE …] [arguments for pytest, beginning with a dash]

Starts a separate PostgreSQL and Redis, runs the tests of all figures (or of those named, such as Q1 A3) and writes
what they measured into docs/reliability.md. Takes about a quarter of an hour on two idle cores.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import IO

from tests.faults import report
from tests.faults.catalogue import FIGURES, Lane
from tests.faults.stores import running_stores
from tests.figures import FILE, SHARE

DOCUMENT = Path("docs/reliability.md")
WITHOUT_STORES = {"DATABASE_URL": "", "REDIS_URL": ""}
LONGEST_SECONDS = 15 * 60
# No plug-in of parallel workers: the scenarios measure times, and share the stores.
PYTEST = [sys.executable, "-m", "pytest", "-q", "--capture=sys", "-p", "no:xdist", "-p", "no:cacheprovider"]


def main() -> int:
    wanted = list(takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:]))
    extra = sys.argv[1 + len(wanted) :]
    wanted = wanted or list(FIGURES)
    unknown = set(wanted) - set(FIGURES)
    if unknown:
        print(
            f"There is no figure {', '.join(sorted(unknown))}. Figures: {' '.join(FIGURES)}", file=sys.stderr
        )
        return 2
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped, too
    measured: list[report.Line] = []
    statuses: list[int] = []
    with tempfile.TemporaryDirectory(prefix="figures-") as folder:
        lines = Path(folder) / "lines"
        lines.touch()
        environment = {**os.environ, FILE: str(lines), "PYTHONDONTWRITEBYTECODE": ""}
        try:
            statuses += _run_all(wanted, environment, extra)
        finally:
            measured += [report.Line(**json.loads(line)) for line in lines.read_text().splitlines()]
            seconds = time.monotonic() - began
            is_whole = set(wanted) == set(FIGURES) and not extra and not any(statuses) and SHARE == 1
            if is_whole:
                text = f"{seconds:.0f} s on {os.cpu_count()} cores at a load of {os.getloadavg()[2]:.1f}"
                measured.append(report.Line("M2", "the whole run", text, seconds <= LONGEST_SECONDS))
            DOCUMENT.write_text(report.updated(DOCUMENT.read_text(), measured, is_whole=is_whole))
    missed = [f"{line.name} {line.part}" for line in measured if not line.is_met]
    print(f"\n{len(measured)} lines of figures in {seconds:.0f} s; goals missed: {missed or 'none'}")
    return max(statuses)


def _run_all(wanted: list[str], environment: dict[str, str], extra: list[str]) -> list[int]:
    """The statuses of pytest. What the second lane prints is shown at the end."""

    def second_lane(output: IO[bytes]) -> int:
        with running_stores() as own:
            with_stores = _run(tests[Lane.SECOND], environment | own, extra, output)
        return max(with_stores, _run(tests[Lane.SQLITE], environment | WITHOUT_STORES, extra, output))

    tests = _tests(wanted)
    with running_stores() as stores, tempfile.TemporaryFile() as output, ThreadPoolExecutor() as pool:
        statuses = [_run(tests[Lane.ALONE], environment | stores, extra)]
        second = pool.submit(second_lane, output)
        statuses += [_run(tests[Lane.FIRST], environment | stores, extra), second.result()]
        output.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(output, sys.stdout.buffer)
    return statuses


def _tests(wanted: list[str]) -> dict[Lane, list[str]]:
    """The tests of each lane, in the order of the catalogue. A test of several figures runs once."""
    tests: dict[Lane, list[str]] = {lane: [] for lane in Lane}
    seen: set[str] = set()
    for lane in (Lane.FIRST, Lane.SECOND, Lane.SQLITE, Lane.ALONE):
        for name, figure in FIGURES.items():
            if name in wanted and figure.lane is lane:
                tests[lane] += [test for test in figure.tests if test not in seen]
                seen |= set(figure.tests)
    return tests


def _run(
    tests: list[str], environment: dict[str, str], extra: list[str], output: IO[bytes] | None = None
) -> int:
    if not tests:
        return 0
    command = [*PYTEST, *extra, *tests]
    return subprocess.run(command, env=environment, stdout=output, stderr=output, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
