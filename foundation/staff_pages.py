"""What the admin pages of all apps share: words with their code on hover, short texts and times, and worded filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from foundation.large_lists import IndexedValues

Words = Mapping[str, str] | Callable[[str], str]  # of codes

NOTHING = "-"
ID_LENGTH = 12  # of the end of an id, which differs most


def words_of(code: str, words: Words) -> str:
    """The words for a code. A code that this release doesn't know is made readable."""
    known = words.get(code) if isinstance(words, Mapping) else words(code)
    return known or code.replace("_", " ").strip().lower()


def coded(code: str, words: Words) -> SafeString | str:
    """The words for a code, which is shown on hover."""
    return format_html('<abbr title="{}">{}</abbr>', code, words_of(code, words)) if code else NOTHING


def short(text: str, length: int = 40) -> SafeString | str:
    """The beginning of a text, which is shown in full on hover. The direction of its letters stays inside."""
    if not text:
        return NOTHING
    if len(text) <= length:
        return format_html("<bdi>{}</bdi>", text)
    return format_html('<bdi title="{}">{}…</bdi>', text, text[: length - 1].rstrip())


def short_id(text: object) -> SafeString | str:
    """The end of an id, which is shown in full on hover."""
    full = str(text or "")
    if len(full) <= ID_LENGTH + 1:
        return format_html('<bdi class="short-id">{}</bdi>', full) if full else NOTHING
    return format_html('<bdi class="short-id" title="{}">…{}</bdi>', full, full[-ID_LENGTH:])


def moment(at: datetime | None) -> SafeString | str:
    """A time (UTC) to the minute, with seconds on hover."""
    if at is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S}",
        f"{at:%Y-%m-%d %H:%M}",
    )


def code_column(name: str, words: Words, description: str = "") -> Callable[[Any, Any], Any]:
    """A column of an admin class: the field's code in words."""
    return _column(name, lambda value: coded(str(value or ""), words), description)


def text_column(name: str, length: int = 40, description: str = "") -> Callable[[Any, Any], Any]:
    """A column of an admin class: the beginning of the field's text."""
    return _column(name, lambda value: short(str(value or ""), length), description)


def id_column(name: str, description: str = "") -> Callable[[Any, Any], Any]:
    """A column of an admin class: the end of the field's id."""
    return _column(name, short_id, description)


def moment_column(name: str, description: str = "") -> Callable[[Any, Any], Any]:
    """A column of an admin class: the field's time to the minute."""
    return _column(name, moment, description)


def list_column(name: str, words: Words, description: str = "") -> Callable[[Any, Any], Any]:
    """A field of an admin class: a list of codes in words, whatever it holds."""

    def in_words(value: object) -> str:
        codes = value if isinstance(value, list) else []
        return ", ".join(words_of(str(code), words) for code in codes) or "none"

    return _column(name, in_words, description)


def _column(name: str, show: Callable[[Any], Any], description: str) -> Callable[[Any, Any], Any]:
    @admin.display(description=description or name.replace("_", " "), ordering=name)
    def column(self: Any, row: Any) -> Any:
        return show(getattr(row, name))

    return column


def worded_filter(words: Words) -> type[IndexedValues]:
    """A filter by the values in a column, named in words. The empty value is "none"."""

    class Worded(IndexedValues):
        def choices(self, changelist: Any) -> Iterator[Any]:
            for number, choice in enumerate(super().choices(changelist)):
                code, count = _without_count(choice, changelist)
                yield {**choice, "display": f"{words_of(code, words) or 'none'}{count}"} if number else choice

    return Worded


def listed_filter(known: Mapping[str, str]) -> type[admin.ChoicesFieldListFilter]:
    """A filter by the field's choices that have words."""

    class Listed(admin.ChoicesFieldListFilter):
        def choices(self, changelist: Any) -> Iterator[Any]:
            codes = {str(label): str(code) for code, label in self.field.flatchoices}
            for number, choice in enumerate(super().choices(changelist)):
                label, count = _without_count(choice, changelist)
                code = codes.get(label, label)
                if not number:
                    yield choice
                elif code in known or choice["selected"]:
                    yield {**choice, "display": f"{words_of(code, known)}{count}"}

    return Listed


def time_filter(name: str) -> type[admin.DateFieldListFilter]:
    """A filter by a time, with a name."""

    class Named(admin.DateFieldListFilter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = name

    return Named


def _without_count(choice: Mapping[str, Any], changelist: Any) -> tuple[str, str]:
    """The choice's name, and the count that facets add to it."""
    shown = str(choice["display"] or "")
    name, opening, count = shown.rpartition(" (") if changelist.add_facets else (shown, "", "")
    return name, f"{opening}{count}"


def end_state(row: Any, used_field: str, used: str, *, now: datetime | None = None) -> str:
    """The state of an invitation or a link: open, withdrawn, expired, or the word for used."""
    if getattr(row, used_field) is not None:
        return used
    if row.withdrawn_at is not None:
        return "withdrawn"
    return "open" if (now or timezone.now()) < row.expires_at else "expired"


def end_state_filter(used_field: str, used: str) -> type[admin.SimpleListFilter]:
    """A filter by `end_state`."""

    class EndState(admin.SimpleListFilter):
        title = "state"
        parameter_name = "state"

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(word, word) for word in ("open", used, "withdrawn", "expired")]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            is_unused = Q(**{f"{used_field}__isnull": True})
            is_kept = is_unused & Q(withdrawn_at__isnull=True)
            wanted = {
                "open": is_kept & Q(expires_at__gt=timezone.now()),
                used: ~is_unused,
                "withdrawn": is_unused & Q(withdrawn_at__isnull=False),
                "expired": is_kept & Q(expires_at__lte=timezone.now()),
            }
            return queryset.filter(wanted[value]) if (value := self.value()) in wanted else queryset

    return EndState


class NamedAutocomplete(AutocompleteSelect):
    """Django's field with suggestions. While it is empty it says what to choose, which is also its accessible name."""

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        attrs: dict[str, Any] = super().build_attrs(base_attrs, extra_attrs)
        return attrs | {"data-placeholder": f"Choose a {self.field.verbose_name}"}


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that people look at and never edit."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
