"""Figures of reliability: how much the tests do under `make faults`, and where they write what they measured.

Many races run twice: briefly in `make test`, and with large numbers under `make faults` (tests/faults).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

FILE = "FAULTS_FIGURES"  # set by `make faults`
SHARE = float(os.environ.get("FAULTS_SHARE", "1"))


def is_long_run() -> bool:
    return FILE in os.environ


def many(few: int, under_make_faults: int) -> int:
    """FAULTS_SHARE, such as 0.1, makes the long run shorter, while one writes its tests."""
    if not is_long_run():
        return few
    return max(few, round(under_make_faults * SHARE))


def figure(name: str, part: str, *, is_met: bool, **measured: object) -> None:
    """Under `make faults`, print one line of figures and keep it for docs/reliability.md.

    `name`: such as "Q1". `is_met`: whether the goal is reached; whether it is a failure, the test's own assertions say.
    """
    if not is_long_run():
        return
    line = ", ".join(f"{label.replace('_', ' ')} {_text(value)}" for label, value in measured.items())
    if SHARE != 1:
        line += f", at {SHARE:g} of the whole numbers"
    print(
        f"{name} {part}: {line} ({'goal met' if is_met else 'GOAL MISSED'})", file=sys.__stdout__, flush=True
    )
    with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"name": name, "part": part, "line": line, "is_met": is_met}) + "\n")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 10 else f"{value:.1f}"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{count} × {name}" for name, count in sorted(value.items())) + ")"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def percentile(values: list[float], share: float) -> float:
    """Such as the 0.99 of them that are no longer than this."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
