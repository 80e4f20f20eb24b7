"""The form of a widget's settings. It also accepts a pasted profile URL."""

from __future__ import annotations

from copy import copy
from typing import Any

from django import forms

from entitlements.limits import Limits
from paris_integration.public import Source, SourceType, source_from_profile_url
from venice_api.editor.locks import allows_source
from venice_api.models import WidgetInstance
from venice_api.values import MAX_POSTS_LIMIT, InvalidInput, parse_allowed_origin, saved_source

MAX_ORIGINS = 50


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    """`limits`: what the workspace's plan allows now."""

    source_type = forms.ChoiceField(
        label="Source", choices=WidgetInstance.SourceType.choices, widget=forms.RadioSelect, initial="profile"
    )

    source_value = forms.CharField(
        label="Account or hashtag",
        max_length=300,
        help_text="A username, a profile URL, or a hashtag.",
    )
    max_posts = forms.IntegerField(label="Posts shown", min_value=1, max_value=MAX_POSTS_LIMIT)
    allowed_origins = forms.CharField(
        label="Allowed sites",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One per line, such as https://shop.example. Leave empty to allow any site.",
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
        help_texts = {"video_notice": ""}

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.limits = limits
        self._saved = copy(self.instance)  # validation writes into the instance
        self.initial["allowed_origins"] = "\n".join(self.instance.allowed_origins)

    def clean_allowed_origins(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["allowed_origins"].splitlines() if line.strip()]
        if len(lines) > MAX_ORIGINS:
            raise forms.ValidationError(f"Enter at most {MAX_ORIGINS} sites.")
        return list(dict.fromkeys(parse_allowed_origin(line) for line in lines))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        source_type, text = cleaned.get("source_type"), cleaned.get("source_value")
        if not source_type or not text:
            return cleaned
        pasted = source_from_profile_url(text)
        if pasted is not None:
            source_type, text = SourceType.PROFILE.value, pasted.value
        try:
            source = saved_source(source_type, text)
        except InvalidInput as error:
            self.add_error("source_value", error.message)
            return cleaned
        if not self._may_show(source):
            self.add_error("source_type", "Your plan doesn't include this type of source.")
        return cleaned | {"source_type": source.type.value, "source_value": source.value}

    def _may_show(self, source: Source) -> bool:
        """A source saved under a higher plan may stay, so that the other settings can still be changed."""
        saved = (self._saved.source_type, self._saved.source_value)
        return allows_source(source.type, self.limits) or saved == (source.type.value, source.value)
