"""The form of a widget's settings. It accepts what people paste: addresses of profiles, hashtags and sites."""

from __future__ import annotations

from copy import copy
from typing import Any

from django import forms

from entitlements.limits import Limits
from foundation.changes_forms import ChangesForm, lines_of
from paris_integration.public import Source, SourceType
from venice_api.editor.locks import allows_source, excluded_words
from venice_api.models import WidgetInstance
from venice_api.values import MAX_POSTS_LIMIT, InvalidInput, typed_origins, typed_source

SOURCE = ("source_type", "source_value")
MAX_ORIGINS = 50
MAX_TYPED_LENGTH = 2_000  # shared addresses have long queries


class LinesField(forms.CharField):
    """Texts, one per line."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return lines_of(self.prepare_value(initial)) != lines_of(data)


class SettingsForm(ChangesForm):
    """`limits`: what the workspace's plan allows now.

    `source`: the valid source, once the form is valid. `origin_notes`: what was left out of the sites typed.
    """

    together = SOURCE

    source_type = forms.ChoiceField(
        label="Source", choices=WidgetInstance.SourceType.choices, widget=forms.RadioSelect, initial="profile"
    )

    source_value = forms.CharField(
        label="Account or hashtag",
        max_length=MAX_TYPED_LENGTH,
        help_text="@acme.bakery, #bread, or an address from Instagram.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
        error_messages={"required": "Enter an account such as @acme.bakery, or a hashtag such as #bread."},
    )
    max_posts = forms.IntegerField(label="Posts shown", min_value=1, max_value=MAX_POSTS_LIMIT)
    allowed_origins = LinesField(
        label="Allowed sites",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One per line, such as shop.example. Leave empty to allow any site.",
    )

    class Meta:
        model = WidgetInstance
        fields = (
            "name",
            "source_type",
            "source_value",
            "max_posts",
            "filter_type",
            "allowed_origins",
            "video_notice",
        )
        labels = {
            "name": "Name",
            "source_type": "Source",
            "filter_type": "Kinds of posts",
            "video_notice": "Before the first video plays, tell visitors that it's loaded from Instagram (Meta)",
        }
        help_texts = {"name": "Only for you and your team.", "video_notice": ""}

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.limits = limits
        self.source: Source | None = None
        self.origin_notes: list[str] = []
        self._saved = copy(self.instance)  # validation writes into the instance
        self.initial["allowed_origins"] = "\n".join(self.instance.allowed_origins)

    @property
    def chosen_type(self) -> str:
        """The type of source to mark as chosen: what was typed may say so itself."""
        is_allowed = self.source is not None and "source_type" not in self.errors
        return self.source.type.value if self.source and is_allowed else str(self["source_type"].value())

    @property
    def unlocked_errors(self) -> list[str]:
        """Errors of the type of source, without what its lock says anyway."""
        excluded = {excluded_words(kind, self.limits) for kind in SourceType}
        return [str(error) for error in self.errors.get("source_type", ()) if str(error) not in excluded]

    def clean_allowed_origins(self) -> list[str]:
        typed = typed_origins(self.cleaned_data["allowed_origins"])
        origins = list(dict.fromkeys(site.origin for site in typed))
        if len(origins) > MAX_ORIGINS:
            raise forms.ValidationError(f"Enter at most {MAX_ORIGINS} sites.")
        self.origin_notes = [site.note for site in typed if site.note]
        return origins

    def full_clean(self) -> None:
        super().full_clean()
        if wrong := [name for name in self.fields if name in self.errors]:
            # The browser scrolls to the first wrong field. Both parts of the source are beside each other.
            first = "source_value" if wrong[0] == "source_type" else wrong[0]
            self.fields[first].widget.attrs["autofocus"] = True

    def _post_clean(self) -> None:
        """Skip the model's validation if the form's has failed: it would report the same fields again."""
        if not self.errors:
            super()._post_clean()  # type: ignore[misc]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        source_type, text = cleaned.get("source_type"), cleaned.get("source_value")
        if not source_type or not text:
            return cleaned
        try:
            self.source = typed_source(source_type, text)
        except InvalidInput as error:
            self.add_error("source_value", error.message)
            return cleaned
        if not self._may_show(self.source):
            self.add_error("source_type", excluded_words(self.source.type, self.limits))
        return cleaned | {"source_type": self.source.type.value, "source_value": self.source.value}

    def save(self, commit: bool = True) -> Any:
        """Save a new widget, or the changed columns of an existing one."""
        if self.instance._state.adding:
            return super().save(commit)
        if self.changed_data:
            self.instance.save(update_fields=[*self.changed_data, "updated_at"])
        return self.instance

    def _may_show(self, source: Source) -> bool:
        """A source saved under a higher plan may stay, so that the other settings can still be changed."""
        saved = (self._saved.source_type, self._saved.source_value)
        return allows_source(source.type, self.limits) or saved == (source.type.value, source.value)
