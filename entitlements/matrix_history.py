"""The saved changes of the plan matrix, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.paginator import Page, Paginator

from entitlements import keys
from entitlements.models import MatrixChange

PER_PAGE = 10


@dataclass(frozen=True, slots=True)
class CellLine:
    plan: str
    key: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Entry:
    """`undid_at`: when the change that this one undid was saved. `is_last`: this is the change that can be undone."""

    id: int
    at: datetime
    actor: str
    cells: tuple[CellLine, ...]
    undid_at: datetime | None
    is_undone: bool
    is_last: bool


def page_of_history(number: str | None, plan_names: Mapping[str, str]) -> Page[Entry]:
    """A page of the entries, newest first. A wrong number shows the first or the last page."""
    rows = MatrixChange.objects.select_related("undoes", "undone_by")
    page = Paginator(rows, PER_PAGE).get_page(number)
    entries = [
        _entry(row, plan_names, is_last=page.number == 1 and place == 0) for place, row in enumerate(page)
    ]
    return Page(entries, page.number, page.paginator)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class PastValues:
    """Which values plans had on past days. `replaced`: by plan and key, when a value was replaced, oldest first."""

    replaced: Mapping[tuple[str, str], Sequence[tuple[datetime, keys.Value]]]
    now: datetime

    @classmethod
    def since(cls, start: datetime, *, now: datetime) -> PastValues:
        replaced: dict[tuple[str, str], list[tuple[datetime, keys.Value]]] = {}
        for at, cells in (
            MatrixChange.objects.filter(at__gte=start).order_by("at", "id").values_list("at", "cells")
        ):
            for plan, key, old, _ in cells:
                if key in keys.BY_NAME:
                    replaced.setdefault((plan, key), []).append((at, keys.usable_value(key, old)))
        return cls(replaced, now)

    def on(self, plan: str, key: str, day: datetime, current: keys.Value) -> keys.Value:
        """The value in the middle of the day that begins at `day`. `current`: the value of now."""
        middle = day + (min(day + timedelta(days=1), self.now) - day) / 2
        return next((old for at, old in self.replaced.get((plan, key), ()) if at > middle), current)


def _entry(row: MatrixChange, plan_names: Mapping[str, str], *, is_last: bool) -> Entry:
    return Entry(
        id=row.pk,
        at=row.at,
        actor=row.actor,
        cells=tuple(
            CellLine(plan_names.get(plan, plan), key, _words(key, old), _words(key, new))
            for plan, key, old, new in row.cells
        ),
        undid_at=row.undoes.at if row.undoes else None,
        is_undone=hasattr(row, "undone_by"),
        is_last=is_last,
    )


def _words(key: str, value: keys.Value) -> str:
    try:
        return keys.words_for(key, value)
    except keys.UnknownKey:  # of another release
        return str(value)
