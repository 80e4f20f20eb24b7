"""docs/reliability.md names tests that exist, for every row of its tables, and the catalogue of `make faults` too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.catalogue import FIGURES
from tests.faults.report import BEGIN, END, Line, updated

DOCUMENT = Path("docs/reliability.md")
ROW = re.compile(r"^\| ([FT]\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def functions_of(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_tests_that_exist() -> None:
    rows = {name: NAMED.findall(cell) for name, cell in ROW.findall(DOCUMENT.read_text())}
    assert list(rows) == [f"F{n}" for n in range(1, 40)] + [f"T{n}" for n in range(1, 32)]
    assert [name for name, named in rows.items() if not named] == []
    missing = [
        f"{name}: {path}::{test}"
        for name, named in rows.items()
        for path, test in named
        if test not in functions_of(Path("tests", path))
    ]
    assert missing == []


def test_every_figure_is_measured_by_tests_that_exist() -> None:
    missing = []
    for name, figure in FIGURES.items():
        for test in figure.tests:
            path, _, function = test.partition("::")
            found = functions_of(Path(path))
            if not found or (function and function not in found):
                missing.append(f"{name}: {test}")
    assert missing == []


def test_every_figure_stands_in_the_document() -> None:
    table = DOCUMENT.read_text().split(BEGIN)[1].split(END)[0]
    measured = [name for name, figure in FIGURES.items() if figure.tests]  # M2 is the whole run itself
    assert [name for name in measured if f"| **{name}** " not in table] == []


def test_new_figures_replace_old_ones_and_leave_the_others() -> None:
    empty = f"Before\n{BEGIN}\n{END}\nAfter\n"
    first = updated(empty, [Line("A2", "hung", "old", True), Line("Q1", "kept", "stays", True)])
    second = updated(first, [Line("A2", "hung", "new", False), Line("A2", "refusing", "fine", True)])
    rows = second.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["**Q1** kept", "**A2** hung", "**A2** refusing"]
    assert "old" not in second
    assert rows[1].endswith("| new | **no** |")
    assert second.startswith("Before\n")
    assert second.endswith("\nAfter\n")
    with pytest.raises(KeyError):
        updated(empty, [Line("Z9", "unknown", "", True)])
