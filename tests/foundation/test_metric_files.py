"""Metric files: counts of ended processes are kept, counted once, and merged."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import run_python
from tests.metrics import parse

COUNT = """
from prometheus_client import Counter, Gauge, Histogram
Counter("feeds_total", "", ["result"]).labels(result="hit").inc({amount})
Histogram("wait_seconds", "", buckets=[1, 2]).observe({amount})
Gauge("seen_timestamp_seconds", "", multiprocess_mode="max").set({amount})
"""
FOLD_AND_SHOW = """
from foundation import metric_files
from prometheus_client import generate_latest
print("folded", metric_files.fold_ended())
print(generate_latest(metric_files.page_registry()).decode())
"""


def run(code: str, folder: Path) -> str:
    done = run_python("-c", code, env={"PROMETHEUS_MULTIPROC_DIR": str(folder)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_of_ended_processes_are_merged_and_still_counted(tmp_path: Path) -> None:
    for amount in (3, 1, 2):
        run(COUNT.format(amount=amount), tmp_path)
    assert len(list(tmp_path.glob("*.db"))) == 9
    for expected in ("folded 9", "folded 0"):
        said, _, page = run(FOLD_AND_SHOW, tmp_path).partition("\n")
        assert said == expected
        seen = parse(page)
        assert seen[("feeds_total", (("result", "hit"),))] == 6
        assert seen[("wait_seconds_count", ())] == 3
        assert seen[("wait_seconds_bucket", (("le", "2.0"),))] == 2
        assert seen[("seen_timestamp_seconds", ())] == 3
    assert sorted(path.name for path in tmp_path.glob("*.db")) == [
        "counter_0.db", "gauge_max_0.db", "histogram_0.db",
    ]  # fmt: skip


def test_files_of_running_processes_are_kept(tmp_path: Path) -> None:
    said = run(COUNT.format(amount=5) + FOLD_AND_SHOW, tmp_path)
    assert said.startswith("folded 0")
    assert parse(said.partition("\n")[2])[("feeds_total", (("result", "hit"),))] == 5


def test_a_file_that_is_being_created_or_was_never_written_does_no_harm(tmp_path: Path) -> None:
    """A process opens its file before it gives it a size, and may be killed in between."""
    (tmp_path / "counter_1.db").touch()  # of a running process
    (tmp_path / "histogram_4194400.db").touch()  # beyond the largest id of a process: it has ended
    said, _, page = run(COUNT.format(amount=5) + FOLD_AND_SHOW, tmp_path).partition("\n")
    assert said == "folded 1"
    assert parse(page)[("feeds_total", (("result", "hit"),))] == 5
