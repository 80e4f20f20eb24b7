"""The Design page: how a widget looks, beside a preview. Nothing reaches visitors before it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.forms.utils import flatatt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from entitlements.memberships import Role, can_edit
from foundation.changes_forms import ChangesForm
from paris_integration.public import SourceType
from venice_api import appearance, embed_tokens
from venice_api.appearance import Appearance, Columns
from venice_api.editor.gates import instance_and_role, page
from venice_api.embed_code import Reserve
from venice_api.models import WidgetInstance
from venice_api.values import clean_text

SAVED = "Saved. Pages that show the widget update within two minutes."
UNDONE = "Your former design is back. Pages that show the widget update within two minutes."
NOTHING_TO_RESET = "This widget has the default design already."
CHANGED_MEANWHILE = "Somebody has saved another design since the reset, so it was not undone."
_UNDO_SALT = "venice.design.undo"


def _number(label: str, least: int, most: int, help_text: str = "") -> forms.IntegerField:
    error = f"Enter a whole number from {least} to {most}."
    names = ("required", "invalid", "min_value", "max_value")
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        help_text=help_text,
        error_messages=dict.fromkeys(names, error),
    )


def _choice(label: str, choices: dict[str, str], help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=choices,
        widget=forms.RadioSelect,
        help_text=help_text,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose one of these."),
    )


def _switch(label: str, help_text: str = "") -> forms.BooleanField:
    widget = forms.CheckboxInput(attrs={"role": "switch"})
    return forms.BooleanField(label=label, required=False, widget=widget, help_text=help_text)


class LooksFields(forms.Form):
    """All looks of a widget. A field has the name of the widget's attribute, with underscores."""

    layout = _choice("Layout", {"grid": "Grid", "carousel": "Carousel", "masonry": "Masonry"})
    columns = _number("Columns, wide", 1, appearance.MAX_COLUMNS_WIDE, "From 900 px of width.")
    columns_narrow = _number("Columns, narrow", 1, appearance.MAX_COLUMNS_NARROW, "Below that, as on phones.")
    page_size = _number(
        "Posts per page", 0, appearance.MAX_PAGE_SIZE, "A button shows the next ones. 0 shows all at once."
    )
    tile_ratio = _choice("Shape", {"1:1": "Square", "4:5": "Portrait", "original": "Original"})
    gap = _number("Gap", 0, appearance.MAX_PIXELS)
    radius = _number("Corner radius", 0, appearance.MAX_PIXELS)
    header = _switch("Show the header")
    header_text = forms.CharField(
        label="Text",
        max_length=appearance.MAX_HEADER_TEXT,
        required=False,
        help_text="Optional. It is shown below the name.",
        error_messages={"max_length": f"Enter at most {appearance.MAX_HEADER_TEXT} characters."},
    )
    follow_button = _switch("Follow button", "Leads to the profile on Instagram.")
    captions = _choice("Captions", {"none": "Off", "hover": "On hover", "below": "Below"})
    caption_length = _number(
        "Length", 0, appearance.MAX_CAPTION_LENGTH, "Longer captions are shortened. 0 shows them whole."
    )
    show_date = _switch("Show the date")
    click = _choice(
        "A click on a post opens",
        {"lightbox": "Lightbox", "instagram": "Instagram", "none": "Nothing"},
        "The lightbox shows the post large, on your page.",
    )
    theme = _choice(
        "Colours",
        {"auto": "Automatic", "light": "Light", "dark": "Dark"},
        "Automatic fits the colours of your page.",
    )

    FOR_PROFILES: ClassVar = ("follow_button",)

    def clean_header_text(self) -> str:
        text: str = self.cleaned_data["header_text"]
        return clean_text("header_text", text, limit=appearance.MAX_HEADER_TEXT) if text else ""

    def fit_to(self, instance: WidgetInstance) -> None:
        """Say what the header shows, and drop what a hashtag's widget doesn't have. What is saved for it stays."""
        is_profile = instance.source_type == SourceType.PROFILE
        self.fields["header"].help_text = (
            "The account's picture and name." if is_profile else "The hashtag, above the posts."
        )
        if not is_profile:
            for name in self.FOR_PROFILES:
                del self.fields[name]


