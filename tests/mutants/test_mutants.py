"""The list of mutants fits the code. `make mutants` tries them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutants.__main__ import outcome_of
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Misfit, Mutant
from tests.processes.forking import ROOT

CODE = "def guard(value: int) -> bool:\n    return value < 3\n"
TEST = "def test_guard() -> None:\n    assert True\n"


def test_every_mutant_fits_the_code_and_names_its_tests() -> None:
    misfits = []
    for mutant in MUTANTS:
        try:
            mutant.check(ROOT)
        except Misfit as misfit:
            misfits.append(str(misfit))

    assert misfits == []
    assert len(MUTANTS) >= 60
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def made(**values: object) -> Mutant:
    usual = {
        "name": "m",
        "file": "code.py",
        "old": "value < 3",
        "new": "True",
        "killed_by": ("test_code.py::test_guard",),
    }
    return Mutant(**(usual | values))  # type: ignore[arg-type]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "test_code.py").write_text(TEST)
    return tmp_path


def test_a_mutant_is_there_for_a_block_only(project: Path) -> None:
    made().check(project)
    with made().applied(project):
        assert (project / "code.py").read_text() == CODE.replace("value < 3", "True")
    assert (project / "code.py").read_text() == CODE


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"old": "value > 3"}, "occurs 0 times"),
        ({"old": "value"}, "occurs 2 times"),
        ({"new": "value < 3"}, "changes nothing"),
        ({"new": "value <"}, "no Python"),
        ({"killed_by": ()}, "no test is named"),
        ({"killed_by": ("test_code.py::test_other",)}, "there is no"),
        ({"killed_by": ("test_other.py::test_guard",)}, "there is no"),
    ],
)
def test_a_mutant_that_does_not_fit_is_named(project: Path, values: dict[str, object], problem: str) -> None:
    with pytest.raises(Misfit, match=problem):
        made(**values).check(project)


def case(inner: str, name: str = "test_guard") -> str:
    return f'<testcase classname="tests.test_code" name="{name}">{inner}</testcase>'


PASSED = case("", "test_first[1]")
FAILED = case('<failure message="assert False&#10;more" />')
ERROR = case('<error message="failed on setup" />')
SKIPPED = case('<skipped message="no server" />')


@pytest.mark.parametrize(
    ("status", "cases", "failed", "why"),
    [
        pytest.param(0, PASSED, "", "", id="passed"),
        pytest.param(1, PASSED + FAILED, "test_code::test_guard", "assert False", id="failed"),
        pytest.param(1, PASSED + ERROR, "", "error in .*: failed on setup", id="not set up"),
        pytest.param(0, PASSED + SKIPPED, "", "skipped in .*: no server", id="skipped"),
        pytest.param(2, ERROR, "", "pytest ended with 2: last line", id="not collected"),
        pytest.param(None, "", "", "timed out", id="timed out"),
    ],
)
def test_only_a_failed_test_kills(
    tmp_path: Path, status: int | None, cases: str, failed: str, why: str
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")

    outcome = outcome_of(report, {"status": status, "output": "first line\nlast line\n"}, 1.0)

    assert outcome.failed == failed
    assert re.fullmatch(why, outcome.why)
