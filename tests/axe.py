"""What axe-core finds wrong with a page, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from playwright.sync_api import Page

GRAVE = ("serious", "critical")
WIDTHS = (1280, 360)  # a desk's and a phone's
# All that a dark scheme can change. The rules about names, roles and structure hold in both.
RULES_OF_COLOUR = ("color-contrast", "link-in-text-block")


def problems_in_all_looks(page: Page) -> list[str]:
    """What is seriously wrong with the page in a wide and in a narrow window, in the light and in the dark scheme."""
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
    """What is seriously wrong with the page in a wide window or in a narrow one."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width} pixels: {problem}" for problem in serious_problems(page)]
    return found


def serious_problems(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """One line per rule, of these or of all, that is broken seriously or critically, and by which elements."""
    # By the debugger, so that the page's own policy stays in force and does not mind.
    if not page.evaluate("'axe' in window"):
        page.evaluate(_script())
    found = page.evaluate(_RUN, list(rules))["violations"]
    return [
        f"{rule['id']}: {rule['help']} at {[node['target'] for node in rule['nodes']]}"
        for rule in found
        if rule["impact"] in GRAVE
    ]


# The page first sees its new look: scripts that follow the scheme are told of it before a frame is drawn. A colour
# that is still changing would be judged halfway.
_RUN = """async rules => {
    await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    for (const animation of document.getAnimations()) try { animation.finish(); } catch { animation.cancel(); }
    const chosen = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
    return axe.run(document, {resultTypes: ["violations"], ...chosen});
}"""


@cache
def _script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
