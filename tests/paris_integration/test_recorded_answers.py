"""Every file of tests/data/instagram is read by a test, and names its source and date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.recorded import DATA, load

TESTS = Path(__file__).parents[1]
README = (DATA / "README.md").read_text()
FILES = sorted(path for path in DATA.rglob("*") if path.is_file() and path.name != "README.md")
SOURCE = re.compile(r"(.+) \((updated|read|copied|reported|entry of) 2\d{3}(-\d\d(-\d\d)?)?\)")


def test_every_folder_is_read_by_a_test() -> None:
    """A test that reads a folder reads all its files: see `recorded`."""
    modules = (path.read_text() for path in TESTS.rglob("test_*.py"))
    read = {folder for text in modules for folder in re.findall(r'\brecorded\("(\w+)"\)', text)}

    assert {path.relative_to(DATA).as_posix() for path in FILES} == {
        f"{folder}/{path.name}" for folder in read for path in (DATA / folder).glob("*.json")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DATA).with_suffix("").as_posix())
def test_every_file_names_its_case_and_its_source(path: Path) -> None:
    case = load(path)
    source = SOURCE.fullmatch(case.source)

    assert case.about.endswith(".")
    assert source is not None
    assert f"| {source[1]} |" in README


def test_every_source_of_the_readme_is_used() -> None:
    listed = re.findall(r"^\| ([A-Z][^|]*?) \|", README.partition("## Sources")[2], re.MULTILINE)
    used = {load(path).source.partition(" (")[0] for path in FILES}

    assert set(listed) == used


def test_no_two_files_of_a_folder_hold_the_same_answer() -> None:
    seen: dict[str, Path] = {}
    for path in FILES:
        case = load(path)
        answer = f"{path.parent.name} {case.status} {case.headers} {case.payload}"
        assert answer not in seen, f"{path.name} repeats {seen[answer].name}"
        seen[answer] = path
