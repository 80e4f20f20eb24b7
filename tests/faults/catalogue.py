"""The figures of docs/reliability.md: what each means, and the tests that measure it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`hard`: beyond this a test fails. A goal that is only missed is reported. `tests`: arguments for pytest."""

    goal: str
    hard: str
    tests: tuple[str, ...]
    on_sqlite: bool = False


FORCED = "tests/races/test_forced_refresh.py::"
MODEL = "tests/paris_integration/quota/test_forced_model.py::"

FIGURES: dict[str, Figure] = {
    "Q1": Figure(
        "10,000 racing POSTs over 8 processes (caps 1, 96, 2,000; one widget and 50): no unit over-spent or lost",
        "a unit over-spent",
        (
            f"{FORCED}test_racing_posts_neither_exceed_the_limit_nor_lose_units",

        ),
    ),
}
