"""Apply the mutants one by one in copies of the project, and run the tests that must fail.

    python -m tests.mutants [--jobs N] [WORD …]

With words: only the mutants whose name or file contains one of them. A mutant is killed if one of its tests fails. A
test that can't be collected or set up, takes too long, or meets an undefined name doesn't count. First, the same tests
must pass without a mutant. Prints a line per mutant and a summary; the exit status is 1 unless all were killed.

Needs PostgreSQL and Redis (DATABASE_URL, REDIS_URL), or those on the standard local ports. Empties that Redis database.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree

from tests.__main__ import POSTGRES, REDIS, listens
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.processes.forking import ROOT
from tests.processes.service import migrated_database, migrated_sqlite

NOT_COPIED = ("__pycache__", "node_modules", "var", ".*_cache", ".git", ".venv", ".hypothesis")
# Without the plugins that take long to import.
PYTEST = (
    "-q", "-x", "--tb=short", "--reuse-db", "-p", "no:anyio", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
    "-p", "no:schemathesis", "-p", "no:xdist",
)  # fmt: skip
CONTROL_SECONDS = 600.0
# A mutant may take this much longer than its tests without it.
LIMIT_FACTOR, LIMIT_SECONDS = 5, 60.0
SHOWN = 100  # characters of a test's message
# Errors of the change itself, not of what it changes.
BROKEN = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "SyntaxError")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended. `failed`: the test that failed, or empty. `why`: its message, or what else happened."""

    seconds: float
    passed: frozenset[str] = frozenset()
    failed: str = ""
    why: str = ""


@dataclass
class Group:
    """The mutants whose tests are in the same files, and how these tests ended without a mutant."""

    needs_postgres: bool
    mutants: list[Mutant] = field(default_factory=list)
    control: Outcome = Outcome(0, why="not run")

    @property
    def tests(self) -> list[str]:
        return list(dict.fromkeys(test for mutant in self.mutants for test in mutant.killed_by))


