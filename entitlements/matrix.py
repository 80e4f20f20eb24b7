"""The plan matrix as one form, which is saved completely or not at all.

Every cell has a hidden input with its original value, and only changed cells are written. Two people can edit at the
same time: if both change the same cell, the second sees the first one's value before replacing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict

from entitlements import changes, keys
from entitlements.changes import Actor
from entitlements.models import Plan
from entitlements.reviews import CellChange


@dataclass(frozen=True, slots=True)
class Cell:
    """One key of one plan: an input for editing, and words for display."""

    input: BoundField
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    key: keys.Key
    cells: tuple[Cell, ...]

    @property
    def name_parts(self) -> list[str]:
        """The parts of the key's name, between which a narrow column may break it."""
        return self.key.name.split(".")


class MatrixForm(forms.Form):
    """Fields are named `plan:key`. Errors appear at the cell, and all input is kept.

    `plans`: with their entitlements, locked while saving. `data`: as posted; None shows the stored values.
    """

    def __init__(self, plans: list[Plan], data: QueryDict | None = None) -> None:
        # A mutable copy, because cleaning may replace a cell's original value.
        self._posted = QueryDict(mutable=True) if data is None else data.copy()
        super().__init__(None if data is None else self._posted)
        self.plans = plans
        self._stored: dict[str, keys.Value] = {}
        for plan in plans:
            values = {row.key: row.value for row in plan.entitlements.all()}
            for key in keys.KEYS:
                name = _field_name(plan, key)
                self._stored[name] = keys.usable_value(key.name, values.get(key.name, key.when_missing))
                self.fields[name] = _field(plan, key, self._stored[name])

    def clean(self) -> dict[str, keys.Value]:
        """The values of the changed cells."""
        cleaned: dict[str, keys.Value] = {}
        self._refuse_unknown_keys()
        for name in self.changed_data:
            if name in self.errors:
                continue
            key = _key_of(name)
            try:
                cleaned[name] = _parsed(key, self.cleaned_data[name])
            except ValueError as error:
                self.add_error(name, str(error).removeprefix(f"{key.name}: "))
            else:
                self._refuse_overwriting(name, cleaned[name])
        return cleaned

    def rows(self) -> Iterator[Row]:
        for key in keys.KEYS:
            names = [_field_name(plan, key) for plan in self.plans]
            words = [keys.words_for(key.name, self._stored[name]) for name in names]
            yield Row(key, tuple(Cell(self[name], text) for name, text in zip(names, words, strict=True)))

    def changed_cells(self) -> list[CellChange]:
        """What saving a valid form would change."""
        cells = ((plan, key, _field_name(plan, key)) for plan in self.plans for key in keys.KEYS)
        return [
            CellChange(plan.pk, plan.name, key.name, self._stored[name], self.cleaned_data[name])
            for plan, key, name in cells
            if name in self.cleaned_data and self.cleaned_data[name] != self._stored[name]
        ]

    def save(self, actor: Actor) -> int:
        """Write the changed cells as one entry of the matrix's history. Returns how many values changed."""
        saved = changes.save_matrix({plan: self._column(plan) for plan in self.plans}, actor=actor)
        return len(saved.cells) if saved else 0

    def _column(self, plan: Plan) -> dict[str, object]:
        names = {_field_name(plan, key): key.name for key in keys.KEYS}
        return {key: self.cleaned_data[name] for name, key in names.items() if name in self.cleaned_data}

    def _refuse_unknown_keys(self) -> None:
        cells = (name.removeprefix("initial-") for name in self._posted if ":" in name)
        for name in sorted(set(cells) - set(self.fields)):
            self.add_error(None, f"{name!r} is not a known plan and entitlement key.")

    def _refuse_overwriting(self, name: str, typed: keys.Value) -> None:
        """Add an error if someone else changed the cell since it was shown. Their value becomes the original value."""
        bound, key, stored = self[name], _key_of(name), self._stored[name]
        if self._posted.get(bound.html_initial_name) == _shown(stored) or typed == stored:
            return
        self._posted[bound.html_initial_name] = _shown(stored)
        words = keys.words_for(key.name, stored)
        self.add_error(name, f"Someone else changed this to {words}. Save again to replace it.")


def _field(plan: Plan, key: keys.Key, stored: keys.Value) -> forms.Field:
    label = f"{plan.name}: {key.name}"
    if key.kind is keys.Kind.BOOL:
        return forms.BooleanField(label=label, required=False, initial=stored, show_hidden_initial=True)
    widget = forms.TextInput(
        attrs={"inputmode": "numeric", "placeholder": key.empty_means or "", "size": 8, "autocomplete": "off"}
    )
    return forms.CharField(
        label=label,
        required=False,
        max_length=40,
        initial=_shown(stored),
        widget=widget,
        show_hidden_initial=True,
    )


def _field_name(plan: Plan, key: keys.Key) -> str:
    return f"{plan.key}:{key.name}"


def _key_of(field_name: str) -> keys.Key:
    return keys.key_named(field_name.split(":", 1)[1])


def _shown(value: keys.Value) -> str:
    """The value as text for the cell's input; empty for None."""
    return "" if value is None else str(value)


def _parsed(key: keys.Key, typed: object) -> keys.Value:
    if key.kind is keys.Kind.BOOL:
        return keys.check_value(key.name, typed)
    return keys.parse_value(key.name, str(typed))
