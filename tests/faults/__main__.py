"""`make faults`: the service under faults, and its figures.

    python -m tests.faults [FIGURE …] [arguments for pytest, beginning with a dash]

Starts a PostgreSQL and a Redis of its own, runs the tests of all figures (or of those named, such as Q1 A3) and writes
what they measured into docs/reliability.md. Takes about a quarter of an hour on two idle cores.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path

from tests.faults import report
from tests.faults.catalogue import FIGURES
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
            with running_stores() as stores:
                statuses.append(_run(_tests(wanted, on_sqlite=False), environment | stores, extra))
            statuses.append(_run(_tests(wanted, on_sqlite=True), environment | WITHOUT_STORES, extra))
        finally:
            measured += [report.Line(**json.loads(line)) for line in lines.read_text().splitlines()]
            seconds = time.monotonic() - began
            is_whole = set(wanted) == set(FIGURES) and not extra and statuses == [0, 0] and SHARE == 1
            if is_whole:
                text = f"{seconds:.0f} s on {os.cpu_count()} cores at a load of {os.getloadavg()[2]:.1f}"
                measured.append(report.Line("M2", "the whole run", text, seconds <= LONGEST_SECONDS))
            DOCUMENT.write_text(report.updated(DOCUMENT.read_text(), measured, is_whole=is_whole))
    missed = [f"{line.name} {line.part}" for line in measured if not line.is_met]
    print(f"\n{len(measured)} lines of figures in {seconds:.0f} s; goals missed: {missed or 'none'}")
    return max(statuses)


def _tests(wanted: list[str], *, on_sqlite: bool) -> list[str]:
    """In the order of the catalogue, each once."""
    chosen = (figure for name, figure in FIGURES.items() if name in wanted and figure.on_sqlite is on_sqlite)
    return list(dict.fromkeys(test for figure in chosen for test in figure.tests))


def _run(tests: list[str], environment: dict[str, str], extra: list[str]) -> int:
    if not tests:
        return 0
    return subprocess.run([*PYTEST, *extra, *tests], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
