"""`make faults`: the service under faults, and its figures.

    python -m tests.faults [FIGURE …] [arguments for pytest, beginning with a dash]

Starts a PostgreSQL and a Redis of its own, runs the tests of all figures (or of those named, such as Q1 A3) and writes
what they measured into docs/reliability.md. Takes about a quarter of an hour on two idle cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path

from tests.faults import report
from tests.faults.catalogue import FIGURES
from tests.faults.stores import running_stores
from tests.figures import FILE

DOCUMENT = Path("docs/reliability.md")
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
    with tempfile.TemporaryDirectory(prefix="figures-") as folder, running_stores() as stores:
        lines = Path(folder) / "lines"
        lines.touch()
        environment = {**os.environ, FILE: str(lines), "PYTHONDONTWRITEBYTECODE": ""}
        statuses = [
            _run(tests, environment | own, extra)
            for tests, own in (
                (_tests(wanted, on_sqlite=False), stores),
                (_tests(wanted, on_sqlite=True), {"DATABASE_URL": "", "REDIS_URL": ""}),
            )
            if tests
        ]
        measured = [report.Line(**json.loads(line)) for line in lines.read_text().splitlines()]
    seconds = time.monotonic() - began
    is_whole = set(wanted) == set(FIGURES) and not extra
    if is_whole:
        text = f"{seconds:.0f} s on {os.cpu_count()} cores at a load of {os.getloadavg()[2]:.1f}"
        measured.append(
            report.Line("M2", "the whole run", text, seconds <= LONGEST_SECONDS and not any(statuses))
        )
    DOCUMENT.write_text(report.updated(DOCUMENT.read_text(), measured, is_whole=is_whole))
    missed = [f"{line.name} {line.part}" for line in measured if not line.is_met]
    print(f"\n{len(measured)} lines of figures in {seconds:.0f} s; goals missed: {missed or 'none'}")
    return max(statuses)


def _tests(wanted: list[str], *, on_sqlite: bool) -> list[str]:
    """In the order of the catalogue, each once."""
    chosen = (figure for name, figure in FIGURES.items() if name in wanted and figure.on_sqlite is on_sqlite)
    return list(dict.fromkeys(test for figure in chosen for test in figure.tests))


def _run(tests: list[str], environment: dict[str, str], extra: list[str]) -> int:
    return subprocess.run([*PYTEST, *extra, *tests], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
