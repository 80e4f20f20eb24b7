"""Layout shift of a page, as browsers report it to Core Web Vitals."""

from __future__ import annotations

from playwright.sync_api import Page

WATCH_SHIFTS = """
    window.shifts = [];
    window.noteShifts = entries => shifts.push(...entries.filter(entry => !entry.hadRecentInput).map(entry => ({
        value: entry.value,
        moved: entry.sources.map(({node, previousRect, currentRect}) =>
            `${node?.nodeName ?? "?"}.${node?.className ?? ""} ${JSON.stringify([previousRect, currentRect])}`),
    })));
    window.shiftObserver = new PerformanceObserver(list => noteShifts(list.getEntries()));
    shiftObserver.observe({type: "layout-shift", buffered: true});
"""


def total_shift(page: Page) -> float:
    """The sum of all shifts since the page was opened, which is at least its CLS. Needs WATCH_SHIFTS as init script."""
    shifts: list[float] = page.evaluate(
        "() => { noteShifts(shiftObserver.takeRecords()); return shifts.map(shift => shift.value) }"
    )
    return sum(shifts)
