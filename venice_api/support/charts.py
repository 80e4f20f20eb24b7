"""Lines of daily usage, drawn as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paris_integration import public as paris

WIDTH, HEIGHT, MARGIN = 240, 56, 3  # units of the SVG's view box
NAMES = {
    "reads": "Reads",
    "refreshes": "Refreshes",
    "refusals": "Refused refreshes",
    "provider_errors": "Provider errors",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """`points`: of an SVG polyline. `days`: each day with its number, for readers that see no picture."""

    name: str
    total: str
    most: str
    points: str
    days: tuple[tuple[str, int], ...]


def charts_of(days: Sequence[paris.DayOfUsage]) -> tuple[Chart, ...]:
    return tuple(_chart(name, days, [getattr(day, field) for day in days]) for field, name in NAMES.items())


def _chart(name: str, days: Sequence[paris.DayOfUsage], numbers: list[int]) -> Chart:
    most = max(numbers, default=0)
    step = (WIDTH - 2 * MARGIN) / max(len(numbers) - 1, 1)
    high = HEIGHT - 2 * MARGIN
    points = (
        f"{MARGIN + place * step:.1f},{HEIGHT - MARGIN - high * number / (most or 1):.1f}"
        for place, number in enumerate(numbers)
    )
    dated = tuple((day.day.isoformat(), number) for day, number in zip(days, numbers, strict=True))
    return Chart(name, f"{sum(numbers):,}", f"{most:,}", " ".join(points), dated)
