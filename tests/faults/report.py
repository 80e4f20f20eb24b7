"""Writes figures into the table of docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.catalogue import FIGURES

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEAD = ("| figure | goal | measured | goal met |", "|---|---|---|---|")


@dataclass(frozen=True)
class Line:
    name: str
    part: str
    line: str
    is_met: bool

    @property
    def label(self) -> str:
        return f"**{self.name}** {self.part}"

    @property
    def row(self) -> str:
        goal = f"{FIGURES[self.name].goal}; failed: {FIGURES[self.name].hard}"
        return f"| {self.label} | {goal} | {self.line} | {'yes' if self.is_met else '**no**'} |"


def updated(document: str, measured: list[Line], *, is_whole: bool = False) -> str:
    """The document with these lines in place of older ones. Others stay, unless these are all."""
    before, rest = document.split(BEGIN)
    table, after = rest.split(END)
    rows = {} if is_whole else {_label(row): row for row in table.strip().splitlines()[len(HEAD) :]}
    rows |= {line.label: line.row.replace("\n", " ") for line in measured}
    ordered = sorted(rows.values(), key=lambda row: (_place(row), row))
    return f"{before}{BEGIN}\n" + "\n".join((*HEAD, *ordered)) + f"\n{END}{after}"


def _label(row: str) -> str:
    return row.split("|")[1].strip()


def _place(row: str) -> int:
    name = _label(row).split("**")[1]
    return list(FIGURES).index(name) if name in FIGURES else len(FIGURES)
