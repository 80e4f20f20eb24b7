"""Measure the code base: modules, import contracts, queries per request, and, with `--tests`, the time of each leg.

    python -m benchmarks.structure [--repo DIR] [--tests]

`--repo` counts the files of another checkout, such as an earlier release. `--tests` runs `make test`, which takes
minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

PRODUCT = ("config", "entitlements", "foundation", "paris_integration", "venice_api")
OTHERS = ("instagram_standin", "demo", "tests/standin", "tests")
LEFT_OUT = ("migrations", "__init__.py")
BUDGETS = "tests/venice_api/test_query_budgets.py"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repo", type=Path, help="another checkout; none of its code is run")
    parser.add_argument("--tests", action="store_true", help="run `make test` as well")
    options = parser.parse_args()
    repo = options.repo or Path.cwd()
    print_modules(repo)
    print_lines(repo)
    contracts = tomllib.loads((repo / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    print(f"\nImport contracts: {len(contracts)}")
    for contract in contracts:
        print(f"  {contract['name']}")
    if options.repo is None:
        print_queries()
        if options.tests:
            print_legs()


def print_modules(repo: Path) -> None:
    print(f"{'folder':<36} modules  median lines")
    folders: dict[str, list[int]] = defaultdict(list)
    for name in python_files(repo, PRODUCT):
        if not any(part in name.split("/") for part in LEFT_OUT):
            folders[str(Path(name).parent)].append(line_count(repo / name))
    for folder, sizes in sorted(folders.items()):
        print(f"{folder:<36} {len(sizes):>7}  {median(sizes):>12.0f}")


def print_lines(repo: Path) -> None:
    print(f"\n{'lines of':<36}")
    for folder in (*PRODUCT, *OTHERS):
        lines = sum(line_count(repo / name) for name in python_files(repo, (folder,)))
        print(f"{folder:<36} {lines:>7}")


def print_queries() -> None:
    """The queries of each kind of request, as counted by the tests of the query budgets."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            BUDGETS,
            "-o",
            "junit_family=xunit1",
            f"--junitxml={report}",
        ]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "REDIS_URL": ""})
        print("\nQueries per request")
        for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
            for found in case.iter("property"):
                print(
                    f"  {case.get('name', '').removeprefix('test_').replace('_', ' '):<34} {found.get('value')}"
                )


def print_legs() -> None:
    print("\nTests")
    done = subprocess.run([sys.executable, "-m", "tests"], capture_output=True, text=True)
    legs = [line for line in (done.stdout + done.stderr).splitlines() if line.endswith(" s") and ": " in line]
    print("\n".join(f"  {line}" for line in legs))


def python_files(repo: Path, folders: tuple[str, ...]) -> list[str]:
    command = ["git", "-C", str(repo), "ls-files", "--", *folders]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in listed if name.endswith(".py")]


def line_count(path: Path) -> int:
    return len(path.read_text().splitlines())


if __name__ == "__main__":
    main()
