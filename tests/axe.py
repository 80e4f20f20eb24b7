"""Accessibility problems of a page, found by axe-core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from playwright.sync_api import Page

GRAVE = ("serious", "critical")
WIDTHS = (1280, 360)  # a desktop window and a phone
# Only colours differ in the dark scheme. The light scheme is checked by all rules.
RULES_OF_COLOUR = ("color-contrast", "link-in-text-block")


def problems_in_all_looks(page: Page) -> list[str]:
    """Serious problems of the page in a wide and a narrow window, in the light and the dark scheme."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme, rules in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found += [f"{scheme}, {width} pixels: {problem}" for problem in serious_problems(page, rules)]
    return found


SCHEMES: tuple[tuple[Literal["light", "dark"], Sequence[str]], ...] = (
    ("light", ()),
    ("dark", RULES_OF_COLOUR),
)


def problems_at_widths(page: Page) -> list[str]:
    """Serious problems of the page in a wide and a narrow window."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width} pixels: {problem}" for problem in serious_problems(page)]
    return found


def serious_problems(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """One line per violated rule of serious or critical impact, with its elements. Checks `rules`, or all."""
    # Injected by the debugger, which the page's Content-Security-Policy doesn't block.
    if not page.evaluate("'axe' in window"):
        page.evaluate(_script())
    found = page.evaluate(_RUN, list(rules))["violations"]
    return [
        f"{rule['id']}: {rule['help']} at {[node['target'] for node in rule['nodes']]}"
        for rule in found
        if rule["impact"] in GRAVE
    ]


# Wait two frames, so that scripts that follow the colour scheme have run. Animations are finished first, as a colour in
# transition would be measured halfway.
_RUN = """async rules => {
    await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    for (const animation of document.getAnimations()) try { animation.finish(); } catch { animation.cancel(); }
    const chosen = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
    return axe.run(document, {resultTypes: ["violations"], ...chosen});
}"""


@cache
def _script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
