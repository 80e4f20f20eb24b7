"""Tags of the editor's pages: times in the reader's zone, and links to upgrades."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from django import template
from django.forms.boundfield import BoundField
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from venice_api.editor.upgrades import upgrade_href
from venice_api.models import WidgetInstance
from venice_api.wording import UTC_TIME, parse_utc

register = template.Library()


@register.filter
def handle(instance: WidgetInstance) -> str:
    """The widget's source as people write it: @name or #tag. "" after the account was erased."""
    sign = "#" if instance.source_type == WidgetInstance.SourceType.HASHTAG else "@"
    return f"{sign}{instance.source_value}" if instance.source_value else ""


@register.filter
def widget_title(instance: WidgetInstance) -> str:
    """The widget's name, else its source."""
    return instance.name or handle(instance) or "Untitled widget"


@register.filter
def shown_value(field: BoundField) -> SafeString | str:
    """The hidden input that repeats what the page showed, for a field whose other inputs are in the template."""
    return field.as_hidden(only_initial=True) if field.field.show_hidden_initial else ""


@register.filter
def moment(at: datetime) -> SafeString:
    """A time to the minute. `times.js` shows it in the reader's zone."""
    return format_html('<time datetime="{}">{} UTC</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M}")


@register.filter
def times(words: str) -> SafeString:
    """A sentence from `wording`, with its times marked up like those of `moment`."""
    return mark_safe(UTC_TIME.sub(_marked_up, conditional_escape(words)))  # noqa: S308 - escaped before tags are added


def _marked_up(found: re.Match[str]) -> str:
    try:
        return f'<time datetime="{parse_utc(found).isoformat()}">{found[0]}</time>'
    except ValueError:  # digits that are no time
        return found[0]


@register.simple_tag(takes_context=True)
def upgrade(context: Mapping[str, object], plan_name: str) -> SafeString:
    """ "Upgrade to Pro", as a link if it leads somewhere."""
    href = upgrade_href(context["workspace"], plan_name)  # type: ignore[arg-type]
    words = f"Upgrade to {plan_name}"
    if not href:
        return format_html("<strong>{}</strong>", words)
    return format_html('<a class="upgrade" href="{}">{}</a>', href, words)


@register.simple_tag(takes_context=True)
def linked(context: Mapping[str, object], words: str, plan_name: str | None) -> SafeString:
    """A sentence with its times marked up, and with its "upgrade to Pro" as a link if it leads somewhere."""
    marked = times(words)
    href = upgrade_href(context["workspace"], plan_name) if plan_name else ""  # type: ignore[arg-type]
    if not href:
        return marked
    wanted = re.compile(re.escape(conditional_escape(f"upgrade to {plan_name}")), re.IGNORECASE)
    link = format_html('<a class="upgrade" href="{}">', href)
    return mark_safe(wanted.sub(lambda found: f"{link}{found[0]}</a>", marked, count=1))  # noqa: S308 - escaped above
