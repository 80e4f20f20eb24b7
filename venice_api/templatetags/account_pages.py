"""Filters of the account pages."""

from __future__ import annotations

from django import template

register = template.Library()

# The first that matches counts: browsers also name those that they are compatible with.
BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"), ("Chrome", "Chrome"), ("CriOS", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


@register.filter
def browser_words(user_agent: str) -> str:
    """Such as "Firefox on Windows". A hint for the person: browsers may send anything."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return (
        f"{browser or 'A browser'} on {system}" if system else browser or user_agent[:60] or "Unknown browser"
    )