class DesignForm(LooksFields, ChangesForm):
    """The form of the Design page."""

    class Meta:
        model = WidgetInstance
        fields = ()

    def __init__(self, instance: WidgetInstance, data: Any = None) -> None:
        self.saved = looks_of(instance)
        super().__init__(data, instance=instance, initial=values_of(self.saved), label_suffix="")
        self.fit_to(instance)

    def current(self, name: str) -> Any:
        return values_of(self.saved)[name]

    def looks(self) -> Appearance:
        """The looks in the form. A field with an error counts as saved."""
        return with_values(self.saved, getattr(self, "cleaned_data", {}))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def design(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Show the looks, or do one of `act`: save, preview (without saving), reset, or undo (the reset)."""
    instance, role = instance_and_role(request, instance_id)
    if request.method != "POST":
        return _show(request, instance, role, DesignForm(instance))
    if not can_edit(role):
        raise PermissionDenied
    act = request.POST.get("act", "save")
    if act in {"save", "preview"}:
        return _save(request, instance, role, is_draft=act == "preview")
    if act == "reset":
        _reset(request, instance)
    elif act == "undo":
        _undo(request, instance)
    else:
        raise BadRequest("act must be save, preview, reset or undo")
    return redirect("editor-design", instance_id=instance.pk)


def _save(request: HttpRequest, instance: WidgetInstance, role: Role, *, is_draft: bool) -> HttpResponse:
    with transaction.atomic():
        locked = get_object_or_404(WidgetInstance.objects.select_for_update(), pk=instance.pk)
        form = DesignForm(locked, request.POST)
        is_saved = form.is_valid() and not is_draft
        if is_saved:
            _store(instance.pk, appearance.stored(form.looks()))
    if not is_saved:
        return _show(request, instance, role, form, status=400 if form.errors else 200)
    messages.success(request, SAVED)
    return redirect("editor-design", instance_id=instance.pk)


def _reset(request: HttpRequest, instance: WidgetInstance) -> None:
    """Clear the saved looks. The next page offers to undo it."""
    change = _store(instance.pk, {})
    if not change.before:
        messages.success(request, NOTHING_TO_RESET)
    else:
        request.session[_session_key(instance)] = change.before


def _undo(request: HttpRequest, instance: WidgetInstance) -> None:
    """Save the looks from before the reset, unless there are newer ones."""
    try:
        signed = signing.loads(request.POST.get("former", ""), salt=_UNDO_SALT)
    except signing.BadSignature:
        raise BadRequest("former must be what the page sent") from None
    if signed["instance"] != instance.pk:
        raise BadRequest("former must be of this widget")
    if _store(instance.pk, signed["looks"], only_if_default=True).was_stored:
        messages.success(request, UNDONE)
    else:
        messages.warning(request, CHANGED_MEANWHILE)


@dataclass(frozen=True, slots=True)
class _Change:
    before: dict[str, Any]
    was_stored: bool


@transaction.atomic
def _store(instance_id: str, looks: dict[str, Any], *, only_if_default: bool = False) -> _Change:
    row = get_object_or_404(WidgetInstance.objects.select_for_update(), pk=instance_id)
    before = row.appearance
    if only_if_default and before:
        return _Change(before, was_stored=False)
    row.appearance = looks
    row.save(update_fields=["appearance", "updated_at"])
    return _Change(before, was_stored=True)


def _show(
    request: HttpRequest, instance: WidgetInstance, role: Role, form: DesignForm, *, status: int = 200
) -> HttpResponse:
    looks = form.looks()
    former = request.session.pop(_session_key(instance), None)
    context = {
        "instance": instance,
        "form": form,
        "may_edit": can_edit(role),
        "token": embed_tokens.issue(instance.pk, instance.token_version),
        "reserve": Reserve(instance.max_posts, has_profile=looks.header).words,
        "attributes": _attributes(looks),
        "former": signing.dumps({"instance": instance.pk, "looks": former}, salt=_UNDO_SALT)
        if former
        else "",
    }
    return page(request, "editor/design.html", context, status=status)


def _attributes(looks: Appearance) -> SafeString:
    """The attributes of `<instagram-feed>` that give it these looks."""
    values = {name.replace("_", "-"): value for name, value in values_of(looks).items()}
    words = {True: "on", False: "off"}
    return flatatt(
        {name: words[value] if isinstance(value, bool) else str(value) for name, value in values.items()}
    )


def looks_of(instance: WidgetInstance) -> Appearance:
    """The saved looks, or the default ones if none are saved, or none readable."""
    saved = appearance.to_send(instance.appearance)
    return appearance.default_for(instance.source_type) if saved is None else appearance.parse(saved)


def values_of(looks: Appearance) -> dict[str, Any]:
    """The looks by the names of the form's fields."""
    values = msgspec.structs.asdict(looks)
    columns = values.pop("columns")
    return values | {"columns": columns.wide, "columns_narrow": columns.narrow}


def with_values(looks: Appearance, values: dict[str, Any]) -> Appearance:
    """The looks with some values replaced, by the names of the form's fields."""
    merged = values_of(looks) | values
    columns = Columns(wide=merged.pop("columns"), narrow=merged.pop("columns_narrow"))
    return Appearance(columns=columns, **merged)


def _session_key(instance: WidgetInstance) -> str:
    return f"design_before_reset:{instance.pk}"
