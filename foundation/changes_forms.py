"""Forms that several people can have open at once: only what was changed is saved, and nothing is replaced unseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.functional import cached_property


class ChangesForm(forms.ModelForm):  # type: ignore[type-arg]
    """The page repeats in hidden fields what it showed.

    So a field that wasn't changed there keeps its current value, and one that somebody else has changed meanwhile is
    reported. Both are compared with the instance: lock its row first. `together`: fields that are one value, so that a
    change of one counts for all.
    """

    together: ClassVar[Sequence[str]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compared = () if self.instance._state.adding else tuple(self.fields)
        for name in self._compared:
            field, hidden = self.fields[name], self.add_initial_prefix(name)
            is_sent = not field.hidden_widget().value_omitted_from_data(self.data, self.files, hidden)
            field.show_hidden_initial = not self.is_bound or is_sent
            if is_sent and hidden not in self.data:
                # One field with several inputs. Django repeats what was sent only if this name is there, too.
                self._send({hidden: ""})

    @cached_property
    def changed_data(self) -> list[str]:
        changed = set(super().changed_data)
        if changed & set(self.together):
            changed |= set(self.together)
        return [name for name in self.fields if name in changed]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in self._compared:
            if name not in self.fields or name in self.errors:
                continue
            if name in self.changed_data:
                self._report_other_change(name)
            else:
                cleaned[name] = self.current(name)
        return cleaned

    def current(self, name: str) -> Any:
        """The field's value as it is now, not as the page showed it."""
        if hasattr(self.instance, name):
            return getattr(self.instance, name)
        return self.get_initial_for_field(self.fields[name], name)

    def _report_other_change(self, name: str) -> None:
        field, bound, hidden = self.fields[name], self[name], self.add_initial_prefix(name)
        if not field.show_hidden_initial:
            return
        widget, now = field.hidden_widget(), bound.initial
        shown = widget.value_from_datadict(self.data, self.files, hidden)
        if field.has_changed(now, shown) and field.has_changed(now, bound.data):
            value = field.prepare_value(now)
            self._send(_inputs(widget, hidden, value))  # to save again is then a decision
            self.add_error(name, changed_meanwhile(in_words(field, value)))

    def _send(self, values: Mapping[str, Any]) -> None:
        """Replace inputs as if they had been sent so. The page shows them next time."""
        sent: Any = self.data.copy()  # type: ignore[attr-defined]
        for name, value in values.items():
            sent[name] = value
        self.data = sent

    def _update_errors(self, errors: ValidationError) -> None:
        """Leave out what the model says of fields that aren't saved: people can't correct them here."""
        if hasattr(errors, "error_dict"):
            saved = {*(self.changed_data if self._compared else self.fields), NON_FIELD_ERRORS}
            kept = {name: found for name, found in errors.error_dict.items() if name in saved}
            if not kept:
                return
            errors = ValidationError(kept)
        super()._update_errors(errors)  # type: ignore[misc]


def changed_meanwhile(now: str) -> str:
    """What to say when somebody else has changed the same value. `now`: the value in words, "" for none."""
    done = f"saved “{now}”" if now else "emptied this"
    return f"Somebody else has {done} meanwhile. Save again to replace it with yours."


def in_words(field: forms.Field, value: Any) -> str:
    """A field's value as people read it; "" for none."""
    if isinstance(field, forms.BooleanField):
        return "on" if value else "off"
    if isinstance(field, forms.ModelChoiceField):
        row = field.queryset.filter(pk=value).first() if field.queryset is not None else None
        return field.label_from_instance(row) if row else ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    choices = getattr(field, "choices", None)
    if choices is not None:
        return next((str(words) for code, words in choices if str(code) == str(value)), str(value))
    return ", ".join(lines_of(value))


def lines_of(text: object) -> list[str]:
    return [line.strip() for line in str("" if text is None else text).splitlines() if line.strip()]


def _inputs(widget: Any, name: str, value: Any) -> dict[str, Any]:
    """The hidden inputs of a value, by name."""
    suffixes = getattr(widget, "widgets_names", None)
    if suffixes is None:
        return {name: value}
    parts = zip(widget.widgets, suffixes, widget.decompress(value), strict=True)
    return {f"{name}{suffix}": part.format_value(each) for part, suffix, each in parts}
