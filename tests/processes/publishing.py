"""A publisher's site of another origin, with a strict policy, and a browser's visit to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.processes.service import Service


@contextmanager
def publisher(service: Service, body: str, policy: str = "") -> Iterator[str]:
    """Another site, with a strict policy that allows the service and its pictures."""
    origin = f"http://127.0.0.1:{service.web_ports[0]}"
    strict = (
        f"default-src 'none'; script-src {origin}; connect-src {origin}; img-src {service.standin.base_url}; "
        f"media-src {service.standin.base_url}; require-trusted-types-for 'script'; "
        f"frame-src {origin}"
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = f"<script src='{origin}/embed/widget.js'></script>"
            page = f"<!doctype html><html lang=en><title>Shop</title>{script}{body}"
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", policy or strict)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


@contextmanager
def opened(
    browser: Browser, url: str, *, settles: bool = True, **context: Any
) -> Iterator[tuple[Page, list[str], set[str]]]:
    """A page whose widgets show what they have, what its console said, and the hosts it spoke to."""
    page = browser.new_page(**context)
    said: list[str] = []
    hosts: set[str] = set()
    page.on(
        "console",
        lambda message: said.append(message.text) if "favicon" not in message.location["url"] else None,
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(url)
    if settles:
        wait_for_widgets(page)
    yield page, said, hosts
    page.close()


# No widget is waiting for its feed, and every picture that can be seen has come or failed.
_SETTLED = """() => !customElements.get("instagram-feed") ||
    [...document.querySelectorAll("instagram-feed")].every(({shadowRoot: root}) =>
        root.firstChild.childElementCount && !root.querySelector("[aria-busy]") &&
        [...root.querySelectorAll("img")].every(image =>
            image.complete || image.getBoundingClientRect().top > innerHeight
            || image.getBoundingClientRect().left > innerWidth))"""


def wait_for_widgets(page: Page) -> None:
    wait_for(page, lambda: page.evaluate(_SETTLED))


def wait_for(page: Page, happens: Callable[[], Any], *, within_seconds: float = 20) -> None:
    """Wait while the page goes on and its events arrive."""
    give_up_at = time.monotonic() + within_seconds
    while not happens():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        page.wait_for_timeout(20)


def widget(service: Service, username: str, attributes: str = "", *more: str) -> str:
    """The element of a widget that tests only look at; those of the same account share one."""
    token = service.shared_instance(username, *more)["embedToken"]
    return f"<instagram-feed token='{token}' {attributes}></instagram-feed>"