class Copy:
    """A copy of the project, and the process that runs tests in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.worker"],
            cwd=root,
            env={**_environment(), "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def run(self, tests: Sequence[str], environment: dict[str, str], *, seconds: float) -> Outcome:
        report = self.root.with_suffix(".xml")
        report.unlink(missing_ok=True)
        order = {
            "arguments": [*PYTEST, f"--junit-xml={report}", *tests],
            "environment": {**_environment(), **environment},
            "seconds": seconds,
        }
        began = time.monotonic()
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        answer = json.loads(self._answers.readline())
        return outcome_of(report, answer, time.monotonic() - began)

    def end(self) -> None:
        self._orders.close()
        self._process.wait(30)
        self._answers.close()


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    # A mutant must not be compiled for the next run.
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "PYTHONDONTWRITEBYTECODE": "1"}


def outcome_of(report: Path, answer: dict[str, Any], seconds: float) -> Outcome:
    if answer["status"] is None:
        return Outcome(seconds, why="timed out")
    if answer["status"] not in (0, 1) or not report.is_file():
        last = (str(answer["output"]).strip().splitlines() or [""])[-1]
        return Outcome(seconds, why=f"pytest ended with {answer['status']}: {last}")
    passed = set()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        name = f"{case.get('classname')}::{case.get('name')}"
        for kind in ("failure", "error", "skipped"):
            found = case.find(kind)
            if found is not None:
                why = ((found.get("message") or "").strip().splitlines() or [kind])[0]
                failed = name.rpartition(".")[2] if kind == "failure" else ""
                return Outcome(
                    seconds, frozenset(passed), failed, why if failed else f"{kind} in {name}: {why}"
                )
        passed.add(name.partition("[")[0])
    return Outcome(seconds, frozenset(passed))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    mutants = [
        mutant
        for mutant in MUTANTS
        if not options.words or any(word in f"{mutant.name} {mutant.file}" for word in options.words)
    ]
    if not mutants:
        print("No mutant has such a name.", file=sys.stderr)
        return 2
    for mutant in mutants:
        mutant.check(ROOT)
    if any(mutant.needs_postgres for mutant in mutants):
        missing = [f"{host}:{port}" for host, port in _servers() if not listens(host, port)]
        if missing:
            print(f"Nothing listens on {' and '.join(missing)}.", file=sys.stderr)
            return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        killed = Hunt(mutants, Path(folder), jobs=options.jobs).run()
    print(f"killed {killed} of {len(mutants)} in {time.monotonic() - began:.0f} s")
    return 0 if killed == len(mutants) else 1


def _servers() -> list[tuple[str, int]]:
    os.environ.setdefault("DATABASE_URL", POSTGRES[2])
    os.environ.setdefault("REDIS_URL", REDIS[2])
    urls = [urlsplit(os.environ[name]) for name in ("DATABASE_URL", "REDIS_URL")]
    ports = (POSTGRES[1], REDIS[1])
    return [(url.hostname or "", url.port or port) for url, port in zip(urls, ports, strict=True)]


class Hunt:
    """Runs all controls, and then all mutants, in as many copies as there are jobs."""

    def __init__(self, mutants: Sequence[Mutant], folder: Path, *, jobs: int) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._killed = 0
        groups: dict[tuple[object, ...], Group] = {}
        for mutant in mutants:
            paths = {test.partition("::")[0] for test in mutant.killed_by}
            key = (mutant.needs_postgres, *sorted(paths))
            groups.setdefault(key, Group(mutant.needs_postgres)).mutants.append(mutant)
        self._groups = sorted(groups.values(), key=lambda group: -len(group.mutants))
        self._copies = [Copy(root) for root in self._copied(jobs)]

    def run(self) -> int:
        """Returns how many mutants were killed."""
        try:
            began = time.monotonic()
            self._share([(group, group.needs_postgres) for group in self._groups], self._check)
            print(f"the tests without mutants took {time.monotonic() - began:.0f} s", flush=True)
            waiting = [(group, mutant) for group in self._groups for mutant in group.mutants]
            self._share([(each, each[1].needs_postgres) for each in waiting], self._try)
        finally:
            for copy in self._copies:
                copy.end()
        return self._killed

    def _copied(self, number: int) -> list[Path]:
        roots = [self._folder / str(place) for place in range(number)]
        shutil.copytree(ROOT, roots[0], ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        # By their hash: a mutant may have the length of the original, and be written in the same second.
        compileall.compile_dir(roots[0], quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        for root in roots[1:]:
            shutil.copytree(roots[0], root, symlinks=True)
        return roots

    def _share(self, items: Sequence[tuple[Item, bool]], work: Callable[[Copy, Item], None]) -> None:
        """Do the work on all items, in all copies. Those that need PostgreSQL share a Redis database, and one copy."""
        queues: dict[bool, SimpleQueue[Item]] = {True: SimpleQueue(), False: SimpleQueue()}
        for item, needs_postgres in items:
            queues[needs_postgres].put(item)

        def take(copy: Copy, waiting: Sequence[SimpleQueue[Item]]) -> None:
            for each in waiting:
                with suppress(Empty):
                    while True:
                        work(copy, each.get_nowait())

        with ThreadPoolExecutor(max_workers=len(self._copies)) as pool:
            first, *others = self._copies
            futures = [pool.submit(take, first, (queues[True], queues[False]))]
            futures += [pool.submit(take, copy, (queues[False],)) for copy in others]
        for future in futures:
            future.result()

    def _check(self, copy: Copy, group: Group) -> None:
        with self._stores(group.needs_postgres) as environment:
            group.control = copy.run(group.tests, environment, seconds=CONTROL_SECONDS)

    def _try(self, copy: Copy, waiting: tuple[Group, Mutant]) -> None:
        group, mutant = waiting
        control = group.control
        missing = [test for test in mutant.killed_by if _in_report(test) not in control.passed]
        if control.why or missing:
            words = f"without it: {control.failed} {control.why}" if control.why else f"not run: {missing[0]}"
            self._say(mutant, "NOT TRIED", control, words)
            return
        seconds = LIMIT_SECONDS + LIMIT_FACTOR * control.seconds
        with mutant.applied(copy.root), self._stores(group.needs_postgres) as environment:
            if mutant.is_migration:
                _apply_again(mutant, copy.root, environment)
            outcome = copy.run(mutant.killed_by, environment, seconds=seconds)
        if outcome.failed and not outcome.why.startswith(BROKEN):
            self._say(mutant, "killed", outcome, f"by {outcome.failed}: {outcome.why[:SHOWN]}")
        else:
            self._say(mutant, "SURVIVED", outcome, f"{outcome.failed} {outcome.why}".strip())

    def _say(self, mutant: Mutant, verdict: str, outcome: Outcome, words: str) -> None:
        with self._lock:
            self._killed += verdict == "killed"
            print(f"{verdict:9} {outcome.seconds:5.1f} s  {mutant.name}  {words}", flush=True)

    @contextmanager
    def _stores(self, needs_postgres: bool) -> Iterator[dict[str, str]]:
        """A new database for each run, because a failed test may leave rows behind."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder, ExitStack() as stack:
            # One at a time: the first one makes the template.
            with self._lock:
                if needs_postgres:
                    url = stack.enter_context(migrated_database(Path(folder)))
                else:
                    url = migrated_sqlite(Path(folder))
            if not needs_postgres:
                yield {"TEST_DATABASE_NAME": url.removeprefix("sqlite:///")}
                return
            yield {
                "TEST_DATABASE_NAME": urlsplit(url).path.strip("/"),
                "DATABASE_URL": os.environ["DATABASE_URL"],
                "REDIS_URL": os.environ["REDIS_URL"],
            }


def _apply_again(mutant: Mutant, root: Path, environment: dict[str, str]) -> None:
    """Undo the mutant's migration in this database, and apply it as it is now."""
    path = Path(mutant.file)
    app, earlier = path.parts[0], sorted(each.stem for each in (root / path).parent.glob("0*.py"))
    before = earlier[earlier.index(path.stem) - 1]
    name = "/" + environment["TEST_DATABASE_NAME"]
    url = urlunsplit(urlsplit(environment["DATABASE_URL"])._replace(path=name))
    variables = {**os.environ, **environment, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    for target in ([before], []):
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", app, *target]
        subprocess.run(command, cwd=root, env=variables, check=True, timeout=CONTROL_SECONDS)


def _in_report(test: str) -> str:
    """The name of a test in pytest's report."""
    path, _, function = test.partition("::")
    return f"{path.removesuffix('.py').replace('/', '.')}::{function}"


if __name__ == "__main__":
    sys.exit(main())
