"""The metrics of several processes on one page. Each process writes its own to files in a directory they share.

prometheus_client names the files by process id. The files of ended processes still count, which is right for counters
and for latest times. So that they don't accumulate, every process that starts folds them into one file per kind. The
files of running processes are never touched.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

_OF_PROCESS = re.compile(r"(?P<kind>counter|histogram|gauge_max)_(?P<pid>[0-9]+)\.db")
_OTHER_GAUGE = re.compile(r"gauge_[a-z]+_(?P<pid>[0-9]+)\.db")
FOLDED = "0"  # no process has this id


def directory() -> Path:
    """The shared directory. The settings set the variable before anything imports prometheus_client."""
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


class _WrittenFiles(MultiProcessCollector):
    """Leaves out empty files: a process creates its file before it gives it a size."""

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in directory().glob("*.db") if path.stat().st_size > 0]
        merged: Iterable[Metric] = self.merge(files, accumulate=True)
        return merged


def page_registry() -> CollectorRegistry:
    """A registry of what the files contain. This process's own registry isn't needed: its numbers are in the files."""
    registry = CollectorRegistry()
    _WrittenFiles(registry, path=str(directory()))
    return registry


@contextmanager
def reading() -> Iterator[None]:
    """Allow no folding while the files are read, or a number might be counted twice or not at all."""
    with _locked(fcntl.LOCK_SH):
        yield


def fold_ended() -> int:
    """Add the files of ended processes to the folded ones and remove them. Returns how many files that were."""
    with _locked(fcntl.LOCK_EX):
        ended = [path for path in sorted(directory().glob("*.db")) if _has_ended(path)]
        for path in ended:
            found = _OF_PROCESS.fullmatch(path.name)
            if found is not None and path.stat().st_size > 0:
                _add(path, directory() / f"{found['kind']}_{FOLDED}.db", latest=found["kind"] == "gauge_max")
            path.unlink()
        return len(ended)


def _has_ended(path: Path) -> bool:
    found = _OF_PROCESS.fullmatch(path.name) or _OTHER_GAUGE.fullmatch(path.name)
    return found is not None and found["pid"] != FOLDED and not _is_alive(int(found["pid"]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _add(path: Path, folded: Path, *, latest: bool) -> None:
    sums = MmapedDict(str(folded))
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path)):
            before, _ = sums.read_value(key)
            sums.write_value(key, max(before, value) if latest else before + value, timestamp)
    finally:
        sums.close()


@contextmanager
def _locked(how: int) -> Iterator[None]:
    with (directory() / "lock").open("a") as lock:
        fcntl.flock(lock, how)
        yield
