"""Where a widget is shown and how often it is read, for the editor's pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from venice_api import sightings

CHART_HEIGHT = 60
BAR_STEP = 10


class Bar(NamedTuple):
    """One day of the chart. `x`, `y` and `height` are in the units of the drawing, whose `y` grows downwards."""

    day: date
    reads: int
    x: int
    y: float
    height: float


def live_context(instance_id: str, *, now: datetime) -> dict[str, object]:
    """What `editor/live.html` shows."""
    seen = sightings.sightings_of(instance_id, now=now)
    most = max(reads for _, reads in seen.reads)
    return {
        "pages": seen.pages,
        "bars": [_bar(place, day, reads, most) for place, (day, reads) in enumerate(seen.reads)],
        "chart_width": len(seen.reads) * BAR_STEP,
        "chart_height": CHART_HEIGHT,
        "total_reads": sum(reads for _, reads in seen.reads),
        "most_reads": most,
        "kept_days": sightings.KEPT_DAYS,
    }


def _bar(place: int, day: date, reads: int, most: int) -> Bar:
    # A day with any read is visible.
    height = max(CHART_HEIGHT * reads / most, 2.0) if reads else 0.0
    return Bar(day, reads, place * BAR_STEP, round(CHART_HEIGHT - height, 1), round(height, 1))
