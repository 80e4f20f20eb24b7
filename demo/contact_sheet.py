"""Draw every layout of the widget at four widths, on light and dark pages, on one sheet per layout.

    python -m demo.contact_sheet docs/pictures

Starts the service with the stand-in for Instagram, as `make run` does, in a temporary folder, and opens the pages in
Chromium. The sheets show each width on a light and on a dark page, for visitors whose system is light or dark.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, sync_playwright

from demo import run

Scheme = Literal["light", "dark"]
WIDTHS = (280, 360, 768, 1280)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SCALE = 0.5
GAP, LABEL_HEIGHT = 12, 22
COPIED_WITHIN_SECONDS = 120.0
# Of another origin than the service. The browser gets it from here.
PAGE_URL = "http://localhost/shop"
# A page that comes from here may not load from loopback otherwise.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-features=LocalNetworkAccessChecks")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A layout and the attributes that show it. `height`: how much of the page is drawn."""

    name: str
    attributes: str
    height: int = 900


SHEETS = (
    Sheet("grid", "max-posts=8 lang=en"),
    Sheet("grid-4-5", "max-posts=8 tile-ratio=4:5 columns=4 gap=4 radius=0 page-size=4"),
    Sheet("captions", "max-posts=4 tile-ratio=original captions=below caption-length=90 show-date=on"),
    Sheet(
        "carousel",
        "layout=carousel tile-ratio=4:5 columns=4 columns-narrow=2 follow-button=on radius=16 "
        "header-text='Bread since 1962, on Instagram since today.'",
        620,
    ),
    Sheet(
        "masonry", "layout=masonry max-posts=12 columns=4 header-text='Fresh every morning.' follow-button=on"
    ),
)

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title>
<style>
  body {{ margin: 0; padding: 16px; font: 16px/1.6 system-ui, sans-serif; {colours} }}
  h2 {{ margin: 0 0 14px; font-size: 1.35em; line-height: 1.25; }}
</style>
<script src="{service}/embed/widget.js" async></script>
<h2>Straight from the oven</h2>
<instagram-feed token="{token}" {attributes}></instagram-feed>
<p>Open Tuesday to Sunday.</p>"""
_COLOURS = {
    "light": "color: #2b2622; background: #fff;",
    "dark": "color: #ece6df; background: #1b1714; color-scheme: dark;",
}
# Every picture that can be seen has been drawn.
_IS_DRAWN = """() => {
    const root = document.querySelector("instagram-feed")?.shadowRoot;
    if (!root?.querySelector("a.tile") || root.querySelector("[aria-busy]")) return false;
    return [...root.querySelectorAll("img")].every(image =>
        image.complete || image.getBoundingClientRect().top > innerHeight
        || image.getBoundingClientRect().left > innerWidth);
}"""


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with running_service() as (service, token), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for sheet in SHEETS:
            target = folder / f"widget-{sheet.name}.jpg"
            drawn(sheet, browser, service, token).save(target, quality=80, optimize=True, progressive=True)
            print(f"{target}  {target.stat().st_size // 1000} kB", flush=True)
        browser.close()
    return 0


@contextmanager
def running_service() -> Iterator[tuple[str, str]]:
    """The service's URL, and the token of a feed whose pictures have been copied."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VAR_DIR"] = folder
        os.environ.setdefault("PORT", "8040")
        os.environ.setdefault("STANDIN_PORT", "8041")
        addresses = run.Addresses("127.0.0.1", int(os.environ["PORT"]), int(os.environ["STANDIN_PORT"]))
        processes = run.Processes(run.demo_environment(addresses, run.kept_secrets()), run.Asking())
        try:
            seeded = run.bring_up(processes, addresses)
            token = run.tokens(seeded)[0]
            _wait_for_copies(f"{addresses.web}/v1/integrations/instagram/feed?token={token}", processes)
            yield addresses.web, token
        finally:
            processes.stop()


def _wait_for_copies(url: str, processes: run.Processes) -> None:
    give_up_at = time.monotonic() + COPIED_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        processes.look()
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback address
            posts = json.load(answer)["posts"]
        if posts and all("sizes" in post for post in posts):
            return
    raise run.CannotRun(f"the pictures have not been copied within {COPIED_WITHIN_SECONDS:.0f} seconds.")


def drawn(sheet: Sheet, browser: Browser, service: str, token: str) -> Image.Image:
    rows = [(page, system) for page in SCHEMES for system in SCHEMES]
    labels = [f"{page} page, {system} system" for page, system in rows]
    pictures = [
        [_shot(sheet, browser, service, token, width, page, system) for width in WIDTHS]
        for page, system in rows
    ]
    # As wide as they are, and as high as the highest of all.
    widths = [picture.width for picture in pictures[0]]
    height = max(picture.height for row in pictures for picture in row) + LABEL_HEIGHT + GAP
    whole = Image.new("RGB", (sum(widths) + GAP * (len(widths) + 1), height * len(rows) + GAP), "#8d8a92")
    pen = ImageDraw.Draw(whole)
    font = ImageFont.load_default(size=13)
    for row, (label, shots) in enumerate(zip(labels, pictures, strict=True)):
        left, top = GAP, GAP + row * height
        for width, shot in zip(WIDTHS, shots, strict=True):
            pen.text((left, top), f"{width} px, {label}" if width >= 768 else f"{width} px", "white", font)
            whole.paste(shot, (left, top + LABEL_HEIGHT))
            left += shot.width + GAP
    return whole


def _shot(
    sheet: Sheet, browser: Browser, service: str, token: str, width: int, page_scheme: Scheme, system: Scheme
) -> Image.Image:
    html = _PAGE.format(
        colours=_COLOURS[page_scheme], service=service, token=token, attributes=sheet.attributes
    )
    with browser.new_context(
        viewport={"width": width, "height": sheet.height}, color_scheme=system
    ) as context:
        page = context.new_page()
        page.route(PAGE_URL, lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(PAGE_URL)
        page.wait_for_function(_IS_DRAWN)
        if width >= 768:
            page.locator("instagram-feed .tile").nth(1).hover()
            page.wait_for_timeout(400)
        shot = Image.open(io.BytesIO(page.screenshot()))
    size = (round(shot.width * SCALE), round(shot.height * SCALE))
    return shot.convert("RGB").resize(size, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    sys.exit(main())
