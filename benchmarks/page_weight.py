"""Measure a page with feeds in Chromium: bytes and requests of pictures, hosts, and layout shift over ten loads.

    python -m benchmarks.page_weight --page http://localhost:8000/demo/publisher/ --slow
    python -m benchmarks.page_weight --base-url https://feeds.example --token TOKEN

The page is opened at 1280 and 360 pixels, without a cache, and scrolled to its end. `layoutShift`: the largest sum of
all shifts of one load, which is at least its CLS. `--slow` delays widget.js by one second and the feed by three.
"""

from __future__ import annotations

import argparse
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from tests.shifts import WATCH_SHIFTS, total_shift
from venice_api.embed_code import Reserve, embed_code

WIDTHS = {1280: 800, 360: 740}  # and heights
SLOW_SCRIPT_SECONDS, SLOW_FEED_SECONDS = 1.0, 3.0

# Scrolls by half a window at a time, and resolves when every picture has loaded or failed.
_SEE_ALL = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let top = 0; top < document.documentElement.scrollHeight; top += innerHeight / 2) {
        scrollTo({top, behavior: "instant"});
        for (let drawn = 0; drawn < 6; drawn += 1) await frame();
    }
    const pictures = [document, ...[...document.querySelectorAll("instagram-feed")].map(feed => feed.shadowRoot)]
        .flatMap(root => [...root.querySelectorAll("img")]);
    while (pictures.some(image => !image.complete)) await frame();
}"""
_IS_DRAWN = """() => {
    const feeds = [...document.querySelectorAll("instagram-feed")];
    return feeds.length && feeds.every(({shadowRoot: root}) => root?.querySelector("a.tile, .note"));
}"""


@dataclass
class Traffic:
    """What a page's requests transferred. Bytes are as sent, with headers."""

    requests: int = 0
    picture_requests: int = 0
    picture_bytes: int = 0
    hosts: set[str] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        kinds: dict[str, str] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})

        def begin(event: dict[str, Any]) -> None:
            kinds[event["requestId"]] = event.get("type", "")
            self.requests += 1
            self.picture_requests += event.get("type") == "Image"
            self.hosts.add(urlsplit(event["request"]["url"]).netloc)

        def end(event: dict[str, Any]) -> None:
            if kinds.get(event["requestId"]) == "Image":
                self.picture_bytes += int(event["encodedDataLength"])

        session.on("Network.requestWillBeSent", begin)
        session.on("Network.loadingFinished", end)


def measure(
    browser: Browser, url: str, width: int, loads: int, *, scale: float, is_slow: bool
) -> dict[str, Any]:
    traffic = Traffic()
    with browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]}, device_scale_factor=scale
    ) as context:
        page = _page(context)
        traffic.watch(page)
        _open(page, url)
    shifts = []
    for _ in range(loads):
        with browser.new_context(
            viewport={"width": width, "height": WIDTHS[width]}, device_scale_factor=scale
        ) as context:
            page = _page(context)
            if is_slow:
                page.route("**/embed/widget.js", _late(SLOW_SCRIPT_SECONDS))
                page.route("**/v1/integrations/instagram/feed?**", _late(SLOW_FEED_SECONDS))
            _open(page, url)
            shifts.append(total_shift(page))
    return {
        "width": width,
        "pictureBytes": traffic.picture_bytes,
        "pictureRequests": traffic.picture_requests,
        "requests": traffic.requests,
        "hosts": sorted(traffic.hosts),
        "layoutShift": round(max(shifts), 4),
        "loads": loads,
    }


def _page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.add_init_script(WATCH_SHIFTS)
    return page


def _open(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_function(_IS_DRAWN)
    page.evaluate(_SEE_ALL)


def _late(seconds: float) -> Callable[[Route], None]:
    def go_on(route: Route) -> None:
        route.request.frame.page.wait_for_timeout(seconds * 1_000)
        route.continue_()

    return go_on


@contextmanager
def own_page(base_url: str, token: str) -> Iterator[str]:
    """A page of another origin with the embed code, and text above and below it."""
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Shop</title><h1>Shop</h1>{embed_code(base_url, token, Reserve(12))}<p>Open every day.</p>"
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--page", help="the URL of a page that shows feeds")
    parser.add_argument("--base-url", help="the service's URL, for a page made here")
    parser.add_argument("--token", help="the widget's embed token, for a page made here")
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--scale", type=float, default=1, help="device pixels per CSS pixel")
    parser.add_argument("--slow", action="store_true", help="delay widget.js and the feed")
    arguments = parser.parse_args()
    if not arguments.page and not (arguments.base_url and arguments.token):
        parser.error("give --page, or --base-url and --token")
    shown = nullcontext(arguments.page) if arguments.page else own_page(arguments.base_url, arguments.token)
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with shown as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for width in WIDTHS:
            measured = measure(
                browser, url, width, arguments.loads, scale=arguments.scale, is_slow=arguments.slow
            )
            print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
