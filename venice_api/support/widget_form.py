"""The form of a widget in the admin: sites and words one per line, looks as fields. It saves only what was changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from foundation.changes_forms import ChangesForm, in_words
from venice_api import appearance, moderation
from venice_api.appearance import Appearance
from venice_api.editor.design import LooksFields, looks_of, values_of, with_values
from venice_api.editor.forms import MAX_ORIGINS, SOURCE, LinesField
from venice_api.models import WidgetInstance
from venice_api.values import InvalidInput, typed_origins

LOOKS = tuple(LooksFields.base_fields)
SETTINGS = (
    "name", "workspace", "source_type", "source_value", "max_posts", "filter_type", "allowed_origins",
    "video_notice", "required_words", "excluded_words", "needs_approval",
)  # fmt: skip
LISTS = ("allowed_origins", "required_words", "excluded_words")
_LABELS = {"header_text": "Header text", "caption_length": "Caption length"}  # the editor's page groups them
MAX_TYPED_LENGTH = 10_000


class ListField(LinesField):
    """A list of texts, one per line. `parse` returns the list, and raises InvalidInput for a wrong line."""

    widget = forms.Textarea

    def __init__(self, parse: Callable[[str], list[str]], **kwargs: Any) -> None:
        self.parse = parse
        super().__init__(
            required=False,
            max_length=MAX_TYPED_LENGTH,
            widget=forms.Textarea(attrs={"rows": 4, "cols": 60, "spellcheck": "false"}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        return self.parse(super().clean(value))


def parse_origins(text: str) -> list[str]:
    """As the editor's form does. Each wrong line is named."""
    found: dict[str, None] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            found |= dict.fromkeys(site.origin for site in typed_origins(line))
        except InvalidInput as error:
            wrong.append(f"Line {number}: {error.message}")
    if wrong:
        raise ValidationError(wrong)
    if len(found) > MAX_ORIGINS:
        raise ValidationError(f"Enter at most {MAX_ORIGINS} sites.")
    return list(found)


class WidgetForm(LooksFields, ChangesForm):
    """A widget's settings, with its looks if it exists already."""

    together = SOURCE

    allowed_origins = ListField(
        parse_origins,
        label="Allowed sites",
        help_text="One per line, such as https://shop.example. Empty: any site may show the widget.",
    )
    required_words = ListField(
        partial(moderation.parse_words, "required"),
        label="Only posts with",
        help_text="Words or #tags of the caption, one per line. One of them is enough. Empty: all posts.",
    )
    excluded_words = ListField(
        partial(moderation.parse_words, "excluded"),
        label="No posts with",
        help_text="Words or #tags of the caption, one per line.",
    )

    class Meta:
        model = WidgetInstance
        fields = SETTINGS
        labels: ClassVar = {
            "max_posts": "Posts shown",
            "filter_type": "Kinds of posts",
            "needs_approval": "New posts wait for approval",
        }
        help_texts: ClassVar = {
            "needs_approval": "Visitors see new posts of the hashtag only after an editor has approved them. The posts "
            "that they see now stay. For a profile it changes nothing.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.saved_looks: Appearance = looks_of(self.instance)
        for name in LISTS:
            if not isinstance(self.initial.get(name, []), list):  # not written by this release
                self.initial[name] = []
        if self.instance._state.adding:
            for name in LOOKS:
                del self.fields[name]
            return
        self.initial.update(values_of(self.saved_looks))
        self.fit_to(self.instance)
        # The editor's page has them in groups.
        self.fields["header_text"].label, self.fields["caption_length"].label = (
            "Header text",
            "Caption length",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "workspace" in self.errors:
            # Only a changed request names none. The field looks its value up again when the page is shown.
            self._send({self.add_prefix("workspace"): ""})
        return cleaned

    def current(self, name: str) -> Any:
        if name in LOOKS:
            return values_of(self.saved_looks)[name]
        return self.initial[name] if name in LISTS else super().current(name)

    def changed_columns(self) -> list[str]:
        """The columns to save, besides approval, which also approves posts."""
        changed = set(self.changed_data)
        columns = [name for name in SETTINGS if name in changed and name != "needs_approval"]
        return [*columns, "appearance"] if changed & set(LOOKS) else columns

    def looks(self) -> dict[str, Any]:
        """The looks to store: the saved ones with what was changed here."""
        typed = {name: self.cleaned_data[name] for name in LOOKS if name in self.changed_data}
        return appearance.stored(with_values(self.saved_looks, typed))

    def notes(self) -> Sequence[str]:
        """What was left out of the sites typed."""
        typed = self["allowed_origins"].data if "allowed_origins" in self.changed_data else ""
        return [site.note for site in typed_origins(typed) if site.note]


def looks_in_words(row: WidgetInstance) -> list[str]:
    """The saved looks, one per line."""
    is_profile = row.source_type == WidgetInstance.SourceType.PROFILE
    values = values_of(looks_of(row))
    return [
        f"{_LABELS.get(name, field.label)}: {in_words(field, values[name]) or 'none'}"
        for name, field in LooksFields.base_fields.items()
        if is_profile or name not in LooksFields.FOR_PROFILES
    ]
